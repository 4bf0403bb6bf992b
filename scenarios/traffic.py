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
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from scenarios.spec import Scenario
from scenarios.status import Status
from scenarios.turns import ALONE, Turns
from simulators.fleet import LEAVE_S, NOBODY, Numbers
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
        number: Which request of the drill's stream it is.
    """

    due: float
    life: int
    replica: int
    rows: list[dict[str, Any]]
    outcome: int
    labelled: bool
    delay: float
    time: float
    number: int


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


@dataclass
class Traffic:
    """The shared state of all users of one load generator, which may be one of several.

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
        self._turns, self._me = ALONE, ""
        self._next = 0  # the first request that was not drawn yet
        self._taken = 0  # and the first after the last one that a user took
        self._next_hostile = 0
        self._labels: list[tuple[float, int, Label]] = []  # a heap; no two have the same number
        self._scan = Scan(self.scenario.schedule, self.seed)
        self.sent = self.failed = self.excused = self.hostile = self.odd = 0
        self.told = self.untold = 0
        self.late = 0.0
        self.failure = self.excuse = ""

    @property
    def elapsed(self) -> float:
        """Real seconds since the drill began."""
        return time.time() - self.t0

    @property
    def duration(self) -> float:
        """Real seconds that the drill takes."""
        return self.scenario.schedule.duration / self.speed

    def divide(self, turns: Turns, me: str) -> None:
        """From now on send the share that `turns` give to `me`; that of the past is not sent."""
        self._turns, self._me = turns, me
        self._arrivals.clear()
        since = min(turns.since(me), self.scenario.schedule.duration)
        first = int(self.scenario.schedule.arrivals_until(since))
        self._next = max(self._taken, first)

    def until_next(self) -> float:
        """Real seconds until the next request is due; infinity when there is none any more."""
        return self._arrivals[0].due - time.time() if self._drawn() else math.inf

    def next_arrival(self) -> Arrival | None:
        """The next request that nobody has taken; None when the drill has no more."""
        if not self._drawn():
            return None
        arrival = self._arrivals.popleft()
        self._taken = arrival.number + 1
        late = (time.time() - arrival.due) * self.speed
        return arrival if late < LEAVE_S / 2 else self._sent_anew(arrival)

    def _sent_anew(self, arrival: Arrival) -> Arrival:
        """A late request goes to whoever serves by now: its own replica may be gone."""
        numbers, now = np.array([arrival.number]), np.array([self.elapsed * self.speed])
        lives = self.scenario.fleet.route(numbers, now)
        (replica,) = self._places(lives, numbers)
        return arrival._replace(life=int(lives[0]), replica=replica)

    def _drawn(self) -> bool:
        """Whether a request is there to be taken, once as much of the stream is drawn as needed."""
        while not self._arrivals and self._next < self.scenario.schedule.total_arrivals:
            self._draw()
        return bool(self._arrivals)

    def _draw(self) -> None:
        """Our requests of one block of the stream, from the next one on."""
        number = self._next // BLOCK
        block = self._stream.block(number)
        numbers = np.arange(len(block)) + number * BLOCK
        ours = self._turns.of(self._me, numbers, block.due) & (numbers >= self._next)
        self._next = (number + 1) * BLOCK
        lives = self.scenario.fleet.route(numbers, block.due)[ours]
        delay = self.scenario.label_delay
        delays = np.full(len(block), delay) if block.delay is None else block.delay
        columns = zip(
            (self.t0 + block.due[ours] / self.speed).tolist(),
            lives.tolist(),
            self._places(lives, numbers[ours]),
            self._rows(block, ours),
            block.outcome[ours].tolist(),
            block.labelled[ours].tolist(),
            delays[ours].tolist(),
            self.scenario.schedule.calendar(block.due[ours]).tolist(),
            numbers[ours].tolist(),
            strict=True,
        )
        self._arrivals.extend(map(Arrival._make, columns))

    def _rows(self, block: Block, ours: NDArray[np.bool_]) -> Iterator[list[dict[str, Any]]]:
        """What each request of ours asks about: its own row, and those after it in its phase."""
        decode = self._stream.population.schema.decode
        if (block.rows[ours] == 1).all():
            yield from ([row] for row in decode(block.x[ours]))
            return
        rows = decode(block.x)
        edges = np.searchsorted(block.due, self.scenario.schedule.starts).tolist()
        for first, end in pairwise(edges):
            if first == end:
                continue
            count = int(block.rows[first])
            around = rows[first:end] * (1 + count // (end - first) + (count > 1))
            for number in range(end - first):
                if ours[first + number]:
                    yield around[number : number + count]

    def failed_on(self, arrival: Arrival, sent_at: float, why: str) -> None:
        """Count a request that brought no prediction."""
        self.answered(arrival, sent_at, None)
        self.failed += 1
        if self._excused(arrival.life, arrival.due if self.foreign else sent_at):
            self.excused += 1
            self.excuse = why
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
        """The next hostile request of ours that nobody has taken; None when there is no more."""
        while True:
            numbers = np.array([self._next_hostile])
            due = self._scan.due(self._next_hostile, 1)
            if due[0] == math.inf:
                return None
            self._next_hostile += 1
            if self._turns.of(self._me, numbers, due)[0]:
                break
        lives = self.scenario.fleet.route(numbers, due)
        (place,) = self._places(lives, numbers)
        request = self._scan.request(int(numbers[0]))
        return HostileArrival(self.t0 + due[0] / self.speed, int(lives[0]), place, request)

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

    def heard(self, replica: int, outcomes: int, taken: bool) -> None:
        """Count outcomes that a replica was sent just now, and whether it took them.

        Where the drill itself keeps it from doing so, they are as lost as those of a dead one.
        """
        if taken:
            self.told += outcomes
        elif not self._keeps_away(replica, time.time()):
            self.untold += outcomes

    def _keeps_away(self, replica: int, now: float) -> bool:
        at = (now - self.t0) * self.speed
        return any(
            life.replica == replica
            and life.start <= at < life.end + LEAVE_S
            and self._excused(number, now)
            for number, life in enumerate(self.scenario.fleet.lives)
        )

    def finished(self, sent: int) -> bool:
        """Whether the schedule has ended and nothing is still to be sent, where `sent` were."""
        over = self.elapsed - self.duration
        return over > 0 and (sent >= self.scenario.schedule.total_arrivals or over > GRACE)

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
            told=self.told,
            untold=self.untold,
            excuse=self.excuse,
        )


GRACE = 2.0
"""Real seconds past the schedule's end in which late requests are still sent."""
