"""Which broken rules the drills would notice: every mutant against every recorded scenario."""

from __future__ import annotations

import os
import signal
import tempfile
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from multiprocessing import get_context
from pathlib import Path

from driftdrill.mutate.journal import Journal, Met
from driftdrill.mutate.mutants import Mutant, mutants
from driftdrill.mutate.trial import opened
from driftdrill.rig.errors import RigError
from driftdrill.rig.guard import die_with
from driftdrill.rig.interrupts import Interruption
from driftdrill.rig.tools import find_tools
from driftdrill.versions import versions
from driftdrill.virtual.observe import record
from driftdrill.virtual.recording import EVALUATION_INTERVAL_S
from driftdrill.virtual.rules import Group, load_groups, needed_by
from driftdrill.virtual.selectors import everything
from scenarios.spec import Scenario, load

_POLL_S = 1.0


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
        undecided: Numbers of those that nobody noticed, and that have not met every drill.
    """

    mutants: tuple[Mutant, ...]
    kills: Mapping[int, Kill]
    readers: Mapping[str, frozenset[str]]
    undecided: frozenset[int] = frozenset()

    @property
    def survivors(self) -> tuple[Mutant, ...]:
        """The mutants that no drill noticed."""
        decided = {*self.kills, *self.undecided}
        return tuple(m for number, m in enumerate(self.mutants) if number not in decided)


@dataclass(frozen=True)
class Plan:
    """What to do.

    Attributes:
        scenarios: The drills.
        rules: Rule files.
        seed: Of the traffic.
        folder: Keeps what was found: the same study goes on there.
        jobs: Processes.
    """

    scenarios: tuple[Scenario, ...]
    rules: tuple[Path, ...]
    seed: int
    folder: Path
    jobs: int

    def journal(self, scenario: Scenario, broken: Sequence[Mutant]) -> Journal:
        """Where is kept what one scenario noticed of these very rules."""
        told = [path.read_bytes() for path in (scenario.path, *self.rules)]
        told += [mutant.name.encode() for mutant in broken]
        told += [repr((self.seed, sorted(versions(find_tools()).items()))).encode()]
        digest = sha256(b"\0".join(told)).hexdigest()[:12]
        return Journal(self.folder / f"{scenario.name}-{digest}.jsonl")


def study(
    plan: Plan, interruption: Interruption, show: Callable[[str, int, int], None]
) -> Findings:
    """Break the rules one at a time, and hold each mutant against every scenario.

    A mutant meets the scenarios that expect an alert of its own first, then those that allow one,
    then the others, until one notices. What was found before is not asked again.

    Args:
        plan: What to do.
        interruption: Ends the study; the findings are those until then.
        show: Called every second, and whenever a scenario has met what was waiting for it, with its
            name or nothing, how many mutants are noticed, and how many there are.

    Raises:
        UsageError: A rule file is not valid.
        RigError: A drill does not pass with the rules as they are, so it can tell nothing.
    """
    broken = _broken(plan.rules)
    progress = _Progress(plan, broken)
    running: dict[Future[None], tuple[Path, frozenset[int]]] = {}
    with (
        tempfile.TemporaryDirectory() as work,
        ProcessPoolExecutor(
            plan.jobs,
            mp_context=get_context("spawn"),
            initializer=_enlist,
            initargs=(os.getpid(),),
        ) as pool,
    ):
        stop = Path(work, "stop")
        try:
            while True:
                while interruption.signal is None and len(running) < plan.jobs:
                    chosen = progress.next([*running.values()])
                    if chosen is None:
                        break
                    path, numbers = chosen
                    asked = _Question(path, plan.rules, tuple(sorted(numbers)), plan.seed)
                    kept, work_of = progress.journals[path], Path(work, path.stem)
                    running[pool.submit(_examine, asked, kept, work_of, stop)] = chosen
                if not running:
                    return progress.findings()
                done = wait(running, timeout=_POLL_S, return_when=FIRST_COMPLETED).done
                if interruption.signal is not None:
                    stop.touch()
                finished = [running.pop(future)[0].stem for future in done if not future.result()]
                noticed = len(progress.findings().kills)
                for name in finished or [""]:
                    show(name, noticed, len(broken.mutants))
        finally:
            stop.touch()


class _Progress:
    """Who has met whom, and who is to meet whom next."""

    def __init__(self, plan: Plan, broken: _Broken) -> None:
        self._broken = broken
        self._names = {scenario.path: scenario.name for scenario in plan.scenarios}
        self.journals = {s.path: plan.journal(s, broken.mutants) for s in plan.scenarios}
        self._waiting = {
            scenario.path: _by_interest(scenario, broken.mutants, broken.readers)
            for scenario in plan.scenarios
        }
        for path, journal in self.journals.items():
            met = {one.mutant for one in journal.read()}
            for level in self._waiting[path]:
                level -= met

    def findings(self) -> Findings:
        """What is known by now."""
        kills: dict[int, Kill] = {}
        met = [0] * len(self._broken.mutants)
        for path, journal in self.journals.items():
            for one in {one.mutant: one for one in journal.read()}.values():
                met[one.mutant] += 1
                if one.reason is not None:
                    kills[one.mutant] = Kill(self._names[path], one.reason)
        undecided = {n for n, times in enumerate(met) if times < len(self.journals)} - kills.keys()
        broken = self._broken
        return Findings(broken.mutants, kills, broken.readers, frozenset(undecided))

    def next(
        self, running: Sequence[tuple[Path, frozenset[int]]]
    ) -> tuple[Path, frozenset[int]] | None:
        """Take the most promising work out of what waits: a scenario, and mutants for it to meet.

        A scenario works on one thing at a time, and so does a mutant, which may be noticed there.
        """
        busy = {path for path, _ in running}
        taken = set(self.findings().kills).union(*(numbers for _, numbers in running))
        for level in range(3):
            free = {
                path: frozenset(levels[level] - taken)
                for path, levels in self._waiting.items()
                if path not in busy
            }
            path = max(free, key=lambda path: len(free[path]), default=None)
            if path is not None and free[path]:
                self._waiting[path][level] -= free[path]
                return path, free[path]
        return None


def _by_interest(
    scenario: Scenario, mutants: Sequence[Mutant], readers: Mapping[str, frozenset[str]]
) -> list[set[int]]:
    """The mutants whose alerts a scenario expects, those whose it allows, and the others."""
    told = ({e.alert for e in scenario.expects}, {a.alert for a in scenario.allows})
    levels: list[set[int]] = [set(), set(), set()]
    for number, mutant in enumerate(mutants):
        matching = [bool(readers[mutant.rule] & alerts) for alerts in told]
        levels[(*matching, True).index(True)].add(number)
    return levels


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


@dataclass(frozen=True)
class _Question:
    """Which mutants one scenario, the file at `path`, is to meet now."""

    path: Path
    rules: tuple[Path, ...]
    numbers: tuple[int, ...]
    seed: int


def _enlist(parent: int) -> None:
    """Die with the study; leave Ctrl-C, which reaches all processes of a terminal, to it."""
    die_with(parent)
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)


def _examine(asked: _Question, journal: Journal, work: Path, stop: Path) -> None:
    """Write down which mutants a scenario notices, until `stop` exists.

    Its recording is kept for the next time.
    """
    tools, scenario, recording = find_tools(), load(asked.path), work / "recording"
    if not recording.exists():
        record(
            scenario,
            recording,
            seed=asked.seed,
            days=None,
            wanted=everything,
            portable=False,
            tools=tools,
            show=lambda _: None,
        )
    broken = _broken(asked.rules)
    with (
        tempfile.TemporaryDirectory(dir=work) as scratch,
        opened(recording, broken.groups, tools, Path(scratch)) as trial,
        journal.continued() as writer,
    ):
        sound = trial.verdict()
        if sound.outcome != "pass":
            said = "\n".join(sound.reasons)
            raise RigError(f"{scenario.name} does not pass with the rules as they are\n{said}")
        for number in asked.numbers:
            if stop.exists():
                return
            mutant = broken.mutants[number]
            writer.add(Met(number, trial.notices(mutant, broken.readers[mutant.rule])))
