"""Load generators that people start: `up`, whose drills a web page chooses, and `worker`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from driftdrill import checks, crew
from driftdrill.commands.answers import INCONCLUSIVE, PASS, console
from driftdrill.commands.options import Listen, Rules, Seed, Speed, Workers
from driftdrill.drill import RULES
from driftdrill.rig.interrupts import Interrupted, interruption
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
    workers: Workers = 0,
    listen: Listen = None,
) -> int:
    """Start everything, and choose drills in Locust's web page; Ctrl-C ends all."""
    files = tuple(rules or RULES)
    scenario = find(name)
    checks.check_rules(files, speed)
    with interruption() as interrupted, crew.gathered(workers, listen, console) as senders:
        stay_up(Offer(scenario, speed, seed, out, files, senders), interrupted, console)
    return PASS


def worker(
    master: Annotated[str, typer.Option(help="Host that `driftdrill run --listen` runs on.")],
    port: Annotated[int, typer.Option(min=1, max=65535, help="Its port.")] = crew.PORT,
) -> int:
    """Send a share of a drill's traffic from this machine, until that drill ends."""
    with interruption() as interrupted:
        try:
            ended = crew.join(master, port, interrupted)
        except Interrupted:
            return PASS
    return PASS if ended else INCONCLUSIVE
