"""Drills that are kept, for rules of later: `record`, `export-tests`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from driftdrill.commands.answers import PASS, console, exit_code
from driftdrill.commands.options import Days, Rules, ScenarioName, Seed, Speed
from driftdrill.drill import RULES
from driftdrill.recordings import export_drill, record_drill, record_live_drill
from driftdrill.rig.errors import UsageError
from driftdrill.rig.interrupts import interruption
from scenarios.spec import find


def record(
    name: ScenarioName,
    folder: Annotated[Path, typer.Argument(help="New or empty folder for the recording.")],
    live: Annotated[bool, typer.Option("--live", help="On real servers.")] = False,
    virtual: Annotated[
        bool, typer.Option("--virtual", help="Without servers; the default.")
    ] = False,
    days: Days = None,
    speed: Speed = 60.0,
    seed: Seed = 0,
) -> int:
    """Keep every series of a drill, to hold other rules against later."""
    if live and (virtual or days is not None):
        raise UsageError("--live takes neither --virtual nor --days")
    if not live:
        record_drill(find(name), folder, days=days, seed=seed, console=console)
        return PASS
    with interruption() as interrupted:
        verdict = record_live_drill(
            find(name), folder, speed=speed, seed=seed, interruption=interrupted, console=console
        )
    return exit_code([verdict.outcome])


def export_tests(
    name: ScenarioName,
    file: Annotated[
        Path | None, typer.Option(help="File to write. [default: NAME_test.yml]")
    ] = None,
    seed: Seed = 0,
    rules: Rules = None,
) -> None:
    """Write a drill as a standard test file for promtool, to keep beside your rules."""
    scenario = find(name)
    path = file or Path(f"{scenario.name}_test.yml")
    export_drill(scenario, path, seed=seed, rules=tuple(rules or RULES), console=console)
    console.print(f"{path}", highlight=False, soft_wrap=True)
