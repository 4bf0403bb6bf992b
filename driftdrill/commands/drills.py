"""Drills, and what they say of the alerts: `run`, `suite`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from driftdrill import again as once_more
from driftdrill import checks
from driftdrill.commands.answers import FAIL, console, exit_code
from driftdrill.commands.options import (
    Days,
    Engine,
    Folder,
    Listen,
    Rules,
    Seed,
    Speed,
    Target,
    Workers,
)
from driftdrill.crew import gathered
from driftdrill.drill import RULES, default_out, drill, replay, virtual_drill
from driftdrill.monitoring import find_monitoring
from driftdrill.probe import refuse_misfits
from driftdrill.rig.errors import UsageError
from driftdrill.rig.interrupts import interruption
from driftdrill.suite import Way, chosen, recorded, run_suite
from driftdrill.verdict import Outcome
from driftdrill.virtual.recording import recorded_scenario, recording_file, scenario_file
from scenarios.spec import CATALOGUE, find
from scenarios.target import load_target
from simulators.fleet import MAX_REPLICAS


def run(
    context: typer.Context,
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
    target: Target = None,
    prometheus: Annotated[
        str | None,
        typer.Option(help="Prometheus that watches the target, read at speed 1: URL, or file."),
    ] = None,
    replicas: Annotated[
        int | None,
        typer.Option(min=1, max=MAX_REPLICAS, help="Of the service, where no phase says."),
    ] = None,
    workers: Workers = 0,
    listen: Listen = None,
    among: Folder = CATALOGUE,
    again: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Repeat the drill of this folder; takes only --out."),
    ] = None,
) -> int:
    """Drill: drive the service through a scenario, and judge which alerts fired."""
    if again is not None:
        return _repeat(context, again, out)
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
    if (workers or listen) and (virtual or recording):
        raise UsageError("--workers and --listen are about traffic: only a live drill sends any")
    if prometheus is not None:
        if target is None or rules:
            raise UsageError("--prometheus has rules of its own, and watches a --target")
        speed = 1.0
    scenarios = [find(name, among) for name in names or ()]
    if replicas is not None:
        scenarios = [scenario.with_replicas(replicas) for scenario in scenarios]
    asked = load_target(target) if target else None
    monitoring = find_monitoring(prometheus) if prometheus is not None else None
    files: tuple[Path, ...] = ()  # somebody's Prometheus has its own
    if monitoring is None:
        files = tuple(rules or (asked.rules if asked else ()) or RULES)
        checks.check_rules(files, speed)
    folders = checks.result_folders(scenarios, out)
    told = once_more.Given(
        mode="replay" if recording else "virtual" if virtual else "live",
        rules=tuple(map(once_more.read, files)),
        seed=seed,
        speed=speed,
        engine=engine.value,
        days=days,
        replicas=replicas,
        target=once_more.read(target) if target else None,
        prometheus=once_more.read(monitoring.path)
        if monitoring and monitoring.path
        else prometheus,
        workers=workers,
        recording=once_more.read(recording_file(recording)) if recording else None,
    )
    if recording:
        folder = out or default_out(recorded_scenario(recording).name)
        verdict = replay(recording, out=folder, rules=files, engine=engine.value, console=console)
        once_more.keep(folder, scenario_file(recording), told)
        return exit_code([verdict.outcome])
    places = [
        (scenario, folder or default_out(scenario.name))
        for scenario, folder in zip(scenarios, folders, strict=True)
    ]
    outcomes: list[Outcome] = []
    if virtual:
        for scenario, folder in places:
            verdict = virtual_drill(
                scenario,
                days=days,
                seed=seed,
                out=folder,
                rules=files,
                engine=engine.value,
                console=console,
            )
            once_more.keep(folder, scenario.path, told)
            outcomes.append(verdict.outcome)
        return exit_code(outcomes)
    if asked:
        refuse_misfits(asked, scenarios, scraped=monitoring is None)
    with interruption() as interrupted, gathered(workers, listen, console) as crew:
        for scenario, folder in places:
            verdict = drill(
                scenario,
                speed=speed,
                seed=seed,
                out=folder,
                rules=files,
                interruption=interrupted,
                console=console,
                target=asked,
                monitoring=monitoring,
                crew=crew,
            )
            once_more.keep(folder, scenario.path, told)
            outcomes.append(verdict.outcome)
            if interrupted.signal is not None:
                break
    return exit_code(outcomes)


def _repeat(context: typer.Context, folder: Path, out: Path | None) -> int:
    """Repeat the drill of a folder, and hold the verdicts against each other."""
    for name in context.params.keys() - {"again", "out"}:
        source = context.get_parameter_source(name)
        if source is not None and source.name == "COMMANDLINE":
            raise UsageError("--again repeats a drill as it was: beside it there is only --out")
    kept = once_more.kept(folder)
    told, scenario = kept.told, Path(kept.scenario.path)
    once_more.verdict_of(folder)
    fresh = out or default_out(scenario.stem)
    code = run(
        context,
        names=None if told.recording else [str(scenario)],
        virtual=told.mode == "virtual",
        recording=Path(told.recording.path).parent if told.recording else None,
        days=told.days,
        engine=Engine(told.engine),
        speed=told.speed,
        seed=told.seed,
        out=fresh,
        rules=None if told.prometheus else [Path(file.path) for file in told.rules],
        target=Path(told.target.path) if told.target else None,
        prometheus=told.prometheus.path
        if isinstance(told.prometheus, once_more.Input)
        else told.prometheus,
        replicas=told.replicas,
        workers=told.workers,
    )
    found = once_more.differences(folder, fresh)
    for sentence in found or ("the verdict is the one of then",):
        console.print(f"  {sentence}", highlight=False, markup=False, soft_wrap=True)
    return max(code, FAIL) if found else code


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
    recordings: Annotated[
        Path | None, typer.Option("--replay", help="Folder of recordings to hold rules against.")
    ] = None,
    folder: Folder = CATALOGUE,
    rules: Rules = None,
) -> int:
    """Drill the whole catalogue: one table, one JUnit file, one exit code."""
    if live and virtual:
        raise UsageError("--live and --virtual are two ways to run; choose one")
    if recordings and (live or virtual or folder != CATALOGUE):
        raise UsageError("--replay drives nothing: recordings have their mode and their scenarios")
    kept: dict[str, Path] = {}
    if recordings:
        scenarios, kept = recorded(recordings, pattern)
    else:
        scenarios = chosen(folder, pattern)
    files = tuple(rules or RULES)
    checks.check_rules(files, speed)
    way = Way("live" if live else "virtual", speed if live else 0.0, seed, files, kept)
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
