"""Which workers take part in a drill, and what they have sent together: the master's book.

Knows neither Locust nor a clock of its own, so that it can be tested without them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from msgspec.structs import replace

from scenarios.status import Status
from scenarios.turns import Turn, Turns

SILENT_S = 2.0
"""Real seconds without a report after which a worker's share goes to the others: four reports."""

MAX_SKEW_S = 60.0
"""Production seconds by which a worker's clock may differ from the master's."""

MESSAGE_S = 0.2
"""Real seconds that a report may take to arrive; a clock cannot be read more closely."""

LEAD_S = 0.5
"""Real seconds from a decision about turns to when it holds: time to tell every worker."""


class Roster:
    """Workers by their names, with what each reported last.

    Args:
        members: Those that are there at the start.
        t0: Unix time at which the drill begins.
        speed: Production seconds per real second.
    """

    def __init__(self, members: Sequence[str], t0: float, speed: float) -> None:
        self._t0 = t0
        self._speed = speed
        self._statuses: dict[str, Status] = {}
        self._skews: dict[str, float] = {}
        # They are yet to read the scenario.
        self._heard = dict.fromkeys(members, t0 + SILENT_S)
        self.turns = Turns((Turn(0.0, tuple(members)),))

    def hear(self, member: str, status: Status, now: float) -> None:
        """Take a worker's report; one of another drill says nothing about this one."""
        if status.t0 == self._t0:
            # Both clocks count from t0. The report that was fastest tells most.
            skew = abs(now - self._t0 - status.elapsed)
            self._skews[member] = min(skew, self._skews.get(member, skew))
            self._statuses[member] = status
            self._heard[member] = now

    def review(self, now: float) -> bool:
        """Whether somebody came or went since the last time, so that the turns are new."""
        present = tuple(sorted(m for m, heard in self._heard.items() if now - heard < SILENT_S))
        if set(present) == set(self.turns.members):
            return False
        self.turns = self.turns.then((now - self._t0 + LEAD_S) * self._speed, present)
        return True

    def total(self, own: Status) -> Status:
        """What all have sent, those that have gone too, beside the master's view of the schedule.

        Args:
            own: The master's; of it come the time and what was due.
        """
        reports = list(self._statuses.values())
        return replace(
            own,
            sent=sum(report.sent for report in reports),
            failed=sum(report.failed for report in reports),
            late=max((report.late for report in reports), default=0.0),
            failure=next((report.failure for report in reports if report.failure), ""),
            excuse=next((report.excuse for report in reports if report.excuse), ""),
            excused=sum(report.excused for report in reports),
            hostile=sum(report.hostile for report in reports),
            odd=sum(report.odd for report in reports),
            told=sum(report.told for report in reports),
            untold=sum(report.untold for report in reports),
            workers=len(self.turns.members),
            problem=next(self._problems(), ""),
        )

    def _problems(self) -> Iterator[str]:
        for member, status in self._statuses.items():
            if status.problem:
                yield status.problem
            elif self._skews[member] > max(MAX_SKEW_S / self._speed, MESSAGE_S):
                yield f"the clock of worker {member} is off by {self._skews[member]:.1f} s"
