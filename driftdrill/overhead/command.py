"""`driftdrill overhead`: arguments -> one call -> exit code."""

from __future__ import annotations

import time
from itertools import pairwise
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from driftdrill.overhead.claims import Outcome
from driftdrill.overhead.study import overhead as study_live
from driftdrill.overhead.study import virtual_overhead
from driftdrill.rig.errors import UsageError
from driftdrill.rig.interrupts import Interrupted, interruption
from scenarios.target import load_target

LIVE_FACTORS = "1,10,100"
VIRTUAL_FACTORS = "1,100,10000,1000000"

_CODES: dict[Outcome, int] = {"pass": 0, "fail": 1, "inconclusive": 3}


def overhead(
    factors: Annotated[
        str | None,
        typer.Option(
            help="Steps of traffic, ascending."
            f" [default: {LIVE_FACTORS}; virtual: {VIRTUAL_FACTORS}]"
        ),
    ] = None,
    step_seconds: Annotated[
        float, typer.Option(min=8, max=3600, help="Real seconds of traffic per step.")
    ] = 20.0,
    target: Annotated[
        Path | None, typer.Option(help="A file that describes a service of your own.")
    ] = None,
    virtual: Annotated[
        bool, typer.Option("--virtual", help="An hour per step without a live service.")
    ] = False,
    out: Annotated[
        Path | None,
        typer.Option(help="New or empty folder for the results. [default: runs/TIME-overhead]"),
    ] = None,
    json: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write the figures there as well.")
    ] = None,
) -> int:
    """Does monitoring cost more under more traffic? Steps it, measures, and judges each cost."""
    if virtual and target:
        raise UsageError("--target is a service that runs: --virtual measures ours, without one")
    steps = read_factors(factors or (VIRTUAL_FACTORS if virtual else LIVE_FACTORS))
    folder = out or Path("runs") / f"{time.strftime('%Y%m%d-%H%M%S')}-overhead"
    console = Console()
    with interruption() as interrupted:
        try:
            if virtual:
                study = virtual_overhead(
                    steps, out=folder, json=json, interruption=interrupted, console=console
                )
            else:
                study = study_live(
                    steps,
                    step_s=step_seconds,
                    target=load_target(target) if target else None,
                    out=folder,
                    json=json,
                    interruption=interrupted,
                    console=console,
                )
        except Interrupted as reason:
            console.print(f"  {reason}", highlight=False)
            return _CODES["inconclusive"]
    return _CODES[study.outcome]


def read_factors(text: str) -> tuple[float, ...]:
    """At least two ascending positive numbers; UsageError where the text is something else.

    >>> read_factors("1,10,100")
    (1.0, 10.0, 100.0)
    """
    try:
        factors = tuple(float(part) for part in text.split(","))
    except ValueError as error:
        raise UsageError(f"--factors {text}: expected numbers such as 1,10,100") from error
    ascending = all(0 < low < high < float("inf") for low, high in pairwise(factors))
    if len(factors) < 2 or not ascending:
        raise UsageError(f"--factors {text}: expected at least two, ascending and above 0")
    return factors
