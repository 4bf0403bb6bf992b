"""Load generators that people start: `up`, whose drills a web page chooses, and `worker`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from driftdrill import checks, crew
from driftdrill.commands.answers import INCONCLUSIVE, PASS, console
from driftdrill.commands.options import Listen, Rules, Seed, Speed, Target, Workers
from driftdrill.drill import RULES
from driftdrill.monitoring import find_monitoring
from driftdrill.probe import refuse_misfits
from driftdrill.rig.errors import UsageError
from driftdrill.rig.interrupts import Interrupted, interruption
from driftdrill.up import Offer, Stack, stay_up
from scenarios.spec import find
from scenarios.target import load_target


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
    target: Target = None,
    prometheus: Annotated[
        str | None,
        typer.Option(help="Prometheus that watches the target, at this --speed: URL, or file."),
    ] = None,
    host: Annotated[str, typer.Option(help="Address that the page listens on.")] = "127.0.0.1",
) -> int:
    """Start everything, and choose drills in Locust's web page; Ctrl-C ends all."""
    if (target is None) != (prometheus is None):
        raise UsageError("--target and --prometheus go together: the one watches the other")
    scenario, files, stack = find(name), tuple(rules or RULES), None
    if target is None or prometheus is None:
        checks.check_rules(files, speed)
    elif rules:
        raise UsageError("--prometheus has rules of its own")
    else:
        files, stack = (), Stack(find_monitoring(prometheus), load_target(target))
        refuse_misfits(stack.target, [scenario], scraped=False)
    with interruption() as interrupted, crew.gathered(workers, listen, console) as senders:
        offer = Offer(scenario, speed, seed, out, files, senders, host, stack)
        stay_up(offer, interrupted, console)
    return PASS


def worker(
    master: Annotated[str, typer.Option(help="Host that `driftdrill run --listen` runs on.")],
    port: Annotated[int, typer.Option(min=1, max=65535, help="Its port.")] = crew.PORT,
) -> int:
    """Send a share of a drill's traffic from this machine, until that drill ends."""
    crew.require_host("--master", master)
    console.print(f"Looking for the drill of {master}, port {port}", highlight=False)
    with interruption() as interrupted:
        try:
            ended = crew.join(master, port, interrupted)
        except Interrupted:
            return PASS
    return PASS if ended else INCONCLUSIVE
