"""One drill's requests on the clock: which row is due when, and what became of it.

Knows neither Locust nor HTTP, so that it can be tested without them.
"""

from __future__ import annotations

import time
from collections import deque
from dataclasses import dataclass
from heapq import heappop, heappush
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from scenarios.spec import Scenario


class Arrival(NamedTuple):
    """A request that is due, in seconds of the real clock, and the outcome it will have.

    Attributes:
        delay: Production seconds until the outcome is known.
    """

    due: float
    row: dict[str, Any]
    outcome: int
    labelled: bool
    delay: float


class Label(NamedTuple):
    """Ground truth that becomes known at `due`, in seconds of the real clock."""

    due: float
    token: Any
    outcome: int


class Status(msgspec.Struct, frozen=True):
    """What the load generator reports while it runs, once a second, one JSON object a line.

    Attributes:
        elapsed: Real seconds since the drill began.
        due: Predictions that the schedule wanted until now.
        sent: Predictions asked for and answered, or failed.
        failed: Those of them that failed.
        late: The longest that any of them was sent after it was due, real seconds.
        failure: Why the last one failed that did.
    """

    t0: float
    elapsed: float
    due: int
    sent: int
    failed: int
    late: float
    failure: str = ""


@dataclass
class Traffic:
    """The shared state of all users of one load generator.

    Attributes:
        scenario: The drill.
        speed: Production seconds per real second.
        seed: Of the stream of requests.
        t0: `time.time()` at which the drill begins.
    """

    scenario: Scenario
    speed: float
    seed: int
    t0: float

    def __post_init__(self) -> None:
        self._stream = self.scenario.stream(self.seed)
        self._arrivals: deque[Arrival] = deque()
        self._next_block = 0
        self._labels: list[tuple[float, int, Label]] = []  # a heap; no two have the same number
        self.sent = self.failed = 0
        self.late = 0.0
        self.failure = ""

    @property
    def elapsed(self) -> float:
        """Real seconds since the drill began."""
        return time.time() - self.t0

    @property
    def duration(self) -> float:
        """Real seconds that the drill takes."""
        return self.scenario.schedule.duration / self.speed

    def next_arrival(self) -> Arrival | None:
        """The next request that nobody has taken; None when the drill has no more."""
        if not self._arrivals:
            block = self._stream.block(self._next_block)
            self._next_block += 1
            same = [self.scenario.label_delay] * len(block)
            self._arrivals.extend(
                Arrival(self.t0 + due / self.speed, row, outcome, labelled, delay)
                for due, row, outcome, labelled, delay in zip(
                    block.due.tolist(),
                    self._stream.population.schema.decode(block.x),
                    block.outcome.tolist(),
                    block.labelled.tolist(),
                    same if block.delay is None else block.delay.tolist(),
                    strict=True,
                )
            )
        return self._arrivals.popleft() if self._arrivals else None

    def failed_on(self, arrival: Arrival, sent_at: float, why: str) -> None:
        """Count a request that brought no prediction."""
        self.answered(arrival, sent_at, None)
        self.failed += 1
        self.failure = why

    def answered(self, arrival: Arrival, sent_at: float, token: Any) -> None:
        """Count a request that was sent; its outcome is told later where a token names it."""
        self.sent += 1
        self.late = max(self.late, sent_at - arrival.due)
        if token is not None and arrival.labelled:
            label = Label(arrival.due + arrival.delay / self.speed, token, arrival.outcome)
            heappush(self._labels, (label.due, self.sent, label))

    def due_labels(self, limit: int) -> list[Label]:
        """Up to `limit` outcomes that have become known, each handed out once."""
        now = time.time()
        labels: list[Label] = []
        while self._labels and self._labels[0][0] <= now and len(labels) < limit:
            labels.append(heappop(self._labels)[2])
        return labels

    @property
    def finished(self) -> bool:
        """Whether the schedule has ended and nothing that was due is still to be sent."""
        over = self.elapsed - self.duration
        return over > 0 and (self.sent >= self.scenario.schedule.total_arrivals or over > GRACE)

    def status(self) -> Status:
        """The counts so far."""
        due = self.scenario.schedule.arrivals_until(self.elapsed * self.speed)
        return Status(
            self.t0, self.elapsed, int(due), self.sent, self.failed, self.late, self.failure
        )


GRACE = 2.0
"""Real seconds past the schedule's end in which late requests are still sent."""


def read_statuses(path: Path) -> list[Status]:
    """The whole lines of a status file, oldest first; none before there is one."""
    try:
        lines = path.read_bytes().split(b"\n")[:-1]
    except FileNotFoundError:
        return []
    return [msgspec.json.decode(line, type=Status) for line in lines]
