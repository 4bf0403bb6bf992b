"""Scenarios and other files, without a drill: `list`, `show`, `check`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.text import Text

from driftdrill import checks
from driftdrill.commands.answers import PASS, USAGE, complain, console
from driftdrill.commands.options import Folder, ScenarioName, Speed, Target
from driftdrill.probe import probe
from driftdrill.report.drawing import draw
from driftdrill.report.poster import poster
from driftdrill.report.terminal import list_table
from driftdrill.rig.errors import UsageError
from scenarios.spec import CATALOGUE, catalogue, find, scenario_files
from scenarios.target import load_target


def list_(folder: Folder = CATALOGUE) -> None:
    """The scenarios that ship, or those of a folder."""
    list_table(catalogue(folder), console)


def show(
    name: ScenarioName,
    svg: Annotated[Path | None, typer.Option(help="Write it as a picture to this file.")] = None,
    folder: Folder = CATALOGUE,
) -> None:
    """One scenario, drawn: traffic, drift, and what must fire when."""
    scenario = find(name, folder)
    if svg is None:
        draw(scenario, console)
    else:
        svg.write_text(poster(scenario))


def check(
    files: Annotated[
        list[Path] | None, typer.Argument(help="Scenario, rule, target and rows files.")
    ] = None,
    speed: Speed = 60.0,
    target: Target = None,
    asks: Annotated[
        bool, typer.Option("--probe", help="Ask the target for one prediction, and say what came.")
    ] = False,
    folder: Annotated[
        Path | None, typer.Option("--scenarios", help="Check every scenario of a folder as well.")
    ] = None,
) -> int:
    """Validate scenario, rule, target and rows files; every finding names file, line and key."""
    held = scenario_files(folder) if folder else []
    if folder and not held:
        raise UsageError(f"{folder} holds no scenario: expected files named *.yaml")
    named = [*(files or ()), *held]
    if not named and target is None:
        raise UsageError("name the files to check, a folder of --scenarios, or a --target")
    if asks and target is None:
        raise UsageError("--probe asks a --target; name one")
    bad = [problem for path in named for problem in checks.check_file(path, speed, console)]
    for problem in bad:
        complain(problem)
    if target is not None:
        described = load_target(target)
        console.print(Text(f"{target}: a valid target file"), soft_wrap=True)
        for line in probe(described) if asks else ():
            console.print(Text(f"  {line}"), soft_wrap=True)
    return USAGE if bad else PASS
