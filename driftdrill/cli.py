"""Arguments -> one call -> exit code: 0 pass, 1 fail, 2 usage or a bad file, 3 inconclusive."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, NoReturn

import typer
from rich.console import Console
from rich.text import Text

from driftdrill import checks
from driftdrill.drill import RULES, default_out, drill
from driftdrill.report.drawing import draw
from driftdrill.report.terminal import list_table
from driftdrill.rig.errors import RigError, UsageError
from driftdrill.rig.interrupts import interruption
from driftdrill.up import stay_up
from driftdrill.verdict import Outcome
from scenarios.spec import catalogue, find

PASS, FAIL, USAGE, INCONCLUSIVE = range(4)

app = typer.Typer(
    help="Fire drills for ML monitoring: do the alerts fire when the world changes, and only then?",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
)
console = Console()

Speed = Annotated[
    float, typer.Option(min=0.1, max=1000, help="Production seconds per real second.")
]


def main() -> NoReturn:
    """Run a command; say what is wrong in one message, without a traceback."""
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors="replace")  # type: ignore[union-attr]
    try:
        code = app(spread_rules(sys.argv[1:]), standalone_mode=False)
    except typer.Abort:
        code = INCONCLUSIVE
    except typer.Exit as done:
        code = done.exit_code
    except typer.TyperException as error:
        error.show()  # type: ignore[attr-defined]  # every error of Typer's parser has it
        code = USAGE
    except (UsageError, ValueError) as error:
        _complain(str(error))
        code = USAGE
    except (RigError, OSError) as error:
        _complain(str(error))
        code = INCONCLUSIVE
    sys.exit(code or PASS)


@app.command(
    epilog="Examples: `driftdrill run covariate-sudden`,"
    " `driftdrill run steady --speed 120`, `driftdrill run my-drill.yaml --rules my-rules.yml`"
)
def run(
    names: Annotated[
        list[str], typer.Argument(metavar="NAME…", help="Scenarios, or paths of scenario files.")
    ],
    live: Annotated[bool, typer.Option("--live", help="On real servers; the default.")] = True,
    speed: Speed = 60.0,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the traffic.")] = 0,
    out: Annotated[
        Path | None,
        typer.Option(help="New or empty folder for the results. [default: runs/TIME-NAME]"),
    ] = None,
    rules: Annotated[
        list[Path] | None,
        typer.Option(metavar="FILE…", help="Rule files in place of the shipped ones."),
    ] = None,
) -> int:
    """Drill: drive the service through a scenario, and judge which alerts fired."""
    del live
    scenarios = [find(name) for name in names]
    checks.check_rules(rules or RULES, speed)
    folders = checks.result_folders(scenarios, out)
    outcomes: list[Outcome] = []
    with interruption() as interrupted:
        for scenario, folder in zip(scenarios, folders, strict=True):
            verdict = drill(
                scenario,
                speed=speed,
                seed=seed,
                out=folder or default_out(scenario),
                rules=tuple(rules or RULES),
                interruption=interrupted,
                console=console,
            )
            outcomes.append(verdict.outcome)
            if interrupted.signal is not None:
                break
    return exit_code(outcomes)


@app.command(epilog="Example: `driftdrill up --speed 120`")
def up(speed: Speed = 60.0) -> int:
    """Start everything, and choose a drill in Locust's web page; Ctrl-C ends all."""
    with interruption() as interrupted:
        stay_up(speed, RULES, interrupted, console)
    return PASS


@app.command(name="list")
def list_() -> None:
    """The scenarios that ship."""
    list_table(catalogue(), console)


@app.command(epilog="Example: `driftdrill show covariate-gradual`")
def show(name: Annotated[str, typer.Argument(help="A scenario, or the path of its file.")]) -> None:
    """One scenario, drawn: traffic, drift, and what must fire when."""
    draw(find(name), console)


@app.command(epilog="Example: `driftdrill check my-drill.yaml my-rules.yml`")
def check(
    files: Annotated[list[Path], typer.Argument(help="Scenario and Prometheus rule files.")],
    speed: Speed = 60.0,
) -> int:
    """Validate scenario and rule files; every finding names file, line and key."""
    bad = [problem for path in files for problem in checks.check_file(path, speed, console)]
    for problem in bad:
        _complain(problem)
    return USAGE if bad else PASS


@app.command(epilog="Example: `driftdrill doctor --fix`")
def doctor(
    fix: Annotated[bool, typer.Option("--fix", help="Fetch and train what is missing.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="Speak only of what is wrong.")] = False,
) -> int:
    """Is all that a drill needs here: tools, models, ports?"""
    return PASS if checks.doctor(fix, quiet, console) else USAGE


def spread_rules(arguments: Sequence[str]) -> list[str]:
    """Let one `--rules` take several files, as a shell's `--rules rules/*.yml` gives them.

    >>> spread_rules(["run", "steady", "--rules", "a.yml", "b.yml", "--seed", "1"])
    ['run', 'steady', '--rules', 'a.yml', '--rules', 'b.yml', '--seed', '1']
    """
    spread: list[str] = []
    taking = False
    for argument in arguments:
        taking = taking and argument.endswith((".yml", ".yaml"))
        if taking and spread[-1] != "--rules":
            spread.append("--rules")
        taking = taking or argument == "--rules"
        spread.append(argument)
    return spread


def exit_code(outcomes: Sequence[Outcome]) -> int:
    """One code for several drills: a failure outranks what could not be known."""
    if "fail" in outcomes:
        return FAIL
    return INCONCLUSIVE if "inconclusive" in outcomes else PASS


def _complain(message: str) -> None:
    Console(stderr=True).print(Text(f"driftdrill: {message}", style="red"), soft_wrap=True)
