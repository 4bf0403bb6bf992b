"""The operations of a schedule -> which replica runs what when, and who gets request number k.

Reads no clock; times are production seconds. A replica is a place, such as an address; a life is
one process in it, whose counters start at 0.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from simulators.operations import Operation
from simulators.schedule import Phase, Schedule
from target_service.builds import BUILDS
from target_service.contract import Floats

WARM_UP_S = 60.0
"""A new replica runs, and is scraped, for this long before it gets requests; a replica that is
taken away goes on for as long without."""

LEAVE_S, JOIN_S = 15.0, 45.0
"""A replica gets no requests from this long before it is replaced until so long after."""

ROLL_S = 90.0
"""Replicas are replaced one after the other, this far apart."""

MAX_REPLICAS = 10
MAX_LIVES = 40
"""All processes of a live drill are loaded before it begins."""

NOBODY = -1

Numbers = NDArray[np.int64]


@dataclass(frozen=True)
class Life:
    """One process.

    Attributes:
        replica: Which place it takes, from 0 on.
        build: What it runs.
        start: When it starts to serve.
        joins: When it starts to get requests.
        leaves: When it no longer gets any.
        end: When it ends.
        crashes: Whether it ends without finishing what is under way.
    """

    replica: int
    build: str
    start: float
    joins: float
    leaves: float
    end: float
    crashes: bool = False


@dataclass(frozen=True)
class Presence:
    """A replica is listed for scraping from `start` to `end`, whether it runs or not."""

    replica: int
    start: float
    end: float


@dataclass(frozen=True)
class Rotation:
    """Who gets the requests between two moments.

    Attributes:
        lives: Numbers of the lives that take turns.
        canary: Number of the life that gets a share of its own, if there is one.
        share: That share.
    """

    start: float
    end: float
    lives: tuple[int, ...]
    canary: int | None = None
    share: float = 0.0

    def route(self, numbers: Numbers) -> Numbers:
        """(n,) numbers of the lives that get (n,) requests; `NOBODY` when none is there."""
        if self.canary is None:
            turns, to_canary = numbers, np.zeros(len(numbers), dtype=bool)
        else:
            before, after = self._canaries(numbers), self._canaries(numbers + 1)
            turns, to_canary = numbers - before, after > before
        if not self.lives:
            return np.where(to_canary, self.canary or 0, NOBODY)
        taken = np.array(self.lives)[turns % len(self.lives)]
        return np.where(to_canary, self.canary or 0, taken)

    def counts(self, first: Numbers, last: Numbers) -> Iterator[tuple[int, Numbers]]:
        """Each life with how many of the requests `first` to `last` - 1, (n,) ranges, it gets.

        Sums up what `route` says of each, at a cost that ignores their number.
        """
        if self.canary is not None:
            before, after = self._canaries(first), self._canaries(last)
            yield self.canary, after - before
            first, last = first - before, last - after
        for place, life in enumerate(self.lives):
            behind = len(self.lives) - 1 - place
            size = len(self.lives)
            yield life, (last + behind) // size - (first + behind) // size
        if not self.lives:
            yield NOBODY, last - first

    def _canaries(self, numbers: Numbers) -> Numbers:
        """How many requests before each of (n,) go to the canary."""
        whole: Numbers = np.floor(numbers * self.share + 1e-9).astype(np.int64)
        return whole


@dataclass(frozen=True)
class Fleet:
    """Every process of a drill.

    Args:
        schedule: With the operations of its phases.
        replicas: How many there are where a phase does not say.

    Raises:
        ValueError: A phase asks for what cannot be done; names it.
    """

    schedule: Schedule
    replicas: int = 1

    def __post_init__(self) -> None:
        for phase in self.schedule.phases:
            count, down = self._count(phase.operation), phase.operation.down
            if not 1 <= count <= MAX_REPLICAS:
                raise ValueError(
                    f"phase {phase.name}: expected 1 to {MAX_REPLICAS} replicas, got {count}"
                )
            if down > count:
                raise ValueError(
                    f"phase {phase.name}: expected at most {count} replicas down, got {down}"
                )
        if len(self.lives) > MAX_LIVES:
            raise ValueError(f"expected at most {MAX_LIVES} starts of replicas in all")

    @property
    def places(self) -> int:
        """The number of addresses that the drill needs."""
        return 1 + max(presence.replica for presence in self.presences)

    @property
    def lives(self) -> tuple[Life, ...]:
        """Every process, by when it starts."""
        return self._history[0]

    @property
    def presences(self) -> tuple[Presence, ...]:
        """When each replica is listed for scraping."""
        return self._history[1]

    @cached_property
    def rotations(self) -> tuple[Rotation, ...]:
        """Who gets the requests, from the start to the end without a gap."""
        cuts = {0.0, self.schedule.duration, *self.schedule.starts.tolist()}
        cuts |= {time for life in self.lives for time in (life.joins, life.leaves)}
        inside = sorted(time for time in cuts if 0 <= time <= self.schedule.duration)
        return tuple(self._rotation(start, end) for start, end in pairwise(inside))

    def rotation_at(self, time: float) -> Rotation:
        """Who gets the requests at a time; the last one from its start on."""
        return self.rotations[max(bisect_right(self._rotation_starts, time) - 1, 0)]

    def route(self, numbers: Numbers, times: Floats) -> Numbers:
        """(n,) numbers of the lives that get the requests `numbers`, due at (n,) `times`."""
        which = np.searchsorted(self._rotation_starts, times, side="right") - 1
        routed = np.full(len(numbers), NOBODY, dtype=np.int64)
        for number in np.unique(which):
            chosen = which == number
            routed[chosen] = self.rotations[number].route(numbers[chosen])
        return routed

    def honouring(self, life: int, time: float) -> tuple[int, ...]:
        """The lives that take ground truth about a life's predictions at a time.

        They run the same version of the model. The life itself comes alone while it serves, since
        each remembers only what it was told itself.
        """
        rotation = self.rotation_at(time)
        serving = rotation.lives if rotation.canary is None else (*rotation.lives, rotation.canary)
        if life in serving:
            return (life,)
        version = BUILDS[self.lives[life].build].version
        return tuple(
            other for other in serving if BUILDS[self.lives[other].build].version == version
        )

    def excuses(self, life: int, time: float) -> bool:
        """Whether the drill itself makes a request fail that was sent to a life at a time.

        So it is when nobody is there, when the build is to answer some with an error, when the only
        replica is being replaced, and when a crash cuts off what is under way.
        """
        if life == NOBODY:
            return True
        one = self.lives[life]
        return (
            BUILDS[one.build].error_share > 0
            or (0 < one.start == one.joins <= time < one.start + JOIN_S)
            or (one.crashes and time >= one.end - LEAVE_S)
        )

    @cached_property
    def _rotation_starts(self) -> list[float]:
        return [rotation.start for rotation in self.rotations]

    def _rotation(self, start: float, end: float) -> Rotation:
        operation = self.schedule.phase_at(start).operation
        place = self._count(operation) if operation.canary else None
        serving = [
            (number, life.replica)
            for number, life in enumerate(self.lives)
            if life.joins <= start < life.leaves
        ]
        canary = next((number for number, replica in serving if replica == place), None)
        others = tuple(number for number, _ in serving if number != canary)
        share = operation.canary.share if operation.canary and canary is not None else 0.0
        return Rotation(start, end, others, canary, share)

    def _count(self, operation: Operation) -> int:
        return self.replicas if operation.replicas is None else operation.replicas

    def _wanted(self, operation: Operation) -> Mapping[int, str | None]:
        """Build by replica; None is down."""
        count = self._count(operation)
        up = count - operation.down
        wanted: dict[int, str | None] = {
            place: operation.build if place < up else None for place in range(count)
        }
        if operation.canary:
            wanted[count] = operation.canary.build
        return wanted

    @cached_property
    def _history(self) -> tuple[tuple[Life, ...], tuple[Presence, ...]]:
        history = _History(self.schedule.duration)
        for phase, start in zip(self.schedule.phases, self.schedule.starts.tolist(), strict=False):
            history.enter(phase, start, self._wanted(phase.operation))
        return history.finish()


class _History:
    """Lives and presences, phase by phase."""

    def __init__(self, duration: float) -> None:
        self._duration = duration
        self._lives: list[Life] = []
        self._running: dict[int, Life] = {}
        self._presences: list[Presence] = []
        self._listed: dict[int, float] = {}

    def enter(self, phase: Phase, now: float, wanted: Mapping[int, str | None]) -> None:
        """Go from the phase before to one that wants these builds."""
        restart = phase.operation.restart
        replaced = [
            place
            for place, life in sorted(self._running.items())
            if wanted.get(place) is not None and (restart or wanted[place] != life.build)
        ]
        if restart and len(replaced) < 2:
            raise ValueError(
                f"phase {phase.name}: expected 2 replicas or more to restart, up in the phase"
                " before, too: one serves while the other starts"
            )
        if phase.duration < len(replaced) * ROLL_S:
            raise ValueError(
                f"phase {phase.name}: expected {len(replaced) * ROLL_S:g}s or more: replicas are"
                f" replaced one every {ROLL_S:g}s"
            )
        others = len(self._running) > 1
        for place in sorted({*self._listed} - {*wanted}):
            self._remove(place, now)
        for place, build in wanted.items():
            if place in replaced and build is not None:
                self._replace(place, build, now + ROLL_S * replaced.index(place), others)
            elif build is None:
                self._fall(place, now)
            elif place not in self._running:
                self._add(place, build, now)

    def finish(self) -> tuple[tuple[Life, ...], tuple[Presence, ...]]:
        for place in list(self._listed):
            if place in self._running:
                self._end(place, self._duration, self._duration)
            self._unlist(place, self._duration)
        return (
            tuple(sorted(self._lives, key=lambda life: (life.start, life.replica))),
            tuple(sorted(self._presences, key=lambda p: (p.start, p.replica))),
        )

    def _add(self, place: int, build: str, now: float) -> None:
        if place in self._listed or now == 0:
            start, joins = now, now + (JOIN_S if now else 0.0)
        else:
            ended = [p.end for p in self._presences if p.replica == place]
            start, joins = max([now - WARM_UP_S, 0.0, *ended]), now
        self._listed.setdefault(place, start)
        self._start(place, build, start, joins)

    def _remove(self, place: int, now: float) -> None:
        gone = now
        if place in self._running:
            gone = min(now + WARM_UP_S, self._duration)
            self._end(place, now, gone)
        self._unlist(place, gone)

    def _fall(self, place: int, now: float) -> None:
        if place in self._running:
            self._running[place] = replace(self._running[place], crashes=True)
            self._end(place, now, now)
        self._listed.setdefault(place, now)

    def _replace(self, place: int, build: str, now: float, others: bool) -> None:
        moment = now + LEAVE_S if others else now
        self._end(place, now, moment)
        self._start(place, build, moment, moment + (JOIN_S if others else 0.0))

    def _start(self, place: int, build: str, start: float, joins: float) -> None:
        end = self._duration
        self._running[place] = Life(place, build, start, min(joins, end), end, end)

    def _end(self, place: int, leaves: float, end: float) -> None:
        life = self._running.pop(place)
        self._lives.append(replace(life, leaves=max(leaves, life.joins), end=end))

    def _unlist(self, place: int, end: float) -> None:
        self._presences.append(Presence(place, self._listed.pop(place), end))
