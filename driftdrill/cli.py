"""The command line: which commands there are, and how an error becomes a message and a code.

Exit codes: 0 pass, 1 fail, 2 usage or a bad file, 3 inconclusive.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import NoReturn

import typer
from rich.console import Console

from driftdrill.commands import catalogue, drills, interactive, preparation, recordings, studies
from driftdrill.commands.answers import INCONCLUSIVE, PASS, USAGE, complain
from driftdrill.rig.errors import RigError, UsageError

COMMANDS: dict[str, tuple[Callable[..., int | None], str]] = {
    "run": (
        drills.run,
        "Examples: `driftdrill run covariate-sudden`,"
        " `driftdrill run steady --virtual --days 30`,"
        " `driftdrill run --replay my-recording --rules my-rules.yml`",
    ),
    "suite": (
        drills.suite,
        "Examples: `driftdrill suite`, `driftdrill suite 'covariate-*' --live`",
    ),
    "record": (
        recordings.record,
        "Example: `driftdrill record covariate-sudden my-recording`, then"
        " `driftdrill run --replay my-recording --rules my-rules.yml`",
    ),
    "export-tests": (
        recordings.export_tests,
        "Example: `driftdrill export-tests covariate-sudden`, then `promtool test rules`",
    ),
    "mutate": (
        studies.mutate,
        "Examples: `driftdrill mutate`,"
        " `driftdrill mutate --rules my-rules.yml --scenarios my-drills`",
    ),
    "certify": (
        studies.certify,
        "Examples: `driftdrill certify --quick`,"
        " `driftdrill certify covariate-sudden --rules my-rules.yml --runs 50 --days 7`",
    ),
    "calibrate": (
        studies.calibrate,
        "Examples: `driftdrill calibrate credit`,"
        " `driftdrill calibrate reference.json --values 1200 --out calibrated.json`",
    ),
    "up": (
        interactive.up,
        "Examples: `driftdrill up`, `driftdrill up my-drill.yaml --speed 120`",
    ),
    "worker": (
        interactive.worker,
        "Example: `driftdrill worker --master drills.example.com`",
    ),
    "list": (
        catalogue.list_,
        "Example: `driftdrill list --scenarios my-drills`",
    ),
    "show": (
        catalogue.show,
        "Examples: `driftdrill show covariate-gradual`,"
        " `driftdrill show covariate-gradual --svg drill.svg`",
    ),
    "check": (
        catalogue.check,
        "Examples: `driftdrill check my-drill.yaml my-rules.yml`,"
        " `driftdrill check --target my-service.yaml --probe`",
    ),
    "init": (
        preparation.init_,
        "Example: `driftdrill init drills --name loans --rows holdout.csv --score score"
        " --outcome defaulted`",
    ),
    "doctor": (
        preparation.doctor,
        "Example: `driftdrill doctor --fix`",
    ),
    "overhead": (
        studies.overhead,
        "Examples: `driftdrill overhead`, `driftdrill overhead --virtual`",
    ),
}
"""Every command by its name, with examples, in the order of `driftdrill --help`."""

app = typer.Typer(
    help="Fire drills for ML monitoring: do the alerts fire when the world changes, and only then?",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
)

for name, (command, examples) in COMMANDS.items():
    app.command(name, epilog=examples)(command)


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
        complain(str(error))
        code = USAGE
    except (RigError, OSError) as error:
        complain(str(error))
        code = INCONCLUSIVE
    except Exception:  # ours to mend; 1 would say that an alert did not do its duty
        Console(stderr=True).print_exception()
        code = INCONCLUSIVE
    sys.exit(code or PASS)


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
