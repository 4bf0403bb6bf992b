"""The order in which mutants meet scenarios, and what became of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from driftdrill.mutate.equivalents import Argument, argued
from driftdrill.mutate.journal import Journal
from driftdrill.mutate.mutants import Broken, Mutant
from scenarios.spec import Scenario


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


class Progress:
    """Who has met whom, and who is to meet whom next.

    Args:
        scenarios: The drills.
        journals: What was found before, and is, by the scenario's file.
        broken: The mutants.
        equivalent: The arguments that some need not be noticed.
    """

    def __init__(
        self,
        scenarios: Sequence[Scenario],
        journals: Mapping[Path, Journal],
        broken: Broken,
        equivalent: Sequence[Argument],
    ) -> None:
        self._broken = broken
        self._journals = journals
        self._names = {scenario.path: scenario.name for scenario in scenarios}
        # Where as many mutants wait, the longest drill comes first: short ones end together.
        self._waiting = {
            scenario.path: _by_promise(scenario, broken, equivalent)
            for scenario in sorted(scenarios, key=lambda s: -s.schedule.duration)
        }
        for path, journal in journals.items():
            met = {one.mutant for one in journal.read()}
            for level in self._waiting[path]:
                level -= met

    def findings(self) -> Findings:
        """What is known by now."""
        kills: dict[int, Kill] = {}
        met = [0] * len(self._broken.mutants)
        for path, journal in self._journals.items():
            for one in {one.mutant: one for one in journal.read()}.values():
                met[one.mutant] += 1
                if one.reason is not None:
                    kills[one.mutant] = Kill(self._names[path], one.reason)
        undecided = {n for n, times in enumerate(met) if times < len(self._journals)} - kills.keys()
        broken = self._broken
        return Findings(broken.mutants, kills, broken.readers, frozenset(undecided))

    def next(
        self, running: Sequence[tuple[Path, frozenset[int]]]
    ) -> tuple[Path, frozenset[int]] | None:
        """Take the most promising work out of what waits: a scenario, and mutants for it to meet.

        A scenario works on one thing at a time. So does a mutant whose alerts it expects, which is
        probably noticed there; others may be in several places.
        """
        busy = {path for path, _ in running}
        noticed = set(self.findings().kills)
        working = noticed.union(*(numbers for _, numbers in running))
        for level, taken in enumerate((working, noticed, noticed)):
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


def _by_promise(
    scenario: Scenario, broken: Broken, equivalent: Sequence[Argument]
) -> list[set[int]]:
    """The mutants whose alerts a scenario expects, the others, and those that are argued."""
    expected = {expect.alert for expect in scenario.expects}
    levels: list[set[int]] = [set(), set(), set()]
    for number, mutant in enumerate(broken.mutants):
        excused = argued(mutant, equivalent) is not None
        promising = bool(broken.readers[mutant.rule] & expected)
        levels[2 if excused else 0 if promising else 1].add(number)
    return levels
