"""THE main path: a scenario becomes a verdict."""

from __future__ import annotations

import time
from pathlib import Path

from rich.console import Console

from driftdrill.live import observe_live
from driftdrill.models import artifact
from driftdrill.report import write_reports
from driftdrill.report.progress import ProgressLine
from driftdrill.report.terminal import print_verdict
from driftdrill.rig import PROJECT
from driftdrill.rig.interrupts import Interruption
from driftdrill.rig.rig import Rig
from driftdrill.rig.tools import find_tools
from driftdrill.verdict import Verdict, judge
from driftdrill.watch import Settings
from scenarios.spec import Scenario

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
) -> Verdict:
    """Run one drill, say how it went, and write its reports into `out`."""
    console.print(f"[bold]{scenario.name}[/] live at speed {speed:g}, seed {seed}")
    settings = Settings(speed, seed, out, rules, artifact(scenario.model), find_tools())

    def announce(rig: Rig) -> None:
        console.print(f"  Prometheus    {rig.prometheus_url}  ask it what you like meanwhile")
        console.print(f"  Alertmanager  {rig.alertmanager_url}")

    with ProgressLine(console) as line:
        seen = observe_live(scenario, settings, interruption, line.update, announce)
    verdict = judge(scenario, seen)
    write_reports(scenario, seen, verdict, out)
    print_verdict(scenario, verdict, console)
    console.print(f"  {out / 'report.html'}", highlight=False, soft_wrap=True)
    return verdict


def default_out(scenario: Scenario) -> Path:
    """`runs/<time>-<name>`."""
    return Path("runs") / f"{time.strftime('%Y%m%d-%H%M%S')}-{scenario.name}"
