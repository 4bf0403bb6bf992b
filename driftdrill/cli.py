"""Arguments -> one call -> exit code: 0 pass, 1 fail, 2 usage or a bad file, 3 inconclusive."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from enum import Enum
from pathlib import Path
from typing import Annotated, NoReturn

import typer
from rich.console import Console
from rich.text import Text

from driftdrill import checks
from driftdrill.certify.command import certify_rules
from driftdrill.certify.study import DRILLS, Plan
from driftdrill.drill import RULES, default_out, drill, replay, virtual_drill
from driftdrill.init import Own, init
from driftdrill.mutate import command as mutation
from driftdrill.overhead.command import overhead
from driftdrill.probe import probe, refuse_misfits
from driftdrill.recordings import export_drill, record_drill, record_live_drill
from driftdrill.report.drawing import draw
from driftdrill.report.poster import poster
from driftdrill.report.terminal import list_table
from driftdrill.rig.errors import RigError, UsageError
from driftdrill.rig.interrupts import interruption
from driftdrill.suite import Way, chosen, run_suite
from driftdrill.target_checks import examine
from driftdrill.up import Offer, stay_up
from driftdrill.verdict import Outcome
from scenarios.spec import CATALOGUE, catalogue, find, scenario_files
from scenarios.target import load_target
from simulators.fleet import MAX_REPLICAS

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
ScenarioName = Annotated[str, typer.Argument(help="A scenario, or the path of its file.")]
Seed = Annotated[int, typer.Option(min=0, help="Seed of the traffic.")]
Days = Annotated[
    float | None,
    typer.Option(
        min=0.01, max=366, help="Stretch the steady phases until the drill lasts so many days."
    ),
]
Folder = Annotated[
    Path, typer.Option("--scenarios", help="Folder of scenario files, in place of the shipped.")
]
Rules = Annotated[
    list[Path] | None,
    typer.Option(metavar="FILE…", help="Rule files in place of the shipped ones."),
]


class Engine(Enum):
    """Which engine evaluates the rules of a virtual drill."""

    BLOCKS = "blocks"
    PROMTOOL = "promtool"


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
    except Exception:  # ours to mend; 1 would say that an alert did not do its duty
        Console(stderr=True).print_exception()
        code = INCONCLUSIVE
    sys.exit(code or PASS)


@app.command(
    epilog="Examples: `driftdrill run covariate-sudden`,"
    " `driftdrill run steady --virtual --days 30`,"
    " `driftdrill run --replay my-recording --rules my-rules.yml`"
)
def run(
    names: Annotated[
        list[str] | None,
        typer.Argument(metavar="NAME…", help="Scenarios, or paths of scenario files."),
    ] = None,
    live: Annotated[bool, typer.Option("--live", help="On real servers; the default.")] = False,
    virtual: Annotated[
        bool, typer.Option("--virtual", help="Without servers and without a clock, in seconds.")
    ] = False,
    recording: Annotated[
        Path | None, typer.Option("--replay", help="A recording to hold rules against.")
    ] = None,
    days: Days = None,
    engine: Annotated[
        Engine, typer.Option(help="What evaluates a virtual drill: fast, or by the book.")
    ] = Engine.BLOCKS,
    speed: Speed = 60.0,
    seed: Seed = 0,
    out: Annotated[
        Path | None,
        typer.Option(help="New or empty folder for the results. [default: runs/TIME-NAME]"),
    ] = None,
    rules: Rules = None,
    target: Annotated[
        Path | None, typer.Option(help="A file that describes a service of your own.")
    ] = None,
    prometheus: Annotated[
        str | None,
        typer.Option(help="URL of a Prometheus that watches the target; read, at speed 1."),
    ] = None,
    replicas: Annotated[
        int | None,
        typer.Option(min=1, max=MAX_REPLICAS, help="Of the service, where no phase says."),
    ] = None,
    among: Folder = CATALOGUE,
) -> int:
    """Drill: drive the service through a scenario, and judge which alerts fired."""
    if sum((live, virtual, recording is not None)) > 1:
        raise UsageError("--live, --virtual and --replay are three ways to run; choose one")
    if days is not None and not virtual:
        raise UsageError("--days is for --virtual: a live drill takes as long as it takes")
    if bool(names) == bool(recording):
        raise UsageError("name the scenarios to run, or give a recording to --replay")
    if target is not None and (virtual or recording):
        raise UsageError("--target is a service that runs: only a live drill can ask it")
    if replicas is not None and (target or recording):
        raise UsageError("--replicas are of the service that a drill starts itself")
    if prometheus is not None:
        if target is None or rules:
            raise UsageError("--prometheus has rules of its own, and watches a --target")
        speed = 1.0
    scenarios = [find(name, among) for name in names or ()]
    if replicas is not None:
        scenarios = [scenario.with_replicas(replicas) for scenario in scenarios]
    asked = load_target(target) if target else None
    files = tuple(rules or (asked.rules if asked else ()) or RULES)
    checks.check_rules(files, speed)
    folders = checks.result_folders(scenarios, out)
    if recording:
        verdict = replay(recording, out=out, rules=files, engine=engine.value, console=console)
        return exit_code([verdict.outcome])
    if virtual:
        return exit_code(
            [
                virtual_drill(
                    scenario,
                    days=days,
                    seed=seed,
                    out=folder or default_out(scenario.name),
                    rules=files,
                    engine=engine.value,
                    console=console,
                ).outcome
                for scenario, folder in zip(scenarios, folders, strict=True)
            ]
        )
    outcomes: list[Outcome] = []
    if asked:
        refuse_misfits(asked, scenarios)
    with interruption() as interrupted:
        for scenario, folder in zip(scenarios, folders, strict=True):
            verdict = drill(
                scenario,
                speed=speed,
                seed=seed,
                out=folder or default_out(scenario.name),
                rules=files,
                interruption=interrupted,
                console=console,
                target=asked,
                prometheus=prometheus,
            )
            outcomes.append(verdict.outcome)
            if interrupted.signal is not None:
                break
    return exit_code(outcomes)


@app.command(epilog="Examples: `driftdrill suite`, `driftdrill suite 'covariate-*' --live`")
def suite(
    pattern: Annotated[
        str, typer.Argument(help="Which scenarios, by name; `*` stands for anything.")
    ] = "*",
    live: Annotated[bool, typer.Option("--live", help="On real servers.")] = False,
    virtual: Annotated[
        bool, typer.Option("--virtual", help="Without servers and without a clock; the default.")
    ] = False,
    junit: Annotated[
        Path | None, typer.Option(help="File for the JUnit report. [default: OUT/junit.xml]")
    ] = None,
    jobs: Annotated[
        int | None,
        typer.Option(min=1, help="Drills at a time. [default: a processor each; 1 when live]"),
    ] = None,
    speed: Speed = 60.0,
    seed: Seed = 0,
    out: Annotated[
        Path | None,
        typer.Option(help="New or empty folder for the results. [default: runs/TIME-suite]"),
    ] = None,
    folder: Folder = CATALOGUE,
    rules: Rules = None,
) -> int:
    """Drill the whole catalogue: one table, one JUnit file, one exit code."""
    if live and virtual:
        raise UsageError("--live and --virtual are two ways to run; choose one")
    scenarios = chosen(folder, pattern)
    files = tuple(rules or RULES)
    checks.check_rules(files, speed)
    way = Way("live" if live else "virtual", speed if live else 0.0, seed, files)
    with interruption() as interrupted:
        verdicts = run_suite(
            scenarios,
            way,
            jobs=jobs or (1 if live else os.cpu_count() or 1),
            out=out or default_out("suite"),
            junit=junit,
            interrupted=interrupted,
            console=console,
        )
    return exit_code([verdict.outcome for verdict in verdicts])


@app.command(
    epilog="Example: `driftdrill record covariate-sudden my-recording`, then"
    " `driftdrill run --replay my-recording --rules my-rules.yml`"
)
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


@app.command(
    epilog="Example: `driftdrill export-tests covariate-sudden`, then `promtool test rules`"
)
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


@app.command(
    epilog="Examples: `driftdrill mutate`,"
    " `driftdrill mutate --rules my-rules.yml --scenarios my-drills`"
)
def mutate(
    folder: Annotated[
        Path, typer.Option("--scenarios", help="Folder of scenario files.")
    ] = CATALOGUE,
    rules: Rules = None,
    equivalent: Annotated[
        Path | None,
        typer.Option(help="Arguments about mutants that change nothing. [default: the shipped]"),
    ] = None,
    at_least: Annotated[
        float, typer.Option(min=0, max=1, help="Share of mutants that drills must notice.")
    ] = 0.95,
    json: Annotated[Path | None, typer.Option(help="File to write the findings to.")] = None,
    seed: Seed = 0,
) -> int:
    """Break the rules one at a time: would a drill notice?"""
    if equivalent is None and rules is None:
        equivalent = mutation.EQUIVALENT
    score = mutation.mutate(
        chosen(folder, "*"),
        tuple(rules or RULES),
        seed=seed,
        equivalent=equivalent,
        json=json,
        console=console,
    )
    return PASS if score >= at_least else FAIL


@app.command(
    name="certify",
    epilog="Examples: `driftdrill certify --quick`,"
    " `driftdrill certify covariate-sudden --rules my-rules.yml --runs 50 --days 7`",
)
def certify_(
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
    jobs: Annotated[
        int, typer.Option(help="Processes; -1 is one per processor, as joblib counts.")
    ] = -1,
    seed: Seed = 0,
) -> int:
    """Certify rules: run lengths, delays, and how far they are from the limit."""
    if days != 3.0 and quick:
        raise UsageError("--quick says how many days; leave --days out")
    own = {} if rules is None else {"given": tuple(rules)}
    for files in own.values():
        checks.check_rules(files, 1.0)
    plan = Plan(
        scenarios=tuple(find(name) for name in names or DRILLS),
        rules={"shipped": RULES, **own},
        runs=4 if quick else runs,
        days=0.5 if quick else days,
        effects=tuple(effect or (0.25, 0.5, 1.0)),
        seed=seed,
    )
    certify_rules(plan, out, json, jobs, console)
    return PASS


@app.command(epilog="Examples: `driftdrill up`, `driftdrill up my-drill.yaml --speed 120`")
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


@app.command(name="list", epilog="Example: `driftdrill list --scenarios my-drills`")
def list_(folder: Folder = CATALOGUE) -> None:
    """The scenarios that ship, or those of a folder."""
    list_table(catalogue(folder), console)


@app.command(
    epilog="Examples: `driftdrill show covariate-gradual`,"
    " `driftdrill show covariate-gradual --svg drill.svg`"
)
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


@app.command(
    epilog="Examples: `driftdrill check my-drill.yaml my-rules.yml`,"
    " `driftdrill check --target my-service.yaml --probe`"
)
def check(
    files: Annotated[
        list[Path] | None, typer.Argument(help="Scenario and Prometheus rule files.")
    ] = None,
    speed: Speed = 60.0,
    target: Annotated[
        Path | None, typer.Option(help="A file that describes a service of your own.")
    ] = None,
    asks: Annotated[
        bool, typer.Option("--probe", help="Ask the target for one prediction, and say what came.")
    ] = False,
    folder: Annotated[
        Path | None, typer.Option("--scenarios", help="Check every scenario of a folder as well.")
    ] = None,
) -> int:
    """Validate scenario, rule and target files; every finding names file, line and key."""
    named = [*(files or ()), *(scenario_files(folder) if folder else ())]
    if not named and target is None:
        raise UsageError("name the files to check, a folder of --scenarios, or a --target")
    if asks and target is None:
        raise UsageError("--probe asks a --target; name one")
    bad = [problem for path in named for problem in checks.check_file(path, speed, console)]
    for problem in bad:
        _complain(problem)
    if target is not None:
        described = load_target(target)
        console.print(Text(f"{target}: a valid target file"), soft_wrap=True)
        for line in probe(described) if asks else ():
            console.print(Text(f"  {line}"), soft_wrap=True)
    return USAGE if bad else PASS


@app.command(
    name="init",
    epilog="Example: `driftdrill init drills --name loans --rows holdout.csv --score score"
    " --outcome defaulted`",
)
def init_(
    folder: Annotated[Path, typer.Argument(help="New or empty folder to write.")],
    rows: Annotated[Path, typer.Option(help="CSV or Parquet of rows the model has not seen.")],
    score: Annotated[str, typer.Option(help="Its column of the model's scores.")],
    outcome: Annotated[str, typer.Option(help="Its column of what came true, 0 or 1.")],
    name: Annotated[str, typer.Option(help="What metrics call the model.")] = "model",
    url: Annotated[str, typer.Option(help="Where the service is.")] = "http://127.0.0.1:8000",
) -> None:
    """Write what drilling a model of your own takes: target, reference, rules and scenarios."""
    for line in init(folder, Own(name, rows, score, outcome, url)):
        console.print(Text(line), soft_wrap=True)


@app.command(epilog="Example: `driftdrill doctor --fix`")
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


app.command(epilog="Examples: `driftdrill overhead`, `driftdrill overhead --virtual`")(overhead)


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
