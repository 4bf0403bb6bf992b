"""THE main path: a scenario becomes a verdict."""

from __future__ import annotations

import shutil
import tempfile
import time
from pathlib import Path

from rich.console import Console

from driftdrill.crew import ALONE, Crew
from driftdrill.live import Stage, observe_live
from driftdrill.models import service
from driftdrill.monitoring import Monitoring
from driftdrill.report import write_reports
from driftdrill.report.progress import ProgressLine
from driftdrill.report.terminal import print_verdict
from driftdrill.rig import PROJECT
from driftdrill.rig.interrupts import Interruption
from driftdrill.rig.rig import new_folder
from driftdrill.rig.tools import Tools, find_tools
from driftdrill.verdict import Observation, Verdict, judge
from driftdrill.virtual.engine import EngineName
from driftdrill.virtual.observe import observe, record
from driftdrill.virtual.recording import read_recording, recorded_scenario
from driftdrill.virtual.selectors import read_by
from driftdrill.watch import Settings
from scenarios.spec import Scenario
from scenarios.target import Target

RULES = tuple(sorted((PROJECT / "prometheus" / "rules").glob("*.yml")))
"""The shipped rules."""


def drill(
    scenario: Scenario,
    *,
    speed: float,
    seed: int,
    out: Path,
    rules: tuple[Path, ...],
    interruption: Interruption,
    console: Console,
    target: Target | None = None,
    monitoring: Monitoring | None = None,
    crew: Crew = ALONE,
) -> Verdict:
    """Run one drill, say how it went, and write its reports into `out`."""
    at = f" at {target.url}" if target else ""
    console.print(f"[bold]{scenario.name}[/] live{at} at speed {speed:g}, seed {seed}")
    served = target or service(scenario)
    tools = None if monitoring else find_tools()
    settings = Settings(speed, seed, out, rules, served, tools, monitoring, crew)

    def announce(rig: Stage) -> None:
        console.print(f"  Prometheus    {rig.prometheus_url}  ask it what you like meanwhile")
        console.print(f"  Alertmanager  {rig.alertmanager_url}")

    with ProgressLine(console) as line:
        seen = observe_live(scenario, settings, interruption, line.update, announce)
    return _conclude(scenario, seen, out, console)


def virtual_drill(
    scenario: Scenario,
    *,
    days: float | None,
    seed: int,
    out: Path,
    rules: tuple[Path, ...],
    engine: EngineName,
    console: Console,
) -> Verdict:
    """The same without servers and without a clock, over as many days as asked for."""
    length = "" if days is None else f" over {days:g} days"
    console.print(f"[bold]{scenario.name}[/] virtual{length}, seed {seed}")
    new_folder(out)
    tools = find_tools()
    with tempfile.TemporaryDirectory(dir=out) as work:
        recording = Path(work) / "recording"
        with ProgressLine(console) as line:
            record(
                scenario,
                recording,
                seed=seed,
                days=days,
                wanted=read_by(rules),
                portable=False,
                tools=tools,
                show=line.update,
            )
        return _judge_recording(recording, out, rules, engine, tools, Path(work), console)


def replay(
    recording: Path,
    *,
    out: Path | None,
    rules: tuple[Path, ...],
    engine: EngineName,
    console: Console,
) -> Verdict:
    """Hold rules against a drill that was recorded before."""
    about = read_recording(recording)
    console.print(f"[bold]{about.scenario}[/] from {recording}, seed {about.seed}")
    out = out or default_out(about.scenario)
    new_folder(out)
    with tempfile.TemporaryDirectory(dir=out) as work:
        return _judge_recording(recording, out, rules, engine, find_tools(), Path(work), console)


def default_out(scenario: str) -> Path:
    """`runs/<time>-<name>`."""
    return Path("runs") / f"{time.strftime('%Y%m%d-%H%M%S')}-{scenario}"


def _judge_recording(
    recording: Path,
    out: Path,
    rules: tuple[Path, ...],
    engine: EngineName,
    tools: Tools,
    work: Path,
    console: Console,
) -> Verdict:
    console.print(f"  evaluating {len(rules)} rule files")
    seen, notes = observe(recording, rules, engine, tools, work / "engine")
    for note in notes:
        console.print(f"  {note}", highlight=False, markup=False, soft_wrap=True)
    (out / "rules").mkdir()
    for number, path in enumerate(rules, 1):
        shutil.copyfile(path, out / "rules" / f"{number}-{path.name}")
    return _conclude(recorded_scenario(recording), seen, out, console)


def _conclude(scenario: Scenario, seen: Observation, out: Path, console: Console) -> Verdict:
    verdict = judge(scenario, seen)
    write_reports(scenario, seen, verdict, out)
    print_verdict(scenario, verdict, console)
    console.print(f"  {out / 'report.html'}", highlight=False, soft_wrap=True)
    return verdict
