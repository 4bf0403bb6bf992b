"""Drills kept for later: as recordings, and as test files for promtool."""

from __future__ import annotations

import tempfile
from pathlib import Path

from rich.console import Console

from driftdrill.drill import RULES, default_out, drill
from driftdrill.report.progress import ProgressLine
from driftdrill.rig.errors import UsageError
from driftdrill.rig.interrupts import Interruption
from driftdrill.rig.rig import new_folder
from driftdrill.rig.tools import find_tools
from driftdrill.verdict import Verdict
from driftdrill.virtual.export import export_tests
from driftdrill.virtual.from_live import record_live
from driftdrill.virtual.observe import record
from driftdrill.virtual.selectors import everything, read_by
from scenarios.spec import Scenario


def record_drill(
    scenario: Scenario, folder: Path, *, days: float | None, seed: int, console: Console
) -> None:
    """Keep every series of a virtual drill."""
    with ProgressLine(console) as line:
        record(
            scenario,
            folder,
            seed=seed,
            days=days,
            wanted=everything,
            portable=True,
            tools=find_tools(),
            show=line.update,
        )


def record_live_drill(
    scenario: Scenario,
    folder: Path,
    *,
    speed: float,
    seed: int,
    interruption: Interruption,
    console: Console,
) -> Verdict:
    """Run a live drill, and keep every series of it on the clock of production."""
    new_folder(folder)
    out = default_out(scenario.name)
    verdict = drill(
        scenario,
        speed=speed,
        seed=seed,
        out=out,
        rules=RULES,
        interruption=interruption,
        console=console,
    )
    record_live(scenario, verdict, out, folder, find_tools().promtool)
    return verdict


def export_drill(
    scenario: Scenario, path: Path, *, seed: int, rules: tuple[Path, ...], console: Console
) -> None:
    """Write a virtual drill as a test file for promtool."""
    if path.is_dir() or not path.parent.is_dir():
        raise UsageError(f"{path} cannot be written: name a file in a folder that exists")
    with tempfile.TemporaryDirectory() as work, ProgressLine(console) as line:
        recording = Path(work) / "recording"
        record(
            scenario,
            recording,
            seed=seed,
            days=None,
            wanted=read_by(rules),
            portable=False,
            tools=find_tools(),
            show=line.update,
        )
        export_tests(recording, rules, path)
