"""Which broken rules the drills would notice: every mutant against every recorded scenario."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from dataclasses import dataclass
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

    A mutant meets the scenarios that expect an alert of its own first; the others meet only those
    that are left. Every scenario has a process of its own.

    Args:
        scenarios: The drills.
        rules: Rule files.
        seed: Of the traffic.
        show: Called with what is done, how many mutants are noticed, and how many there are.

    Raises:
        UsageError: A rule file is not valid.
        RigError: A drill does not pass with the rules as they are, so it can tell nothing.
    """
    groups = load_groups(rules, EVALUATION_INTERVAL_S, find_tools().promtool)
    all_mutants = tuple(mutants(groups))
    readers = alerts_behind(groups)
    kills: dict[int, Kill] = {}
    with tempfile.TemporaryDirectory() as work:
        for expected in (True, False):
            tasks = {
                scenario.path: [
                    number
                    for number, mutant in enumerate(all_mutants)
                    if number not in kills
                    and bool(readers[mutant.rule] & {e.alert for e in scenario.expects}) == expected
                ]
                for scenario in scenarios
            }
            folder = Path(work) / str(expected)
            folder.mkdir()
            with ProcessPoolExecutor(os.cpu_count(), mp_context=get_context("spawn")) as pool:
                running: dict[Future[dict[int, Kill]], str] = {
                    pool.submit(_examine, path, rules, numbers, seed, folder / path.stem): path.stem
                    for path, numbers in tasks.items()
                    if numbers or expected
                }
                for done in as_completed(running):
                    kills = {**done.result(), **kills}
                    show(running[done], len(kills), len(all_mutants))
    return Findings(all_mutants, kills, readers)


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
    path: Path, rules: Sequence[Path], numbers: Sequence[int], seed: int, work: Path
) -> dict[int, Kill]:
    """The mutants among some that one scenario notices, in a process of its own."""
    tools, scenario, recording = find_tools(), load(path), work / "recording"
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
    groups = load_groups(rules, EVALUATION_INTERVAL_S, tools.promtool)
    readers, all_mutants = alerts_behind(groups), tuple(mutants(groups))
    kills: dict[int, Kill] = {}
    with opened(recording, tools, work) as trial:
        sound = trial.verdict(groups)
        if sound.outcome != "pass":
            said = "\n".join(sound.reasons)
            raise RigError(f"{scenario.name} does not pass with the rules as they are\n{said}")
        for number in numbers:
            mutant = all_mutants[number]
            if reason := trial.notices(mutant, readers[mutant.rule]):
                kills[number] = Kill(scenario.name, reason)
    return kills
