"""What rows and pools have in common when they count a drill."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from driftdrill.virtual.service import FEEDBACK, VirtualService
from scenarios.spec import Scenario
from simulators.fleet import Life
from target_service.contract import MAX_BATCH, Floats

Numbers = NDArray[np.int64]

_LATENCY_MEDIAN_S, _LATENCY_SPREAD = 0.004, 0.4
"""A lognormal time to answer: what the service takes for one row on an idle machine."""

QUICK_S = 0.004
"""What it takes for anything but a prediction."""

_FEEDBACK_INTERVAL_S = 15.0
"""Ground truth is sent in batches, this many production seconds apart, as in a live drill."""


@dataclass(frozen=True)
class Drill:
    """What is to be counted.

    Attributes:
        services: The builds, by name.
        scrapes: (t,) production seconds.
    """

    scenario: Scenario
    services: Mapping[str, VirtualService]
    seed: int
    scrapes: Floats

    @property
    def lives(self) -> Sequence[Life]:
        """The processes to count for."""
        return self.scenario.fleet.lives

    @cached_property
    def spans(self) -> tuple[slice, ...]:
        """Which scrapes fall into each life."""
        return tuple(
            slice(*np.searchsorted(self.scrapes, [life.start, life.end]).tolist())
            for life in self.lives
        )

    def service(self, life: int) -> VirtualService:
        """What a life runs."""
        return self.services[self.lives[life].build]

    def slots(self, life: int) -> Numbers:
        """(t,) slots of the model's season in the middle before each of a life's scrapes."""
        middles = self.middles[self.spans[life]]
        return self.service(life).slots(self.scenario.schedule.calendar(middles))

    @cached_property
    def middles(self) -> Floats:
        """(t,) seconds of the middle of the interval that each scrape ends."""
        into = (self.scrapes[1] - self.scrapes[0]) / 2
        middles: Floats = np.clip(self.scrapes - into, 0, self.scenario.schedule.duration)
        return middles

    def counters(self) -> list[Floats]:
        """(d, t) zeros for each life."""
        return [
            np.zeros((self.service(number).width, span.stop - span.start))
            for number, span in enumerate(self.spans)
        ]

    def per_scrape(self, life: int, times: Floats) -> Numbers:
        """(t,) how many of (n,) ascending times come between a life's scrapes and those before."""
        until = np.searchsorted(times, self.scrapes[self.spans[life]], side="right")
        return np.diff(until, prepend=0)


def add_requests(
    service: VirtualService,
    counted: Floats,
    request: tuple[str, str, str, str],
    numbers: Numbers,
    seconds: float = QUICK_S,
) -> None:
    """Count (t,) new numbers of requests, all of which take as long, into (d, t) totals."""
    _, _, endpoint, _ = request
    total = np.cumsum(numbers)
    latency = service.positions["latency", endpoint]
    counted[service.position(*request)] += total
    counted[service.bins(np.array([seconds]), "latency", endpoint)[0]] += total
    counted[latency.stop - 1] += total * seconds


def add_feedback(
    service: VirtualService, counted: Floats, labels: Numbers, scrapes: Floats
) -> None:
    """Count the requests that (t,) new numbers of labels come in."""
    turns = max(round((scrapes[1] - scrapes[0]) / _FEEDBACK_INTERVAL_S), 1)
    full = np.ceil(labels / MAX_BATCH).astype(np.int64)
    add_requests(service, counted, FEEDBACK, np.maximum(full, np.minimum(labels, turns)))


def latencies(rng: np.random.Generator, count: int) -> Floats:
    """(count,) seconds that predictions take."""
    return rng.lognormal(math.log(_LATENCY_MEDIAN_S), _LATENCY_SPREAD, count)
