"""Drills that are chosen in a web page: `up`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from driftdrill import checks
from driftdrill.commands.answers import PASS, console
from driftdrill.commands.options import Rules, Seed, Speed
from driftdrill.drill import RULES
from driftdrill.rig.interrupts import interruption
from driftdrill.up import Offer, stay_up
from scenarios.spec import find


def up(
    name: Annotated[
        str, typer.Argument(help="The scenario to select first, or the path of its file.")
    ] = "covariate-sudden",
    speed: Speed = 60.0,
    seed: Seed = 0,
    out: Annotated[
        Path, typer.Option(help="Folder that gets a folder of results for every drill.")
    ] = Path("runs"),
    rules: Rules = None,
) -> int:
    """Start everything, and choose drills in Locust's web page; Ctrl-C ends all."""
    files = tuple(rules or RULES)
    scenario = find(name)
    checks.check_rules(files, speed)
    with interruption() as interrupted:
        stay_up(Offer(scenario, speed, seed, out, files), interrupted, console)
    return PASS
