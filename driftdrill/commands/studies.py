"""Many runs, and what they say of rules or of cost."""

from __future__ import annotations

import os
from itertools import pairwise
from pathlib import Path
from typing import Annotated

import typer

from driftdrill import checks
from driftdrill.commands.answers import FAIL, INCONCLUSIVE, PASS, console, exit_code
from driftdrill.commands.options import Rules, Seed, Target
from driftdrill.drill import RULES, default_out
from driftdrill.mutate import command as mutation
from driftdrill.mutate.study import Plan
from driftdrill.overhead.study import overhead as live_overhead
from driftdrill.overhead.study import virtual_overhead
from driftdrill.rig.errors import UsageError
from driftdrill.rig.interrupts import Interrupted, interruption
from driftdrill.suite import chosen
from scenarios.spec import CATALOGUE, find
from scenarios.target import load_target
from target_service.evidence import RUN_LENGTH

Jobs = Annotated[int, typer.Option(help="Processes; -1 is one per processor, as joblib counts.")]

LIVE_FACTORS = "1,10,100"
VIRTUAL_FACTORS = "1,100,10000,1000000"
MAX_FACTOR = 1e9


def mutate(
    folder: Annotated[
        Path, typer.Option("--scenarios", help="Folder of scenario files.")
    ] = CATALOGUE,
    rules: Rules = None,
    equivalent: Annotated[
        Path | None,
        typer.Option(help="Arguments about mutants that survive. [default: the shipped]"),
    ] = None,
    at_least: Annotated[
        float, typer.Option(min=0, max=1, help="Share of mutants that drills must notice.")
    ] = 0.95,
    out: Annotated[
        Path, typer.Option(help="Folder for what was found; a study that was interrupted goes on.")
    ] = Path("runs/mutate"),
    json: Annotated[Path | None, typer.Option(help="File to write the findings to.")] = None,
    jobs: Annotated[
        int | None, typer.Option(min=1, help="Drills at a time. [default: one per processor]")
    ] = None,
    seed: Seed = 0,
) -> int:
    """Break the rules one at a time: would a drill notice?"""
    if equivalent is None and rules is None:
        equivalent = mutation.EQUIVALENT
    plan = Plan(
        scenarios=tuple(chosen(folder, "*")),
        rules=tuple(rules or RULES),
        seed=seed,
        folder=out,
        jobs=jobs or os.cpu_count() or 1,
    )
    with interruption() as interrupted:
        score = mutation.mutate(
            plan, equivalent=equivalent, json=json, interruption=interrupted, console=console
        )
    if score is None:
        return INCONCLUSIVE
    return PASS if score >= at_least else FAIL


def certify(
    names: Annotated[
        list[str] | None,
        typer.Argument(metavar="NAME…", help="Scenarios whose changes are to be found."),
    ] = None,
    rules: Annotated[
        list[Path] | None,
        typer.Option(metavar="FILE…", help="Rule files to certify beside the shipped ones."),
    ] = None,
    runs: Annotated[int, typer.Option(min=1, help="Runs per effect size.")] = 20,
    days: Annotated[
        float, typer.Option(min=0.05, max=7, help="Days without a change, per run.")
    ] = 3.0,
    effect: Annotated[
        list[float] | None,
        typer.Option(
            min=0.001, help="Factor of the share of changed rows; repeat. [default: 0.25 0.5 1]"
        ),
    ] = None,
    quick: Annotated[bool, typer.Option("--quick", help="4 runs, half a day: minutes.")] = False,
    out: Annotated[
        Path, typer.Option(help="Folder for the results; a study that was interrupted goes on.")
    ] = Path("runs/certify"),
    json: Annotated[
        Path | None, typer.Option(help="File for the figures. [default: OUT/certificate.json]")
    ] = None,
    jobs: Jobs = -1,
    seed: Seed = 0,
) -> int:
    """Certify rules: run lengths, delays, and how far they are from the limit."""
    # SciPy's distributions take longer to import than most commands take to run.
    from driftdrill.certify.command import certify_rules
    from driftdrill.certify.study import DRILLS
    from driftdrill.certify.study import Plan as CertifyPlan

    if quick and (days != 3.0 or runs != 20):
        raise UsageError("--quick says how many runs and days; leave --runs and --days out")
    own = {} if rules is None else {"given": tuple(rules)}
    for files in own.values():
        checks.check_rules(files, 1.0)
    plan = CertifyPlan(
        scenarios=tuple(find(name) for name in names or DRILLS),
        rules={"shipped": RULES, **own},
        runs=4 if quick else runs,
        days=0.5 if quick else days,
        effects=tuple(effect or (0.25, 0.5, 1.0)),
        seed=seed,
    )
    certify_rules(plan, out, json, jobs, console)
    return PASS


def calibrate(
    model: Annotated[
        str, typer.Argument(help="A model that ships, the folder of one, or a reference.json.")
    ],
    values: Annotated[
        int, typer.Option(min=1, max=100_000, help="Predictions per evaluation, at least.")
    ] = 300,
    labels: Annotated[
        int | None,
        typer.Option(
            min=1, max=100_000, help="Outcomes per evaluation, at least. [default: --values]"
        ),
    ] = None,
    run_length: Annotated[
        int, typer.Option(min=100, max=10**9, help="Evaluations between two false alarms.")
    ] = RUN_LENGTH,
    out: Annotated[
        Path | None, typer.Option(help="New folder, or new file, for what it is with them.")
    ] = None,
    jobs: Jobs = -1,
    seed: Seed = 0,
) -> int:
    """Simulate the thresholds that a model needs at its traffic, in place of the formula's."""
    # Like certify, it takes SciPy.
    from driftdrill.certify import command
    from driftdrill.certify.calibrate import Traffic

    command.calibrate_model(
        model, Traffic(values, labels or values), run_length, out, seed, jobs, console
    )
    return PASS


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
    target: Target = None,
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
    folder = out or default_out("overhead")
    with interruption() as interrupted:
        try:
            if virtual:
                study = virtual_overhead(
                    steps, out=folder, json=json, interruption=interrupted, console=console
                )
            else:
                study = live_overhead(
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
            return INCONCLUSIVE
    return exit_code([study.outcome])


def read_factors(text: str) -> tuple[float, ...]:
    """At least two ascending numbers above 0, up to MAX_FACTOR; UsageError for any other text.

    >>> read_factors("1,10,100")
    (1.0, 10.0, 100.0)
    """
    try:
        factors = tuple(float(part) for part in text.split(","))
    except ValueError as error:
        raise UsageError(f"--factors {text}: expected numbers such as 1,10,100") from error
    ascending = all(0 < low < high <= MAX_FACTOR for low, high in pairwise(factors))
    if len(factors) < 2 or not ascending:
        raise UsageError(
            f"--factors {text}: expected at least two, ascending, above 0 and up to {MAX_FACTOR:g}"
        )
    return factors
