"""Which broken rules the drills would notice: every mutant against every recorded scenario."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from dataclasses import dataclass
from functools import cache
from multiprocessing import get_context
from pathlib import Path

from driftdrill.mutate.mutants import Mutant, mutants
from driftdrill.mutate.trial import opened
from driftdrill.rig.errors import RigError
from driftdrill.rig.tools import find_tools
from driftdrill.virtual.observe import record
from driftdrill.virtual.recording import EVALUATION_INTERVAL_S
from driftdrill.virtual.rules import Group, load_groups, needed_by
from driftdrill.virtual.selectors import everything
from scenarios.spec import Scenario, load


@dataclass(frozen=True)
class Kill:
    """How a mutant was found out: the scenario that did not pass, and what it said."""

    scenario: str
    reason: str


@dataclass(frozen=True)
class Findings:
    """What became of every mutant.

    Attributes:
        mutants: All of them.
        kills: By the mutant's number; the survivors have none.
        readers: The alerts that depend on each rule, by the rule's name.
    """

    mutants: tuple[Mutant, ...]
    kills: Mapping[int, Kill]
    readers: Mapping[str, frozenset[str]]

    @property
    def survivors(self) -> tuple[Mutant, ...]:
        """The mutants that no drill noticed."""
        return tuple(m for number, m in enumerate(self.mutants) if number not in self.kills)


def study(
    scenarios: Sequence[Scenario],
    rules: Sequence[Path],
    seed: int,
    show: Callable[[str, int, int], None],
) -> Findings:
    """Break the rules one at a time, and hold each mutant against every scenario.

    A mutant meets the scenarios that expect an alert of its own first, then those that allow one,
    then the others, until one notices.

    Args:
        scenarios: The drills.
        rules: Rule files.
        seed: Of the traffic.
        show: Called with what is done, how many mutants are noticed, and how many there are.

    Raises:
        UsageError: A rule file is not valid.
        RigError: A drill does not pass with the rules as they are, so it can tell nothing.
    """
    broken = _broken(tuple(rules))
    kills: dict[int, Kill] = {}
    waiting = {
        scenario.path: _by_interest(scenario, broken.mutants, broken.readers)
        for scenario in scenarios
    }
    running: dict[Future[dict[int, Kill]], tuple[Path, frozenset[int]]] = {}
    with (
        tempfile.TemporaryDirectory() as work,
        ProcessPoolExecutor(os.cpu_count(), mp_context=get_context("spawn")) as pool,
    ):
        while True:
            while len(running) < (os.cpu_count() or 1):
                chosen = _next(waiting, [*running.values()], kills)
                if chosen is None:
                    break
                path, numbers = chosen
                asked = (path, tuple(rules), sorted(numbers), seed, Path(work, path.stem))
                running[pool.submit(_examine, *asked)] = chosen
            if not running:
                return Findings(broken.mutants, kills, broken.readers)
            for done in wait(running, return_when=FIRST_COMPLETED).done:
                path, _ = running.pop(done)
                kills |= done.result()
                show(path.stem, len(kills), len(broken.mutants))


_Waiting = list[set[int]]
"""The mutants that a scenario has not met: those whose alerts it expects, allows, and others."""


def _by_interest(
    scenario: Scenario, mutants: Sequence[Mutant], readers: Mapping[str, frozenset[str]]
) -> _Waiting:
    told = ({e.alert for e in scenario.expects}, {a.alert for a in scenario.allows})
    levels: _Waiting = [set(), set(), set()]
    for number, mutant in enumerate(mutants):
        matching = [bool(readers[mutant.rule] & alerts) for alerts in told]
        levels[(*matching, True).index(True)].add(number)
    return levels


def _next(
    waiting: Mapping[Path, _Waiting],
    running: Sequence[tuple[Path, frozenset[int]]],
    kills: Mapping[int, Kill],
) -> tuple[Path, frozenset[int]] | None:
    """Take the most promising work out of what waits: a scenario, and mutants for it to meet.

    A scenario works on one thing at a time, and so does a mutant, which may be noticed there.
    """
    busy = {path for path, _ in running}
    taken = set(kills).union(*(numbers for _, numbers in running))
    for level in range(3):
        free = {
            path: frozenset(levels[level] - taken)
            for path, levels in waiting.items()
            if path not in busy
        }
        path = max(free, key=lambda path: len(free[path]), default=None)
        if path is not None and free[path]:
            waiting[path][level] -= free[path]
            return path, free[path]
    return None


@dataclass(frozen=True)
class _Broken:
    """Sound rules, all their mutants, and the alerts that depend on each rule."""

    groups: tuple[Group, ...]
    mutants: tuple[Mutant, ...]
    readers: Mapping[str, frozenset[str]]


@cache
def _broken(rules: tuple[Path, ...]) -> _Broken:
    """The mutants of rule files, numbered alike in every process; each makes them once."""
    groups = load_groups(rules, EVALUATION_INTERVAL_S, find_tools().promtool)
    return _Broken(groups, tuple(mutants(groups)), alerts_behind(groups))


def alerts_behind(groups: Sequence[Group]) -> dict[str, frozenset[str]]:
    """The alerts that depend on each rule, by the rule's name; an alert depends on itself."""
    rules = [rule for group in groups for rule in group.rules]
    readers: dict[str, frozenset[str]] = {}
    for place, alert in enumerate(rules):
        if alert.alerting:
            for group in needed_by(groups, {place}):
                for rule in group.rules:
                    readers[rule.name] = readers.get(rule.name, frozenset()) | {alert.name}
    return readers


def _examine(
    path: Path, rules: tuple[Path, ...], numbers: Sequence[int], seed: int, work: Path
) -> dict[int, Kill]:
    """The mutants among some that one scenario notices; its recording is kept for the next time."""
    tools, scenario, recording = find_tools(), load(path), work / "recording"
    if not recording.exists():
        record(
            scenario,
            recording,
            seed=seed,
            days=None,
            wanted=everything,
            portable=False,
            tools=tools,
            show=lambda _: None,
        )
    broken = _broken(rules)
    kills: dict[int, Kill] = {}
    with (
        tempfile.TemporaryDirectory(dir=work) as scratch,
        opened(recording, broken.groups, tools, Path(scratch)) as trial,
    ):
        sound = trial.verdict()
        if sound.outcome != "pass":
            said = "\n".join(sound.reasons)
            raise RigError(f"{scenario.name} does not pass with the rules as they are\n{said}")
        for number in numbers:
            mutant = broken.mutants[number]
            if reason := trial.notices(mutant, broken.readers[mutant.rule]):
                kills[number] = Kill(scenario.name, reason)
    return kills
