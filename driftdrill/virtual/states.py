"""The states of alerts, as Prometheus' rule code goes through them from evaluation to evaluation.

Restated from `rules/alerting.go`, `AlertingRule.Eval`; tests hold it to promtool.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

Labels = frozenset[tuple[str, str]]


@dataclass
class _Instance:
    """One alert instance since it became active.

    Attributes:
        active_at: When its expression began to hold.
        firing: Whether it held for long enough.
        kept_since: When it first held no more, while it is kept firing.
    """

    active_at: int
    firing: bool = False
    kept_since: int | None = None


@dataclass
class AlertStates:
    """Every instance of one alerting rule.

    Args:
        hold: Milliseconds that the expression has to hold before the alert fires: `for`.
        keep_firing_for: Milliseconds that a firing alert outlives its expression.
    """

    hold: int
    keep_firing_for: int
    _instances: dict[Labels, _Instance] = field(default_factory=dict)

    @property
    def active(self) -> bool:
        """Whether an instance is pending or firing."""
        return bool(self._instances)

    def evaluate(self, time: int, holding: Iterable[Labels]) -> Iterator[tuple[Labels, str]]:
        """Each instance that is pending or firing, and which, after one evaluation.

        Args:
            time: Unix milliseconds of the evaluation.
            holding: The labels of each instance for which the expression now holds.
        """
        held = set(holding)
        for labels in held:
            self._instances.setdefault(labels, _Instance(time)).kept_since = None
        for labels, instance in list(self._instances.items()):
            if labels not in held and not self._is_kept(instance, time):
                del self._instances[labels]
                continue
            if not instance.firing and time - instance.active_at >= self.hold:
                instance.firing = True
            yield labels, "firing" if instance.firing else "pending"

    def _is_kept(self, instance: _Instance, time: int) -> bool:
        """Whether an instance whose expression no longer holds goes on firing."""
        if not instance.firing or not self.keep_firing_for:
            return False
        if instance.kept_since is None:
            instance.kept_since = time
        return time - instance.kept_since < self.keep_firing_for
