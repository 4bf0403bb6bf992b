"""One drill's requests on the clock: which row is due when, and what became of it.

Knows neither Locust nor HTTP, so that it can be tested without them.
"""

from __future__ import annotations

import math
import time
from collections import defaultdict, deque
from collections.abc import Iterator
from dataclasses import dataclass
from heapq import heappop, heappush
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import numpy as np

from scenarios.spec import Scenario
from simulators.fleet import NOBODY, Numbers
from simulators.hostile import HostileRequest, Scan
from simulators.stream import BLOCK, Block


class Arrival(NamedTuple):
    """A request that is due, in seconds of the real clock, and the outcome it will have.

    Attributes:
        life: Which process of the service gets it; `NOBODY` when none is there.
        replica: At which place that is, or was.
        rows: What it asks about, with the row that the outcome is of first.
        delay: Production seconds until the outcome is known.
        time: Unix time at which it is due in the drill's calendar.
    """

    due: float
    life: int
    replica: int
    rows: list[dict[str, Any]]
    outcome: int
    labelled: bool
    delay: float
    time: float


class Label(NamedTuple):
    """Ground truth that becomes known at `due`, in seconds of the real clock.

    Attributes:
        life: The process that predicted.
    """

    due: float
    life: int
    token: Any
    outcome: int


class HostileArrival(NamedTuple):
    """A hostile request that is due, and whom it goes to, as an `Arrival`."""

    due: float
    life: int
    replica: int
    request: HostileRequest


class Status(msgspec.Struct, frozen=True):
    """What the load generator reports while it runs, once a second, one JSON object a line.

    Attributes:
        elapsed: Real seconds since the drill began.
        due: Predictions that the schedule wanted until now.
        sent: Predictions asked for and answered, or failed.
        failed: Those of them that failed.
        late: The longest that any of them was sent after it was due, real seconds.
        failure: Why the last one failed that did and was not excused.
        excused: Those of the failed ones that the scenario made fail.
        hostile: Hostile requests sent.
        odd: Those of them that were not answered as they should be.
    """

    t0: float
    elapsed: float
    due: int
    sent: int
    failed: int
    late: float
    failure: str = ""
    excused: int = 0
    hostile: int = 0
    odd: int = 0


@dataclass
class Traffic:
    """The shared state of all users of one load generator.

    Attributes:
        scenario: The drill.
        speed: Production seconds per real second.
        seed: Of the stream of requests.
        t0: `time.time()` at which the drill begins.
        foreign: Whether the service is somebody else's, of which we do not know what it makes of a
            changed world: what it answers then is for the rules to judge.
    """

    scenario: Scenario
    speed: float
    seed: int
    t0: float
    foreign: bool = False

    def __post_init__(self) -> None:
        self._stream = self.scenario.stream(self.seed)
        self._arrivals: deque[Arrival] = deque()
        self._next_block = self._next_hostile = 0
        self._labels: list[tuple[float, int, Label]] = []  # a heap; no two have the same number
        self._scan = Scan(self.scenario.schedule, self.seed)
        self.sent = self.failed = self.excused = self.hostile = self.odd = 0
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
            numbers = np.arange(len(block)) + self._next_block * BLOCK
            lives = self.scenario.fleet.route(numbers, block.due)
            self._next_block += 1
            same = [self.scenario.label_delay] * len(block)
            self._arrivals.extend(
                Arrival(
                    self.t0 + due / self.speed, life, place, some, outcome, labelled, delay, when
                )
                for due, life, place, some, outcome, labelled, delay, when in zip(
                    block.due.tolist(),
                    lives.tolist(),
                    self._places(lives, numbers),
                    self._rows(block),
                    block.outcome.tolist(),
                    block.labelled.tolist(),
                    same if block.delay is None else block.delay.tolist(),
                    self.scenario.schedule.calendar(block.due).tolist(),
                    strict=True,
                )
            )
        return self._arrivals.popleft() if self._arrivals else None

    def _rows(self, block: Block) -> Iterator[list[dict[str, Any]]]:
        """What each request of a block asks about: its own row, and those after it in its phase."""
        rows = self._stream.population.schema.decode(block.x)
        edges = np.searchsorted(block.due, self.scenario.schedule.starts).tolist()
        for first, end in pairwise(edges):
            if first == end:
                continue
            count = int(block.rows[first])
            around = rows[first:end] * (1 + count // (end - first) + (count > 1))
            for number in range(end - first):
                yield around[number : number + count]

    def failed_on(self, arrival: Arrival, sent_at: float, why: str) -> None:
        """Count a request that brought no prediction."""
        self.answered(arrival, sent_at, None)
        self.failed += 1
        if self._excused(arrival.life, arrival.due if self.foreign else sent_at):
            self.excused += 1
        else:
            self.failure = why

    def answered(self, arrival: Arrival, sent_at: float, token: Any) -> None:
        """Count a request that was sent; its outcome is told later where a token names it."""
        self.sent += 1
        self.late = max(self.late, sent_at - arrival.due)
        if token is not None and arrival.labelled:
            due = arrival.due + arrival.delay / self.speed
            label = Label(due, arrival.life, token, arrival.outcome)
            heappush(self._labels, (due, self.sent, label))

    def next_hostile(self) -> HostileArrival | None:
        """The next hostile request that nobody has taken; None when there is no more."""
        number = self._next_hostile
        (due,) = self._scan.due(number, 1).tolist()
        if due == math.inf:
            return None
        self._next_hostile += 1
        numbers = np.array([number])
        lives = self.scenario.fleet.route(numbers, np.array([due]))
        (place,) = self._places(lives, numbers)
        request = self._scan.request(number)
        return HostileArrival(self.t0 + due / self.speed, int(lives[0]), place, request)

    def repelled(self, arrival: HostileArrival, sent_at: float, status: int) -> None:
        """Count a hostile request that was sent, and whether its answer is the one it deserves."""
        self.hostile += 1
        if status != arrival.request.status:
            self.odd += not self._excused(arrival.life, sent_at)

    def _places(self, lives: Numbers, numbers: Numbers) -> list[int]:
        """Where requests go: what nobody takes knocks at every door in turn."""
        fleet = self.scenario.fleet
        places = np.array([life.replica for life in fleet.lives])
        knocked = numbers % fleet.places
        found: list[int] = np.where(lives == NOBODY, knocked, places[lives]).tolist()
        return found

    def _excused(self, life: int, sent_at: float) -> bool:
        time = (sent_at - self.t0) * self.speed
        if self.foreign:
            windows = self.scenario.schedule.windows()
            return any(window.start <= time < window.end for window in windows)
        return self.scenario.fleet.excuses(life, time)

    def due_labels(self, limit: int) -> dict[int, list[Label]]:
        """Outcomes that have become known, each handed out once, by the place that takes them.

        Up to `limit` are looked at. Those that no process honours are lost; see `Fleet.honouring`.
        """
        now = time.time()
        labels: defaultdict[int, list[Label]] = defaultdict(list)
        fleet, taken = self.scenario.fleet, 0
        while self._labels and self._labels[0][0] <= now and taken < limit:
            label = heappop(self._labels)[2]
            taken += 1
            honouring = fleet.honouring(label.life, (now - self.t0) * self.speed)
            if honouring:
                labels[fleet.lives[honouring[taken % len(honouring)]].replica].append(label)
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
            self.t0,
            self.elapsed,
            int(due),
            self.sent,
            self.failed,
            self.late,
            self.failure,
            self.excused,
            self.hostile,
            self.odd,
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
