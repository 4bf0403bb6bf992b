"""The regression suite: many drills, several at a time, one table and one JUnit file of them all.

Each drill is a fork of this process: what all of them need was imported and checked before, none
disturbs another, and one that crashes is inconclusive instead of ending the suite.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from itertools import pairwise
from multiprocessing.connection import wait
from pathlib import Path
from typing import Literal

import msgspec
from rich.console import Console

from driftdrill.drill import drill, replay, virtual_drill
from driftdrill.models import artifact
from driftdrill.report.junit import junit_xml
from driftdrill.report.markdown import markdown
from driftdrill.report.suite import SuiteLine, print_suite
from driftdrill.rig.errors import RigError, UsageError
from driftdrill.rig.guard import die_with
from driftdrill.rig.interrupts import Interruption, interruption
from driftdrill.rig.rig import new_folder
from driftdrill.verdict import Requests, Verdict
from driftdrill.virtual.recording import is_recording, recorded_scenario
from scenarios.spec import Scenario, catalogue

_FORK = multiprocessing.get_context("fork")
_POLL_S = 0.2


@dataclass(frozen=True)
class Way:
    """How every drill of a suite runs.

    Attributes:
        speed: Of live drills; 0 in virtual ones, which have no clock.
        rules: Rule files.
        recordings: By scenario, where what a drill saw is kept; it is not driven again.
    """

    mode: Literal["live", "virtual"]
    speed: float
    seed: int
    rules: tuple[Path, ...]
    recordings: Mapping[str, Path] = field(default_factory=dict)

    def drill(self, scenario: Scenario, out: Path, console: Console) -> None:
        """Run one drill into a folder."""
        if recording := self.recordings.get(scenario.name):
            replay(recording, out=out, rules=self.rules, engine="blocks", console=console)
            return
        if self.mode == "virtual":
            virtual_drill(
                scenario,
                days=None,
                seed=self.seed,
                out=out,
                rules=self.rules,
                engine="blocks",
                console=console,
            )
            return
        with interruption() as interrupted:
            drill(
                scenario,
                speed=self.speed,
                seed=self.seed,
                out=out,
                rules=self.rules,
                interruption=interrupted,
                console=console,
            )

    def unknown(self, scenario: Scenario, reason: str) -> Verdict:
        """The verdict of a drill that left none."""
        return Verdict(
            scenario=scenario.name,
            mode=self.mode,
            speed=self.speed,
            seed=self.seed,
            outcome="inconclusive",
            reasons=(reason,),
            expectations=(),
            alerts=(),
            requests=Requests(),
            versions={},
        )


def chosen(folder: Path, pattern: str) -> list[Scenario]:
    """The scenarios of a folder whose names match, by name.

    Raises:
        UsageError: There are none, or two have the same name.
    """
    known = catalogue(folder)
    found = [scenario for scenario in known if fnmatchcase(scenario.name, pattern)]
    if not found:
        names = ", ".join(scenario.name for scenario in known) or "none"
        raise UsageError(f"no scenario of {folder} matches {pattern!r}; known: {names}")
    _require_different_names(found)
    return found


def recorded(folder: Path, pattern: str) -> tuple[list[Scenario], dict[str, Path]]:
    """The drills that folders below one hold recordings of, and where each is; by name.

    Raises:
        UsageError: There are none whose names match, or two have the same name.
    """
    below = sorted(path for path in folder.iterdir() if path.is_dir()) if folder.is_dir() else []
    known = [(recorded_scenario(path), path) for path in below if is_recording(path)]
    found = {s.name: path for s, path in known if fnmatchcase(s.name, pattern)}
    scenarios = [scenario for scenario, _ in known if scenario.name in found]
    if not scenarios:
        names = ", ".join(scenario.name for scenario, _ in known) or "none"
        raise UsageError(f"no recording below {folder} matches {pattern!r}; known: {names}")
    _require_different_names(scenarios)
    return scenarios, found


def _require_different_names(scenarios: Sequence[Scenario]) -> None:
    for one, other in pairwise(sorted(scenarios, key=lambda scenario: scenario.name)):
        if one.name == other.name:
            raise UsageError(f"{one.path} and {other.path} have the same name, {one.name}")


def run_suite(
    scenarios: Sequence[Scenario],
    way: Way,
    *,
    jobs: int,
    out: Path,
    junit: Path | None,
    interrupted: Interruption,
    console: Console,
) -> list[Verdict]:
    """Run drills side by side, say how each went, and write one JUnit file of all.

    Args:
        scenarios: What to drill, each under a name of its own.
        way: How.
        jobs: Drills at a time.
        out: New or empty folder; each drill writes into one of its own below it.
        junit: File for the report; None is `junit.xml` in `out`.
        interrupted: Ends the running drills when a signal has arrived. What was not drilled by
            then is inconclusive.
        console: Where to print.

    Returns:
        A verdict per scenario, in their order.

    Raises:
        UsageError: The folder has something in it, or the report cannot be written there.
    """
    new_folder(out)
    report = junit or out / "junit.xml"
    if report.is_dir() or not report.parent.is_dir():
        raise UsageError(f"{report} cannot be written: name a file in a folder that exists")
    for model in {s.model for s in scenarios if s.name not in way.recordings}:
        artifact(model)  # trained once, not by two drills at the same time
    began = time.monotonic()
    found: dict[str, Verdict] = {}
    with SuiteLine(console, len(scenarios)) as line:
        for verdict, seconds in _verdicts(scenarios, way, jobs, out, interrupted, line):
            found[verdict.scenario] = verdict
            line.done(verdict, seconds)
    verdicts = [found[scenario.name] for scenario in scenarios]
    report.write_bytes(junit_xml(verdicts))
    (out / "summary.md").write_text(markdown(verdicts), encoding="utf-8")
    print_suite(verdicts, time.monotonic() - began, console)
    console.print(f"  {report}", highlight=False, soft_wrap=True)
    return verdicts


@dataclass
class _Running:
    """A drill under way in a process of its own."""

    scenario: Scenario
    way: Way
    out: Path
    began: float = field(default_factory=time.monotonic)

    def __post_init__(self) -> None:
        # Forked from the main thread, the only one of ours there is.
        self.process = _FORK.Process(target=_child, args=(self, os.getpid()))
        self.process.start()

    @property
    def log(self) -> Path:
        """What the drill prints."""
        return self.out.with_name(f"{self.out.name}.log")

    def interrupt(self) -> None:
        """Ask it to end; it stops what it started."""
        if self.process.pid is not None and self.process.is_alive():
            os.kill(self.process.pid, signal.SIGINT)

    def verdict(self, interrupted: Interruption) -> Verdict:
        """Once it has ended: the verdict that it wrote, or why there is none."""
        if self.process.exitcode == 0:
            content = (self.out / "verdict.json").read_bytes()
            return msgspec.json.decode(content, type=Verdict)
        if interrupted.signal is not None:
            return self.way.unknown(self.scenario, f"interrupted by {interrupted.signal.name}")
        said = "".join(self.log.read_text(errors="replace").strip().splitlines()[-1:])
        reason = f"the drill ended without a verdict: {said or 'it was killed'}; see {self.log}"
        return self.way.unknown(self.scenario, reason)


def _verdicts(
    scenarios: Sequence[Scenario],
    way: Way,
    jobs: int,
    out: Path,
    interrupted: Interruption,
    line: SuiteLine,
) -> Iterator[tuple[Verdict, float]]:
    """The verdicts as drills end, each with the real seconds that it took."""
    # The longest first, so that the processors finish together.
    waiting = sorted(scenarios, key=lambda scenario: scenario.schedule.duration)
    running: list[_Running] = []
    ending = False
    while waiting or running:
        if interrupted.signal is not None and not ending:
            ending = True
            for one in running:
                one.interrupt()
            while waiting:
                reason = f"not run: interrupted by {interrupted.signal.name}"
                yield way.unknown(waiting.pop(), reason), 0.0
        while waiting and len(running) < jobs:
            scenario = waiting.pop()
            running.append(_Running(scenario, way, out / scenario.name))
        line.running([one.scenario.name for one in running])
        wait([one.process.sentinel for one in running], timeout=_POLL_S)
        for one in [one for one in running if not one.process.is_alive()]:
            running.remove(one)
            yield one.verdict(interrupted), time.monotonic() - one.began


def _child(drill: _Running, parent: int) -> None:
    """The life of a drill's process: silent, deaf to the terminal, and gone when the suite is."""
    die_with(parent)
    os.setsid()
    with drill.log.open("w") as log:
        for stream in (1, 2):
            os.dup2(log.fileno(), stream)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        for number in (signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_DFL)
        try:
            drill.way.drill(drill.scenario, drill.out, Console(file=log, width=160))
        except (UsageError, RigError, ValueError, OSError) as error:
            log.write(f"{error}\n")
            sys.exit(1)
