"""Which rules record a metric, and whether its readers find it as the expression would be."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from driftdrill.virtual.rules import Group, GroupRule

STORED = "driftdrill:stored:"
"""Before the name of a recorded metric that is stored: the recording may have the name, too."""


class CannotInlineError(Exception):
    """An expression with the recorded names replaced would not always say the same."""


@dataclass(frozen=True)
class Recorder:
    """A recording rule, its place in the order of evaluation, and its group."""

    rule: GroupRule
    place: int
    group: Group


def label_apart(recorders: Sequence[Recorder]) -> str | None:
    """A label that each of some rules gives another value: comparing it is cheaper than all."""
    if len(recorders) < 2:
        return None
    for name in recorders[0].rule.labels:
        values = {recorder.rule.labels.get(name, "") for recorder in recorders}
        if len(values) == len(recorders):
            return name
    return None


class Recorders:
    """The recording rules of rule groups.

    Args:
        groups: In the order of evaluation.
        start: Unix milliseconds of the first evaluation.
        stored: Recorded metrics whose samples are there, as if they had been scraped.
        kept: Rules of other metrics whose samples are there, too; a label sets them apart.

    Attributes:
        reads: How often each recorded metric has been asked for.
    """

    def __init__(
        self,
        groups: Sequence[Group],
        start: int,
        stored: frozenset[str] = frozenset(),
        kept: Sequence[GroupRule] = (),
    ) -> None:
        self.start = start
        self.reads: Counter[str] = Counter()
        self._stored = stored
        self._kept = kept
        self._by_name: dict[str, list[Recorder]] = {}
        rules = [(group, rule) for group in groups for rule in group.rules]
        for place, (group, rule) in enumerate(rules):
            if not rule.alerting:
                self._by_name.setdefault(rule.name, []).append(Recorder(rule, place, group))

    @property
    def names(self) -> set[str]:
        """The recorded metrics."""
        return set(self._by_name)

    def of(self, name: str) -> Sequence[Recorder]:
        """The rules that record a metric."""
        return self._by_name.get(name, [])

    def is_stored(self, name: str) -> bool:
        """Whether a metric's samples are there."""
        return name in self._stored

    def is_kept(self, rule: GroupRule) -> bool:
        """Whether the samples of one of a metric's rules are there."""
        return rule in self._kept

    def behind(self, name: str, place: int, interval: int, step: int) -> Sequence[Recorder]:
        """The rules that stand behind a metric for a reader; none when it was scraped or stored.

        Args:
            name: The metric.
            place: The reading rule's, in the order of evaluation.
            interval: The reading rule's, in milliseconds.
            step: Milliseconds between the instants at which it reads.

        Raises:
            CannotInlineError: One is not evaluated, before its reader, whenever its reader reads.
        """
        recorders = self.of(name)
        for recorder in recorders:
            own = recorder.group.interval
            if not recorder.group.plain:
                raise CannotInlineError(f"group {recorder.group.name} sets more than an interval")
            if interval % own or step % own or self.start % own:
                raise CannotInlineError(f"{name} is recorded at other times than it is read")
            if own == interval and recorder.place >= place:
                raise CannotInlineError(f"{name} is read before it is recorded")
        if recorders:
            self.reads[name] += 1
        return [] if self.is_stored(name) else recorders
