"""Before the first drill: `init`, `doctor`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.text import Text

from driftdrill import checks
from driftdrill.commands.answers import FAIL, PASS, USAGE, console
from driftdrill.drill import RULES
from driftdrill.init import Own, init
from driftdrill.rig.errors import UsageError
from driftdrill.target_checks import examine


def init_(
    folder: Annotated[Path, typer.Argument(help="New or empty folder to write.")],
    rows: Annotated[Path, typer.Option(help="CSV or Parquet of rows the model has not seen.")],
    score: Annotated[str, typer.Option(help="Its column of the model's scores.")],
    outcome: Annotated[str, typer.Option(help="Its column of what came true, 0 or 1.")],
    name: Annotated[str, typer.Option(help="What metrics call the model.")] = "model",
    url: Annotated[str, typer.Option(help="Where the service is.")] = "http://127.0.0.1:8000",
    in_order: Annotated[
        bool,
        typer.Option(
            "--in-order",
            help="The rows are in the order in which they came: like neighbours count less.",
        ),
    ] = False,
) -> None:
    """Write what drilling a model of your own takes: target, reference, rules and scenarios."""
    for line in init(folder, Own(name, rows, score, outcome, url, in_order)):
        console.print(Text(line), soft_wrap=True)


def doctor(
    fix: Annotated[bool, typer.Option("--fix", help="Fetch and train what is missing.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="Speak only of what is wrong.")] = False,
    target: Annotated[
        str | None, typer.Option(metavar="URL", help="Look at this /metrics of a service instead.")
    ] = None,
) -> int:
    """Is all that a drill needs here: tools, models, ports? Or: are a service's metrics sound?"""
    if target:
        if fix or quiet:
            raise UsageError("--target looks at a service, --fix and --quiet at this machine")
        return PASS if examine(target, RULES, console) else FAIL
    return PASS if checks.doctor(fix, quiet, console) else USAGE
