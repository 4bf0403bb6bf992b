"""What a service has counted at every scrape of a drill, computed instead of waited for."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from driftdrill.virtual.pool import POOL, Pool, pool
from driftdrill.virtual.service import ACCEPTED, CALIBRATION, FEEDBACK, VirtualService
from scenarios.spec import Scenario
from simulators.drifts import Drift
from simulators.stream import BLOCK
from target_service.contract import MAX_BATCH, Floats

ROWS_DRAWN = 300_000
"""Up to this many requests in all, each is drawn, scored and counted; beyond, a pool is cheaper."""

_CHUNK = 1024
"""Scrapes between two calls of `show`."""

_LATENCY_MEDIAN_S, _LATENCY_SPREAD = 0.004, 0.4
"""A lognormal time to answer: what the service takes for one row on an idle machine."""

_FEEDBACK_LATENCY_S = 0.004
_FEEDBACK_INTERVAL_S = 15.0
"""Ground truth is sent in batches, this many production seconds apart, as in a live drill."""


@dataclass(frozen=True)
class History:
    """What a service had counted at each scrape.

    Attributes:
        scrapes: (t,) production seconds, half an interval off the evaluations: no sample lies on
            the edge of a window, where Prometheus 2 and 3 differ.
        counted: (d, t) the service's vector.
        sent: Requests in all.
    """

    scrapes: Floats
    counted: Floats
    sent: int


def simulate(
    scenario: Scenario,
    service: VirtualService,
    seed: int,
    scrape_interval: float,
    show: Callable[[float], None],
    rows_drawn: int = ROWS_DRAWN,
) -> History:
    """Run a drill's traffic through a service that has counted nothing yet.

    Args:
        scenario: The drill.
        service: Counts the traffic.
        seed: Of the traffic; the rows are those of a live drill with this seed.
        scrape_interval: Production seconds.
        show: Called with the production time reached, many times.
        rows_drawn: Up to how many requests each row is drawn.
    """
    duration = scenario.schedule.duration
    scrapes = np.arange(scrape_interval / 2, duration, scrape_interval)
    each = scenario.population.in_order or scenario.schedule.total_arrivals <= rows_drawn
    count = _count_rows if each else _count_pools
    counted = count(scenario, service, seed, scrapes, show)
    show(duration)
    return History(scrapes, counted, scenario.schedule.total_arrivals)


def _count_rows(
    scenario: Scenario,
    service: VirtualService,
    seed: int,
    scrapes: Floats,
    show: Callable[[float], None],
) -> Floats:
    """Every row of the live drill, counted by the code that counts it there."""
    stream = scenario.stream(seed)
    numbers = range(-(-scenario.schedule.total_arrivals // BLOCK))
    blocks = [stream.block(number) for number in numbers]
    due = np.concatenate([block.due for block in blocks])
    x = np.concatenate([block.x for block in blocks])
    labelled = np.concatenate([block.labelled for block in blocks])
    outcome = np.concatenate([block.outcome for block in blocks])[labelled]
    latency = np.concatenate(
        [_latencies(np.random.default_rng([seed, number, 1]), BLOCK) for number in numbers]
    )
    scores = service.model.score(x)
    label_scores = scores[labelled]
    segments = service.model.schema.segment_numbers(x)[labelled]
    asked = np.searchsorted(due, scrapes, side="right")
    told = np.searchsorted(due[labelled] + scenario.label_delay, scrapes, side="right")
    batches = _feedback_requests(np.diff(told, prepend=0), scrapes)

    metrics = service.metrics
    counted = np.zeros((service.width, len(scrapes)))
    steps = zip(scrapes.tolist(), pairwise([0, *asked]), pairwise([0, *told]), strict=True)
    for i, (time, of_rows, of_labels) in enumerate(steps):
        rows, labels = slice(*of_rows), slice(*of_labels)
        metrics.observe(x[rows], scores[rows])
        metrics.observe_labels(label_scores[labels], segments[labels], outcome[labels])
        for seconds in latency[rows].tolist():
            metrics.observe_request("POST", "/predict", 200, seconds)
        for _ in range(batches[i]):
            metrics.observe_request("POST", "/feedback", 200, _FEEDBACK_LATENCY_S)
        counted[:, i] = metrics.state()
        if not i % (_CHUNK // 16):
            show(time)
    return counted


def _count_pools(
    scenario: Scenario,
    service: VirtualService,
    seed: int,
    scrapes: Floats,
    show: Callable[[float], None],
) -> Floats:
    """As many rows as are due, drawn from pools; see `pool`."""
    rng = np.random.default_rng([seed, 2])
    pools: dict[tuple[Drift, ...], Pool] = {}
    arrivals = np.array([scenario.schedule.arrivals_until(time) for time in scrapes.tolist()])
    sizes = np.diff(np.ceil(arrivals - 1e-9), prepend=0).astype(np.int64)
    middles = np.clip(scrapes - (scrapes[1] - scrapes[0]) / 2, 0, scenario.schedule.duration)

    counted = np.zeros((service.width, len(scrapes)))
    for first in range(0, len(scrapes), _CHUNK):
        part = slice(first, first + _CHUNK)
        for drifts, drawn in _split(rng, sizes[part], scenario.schedule.intensity(middles[part])):
            if drifts not in pools:
                pools[drifts] = _pool(rng, scenario, service, drifts)
            counted[:, part] += pools[drifts].draw(rng, drawn)[:, : service.width].T
        show(float(scrapes[part][-1]))

    late = math.ceil(scenario.label_delay / (scrapes[1] - scrapes[0]))
    for element in _label_elements(service):
        told = counted[element, : len(scrapes) - late].copy()
        counted[element] = 0.0
        counted[element, late:] = told
    accepted = counted[service.position(*ACCEPTED)].astype(np.int64)
    batches = _feedback_requests(accepted, scrapes)
    latency = service.positions["latency", "/feedback"]
    counted[service.position(*FEEDBACK)] = batches
    counted[service.bins(np.array([_FEEDBACK_LATENCY_S]), "latency", "/feedback")[0]] = batches
    counted[latency.stop - 1] = batches * _FEEDBACK_LATENCY_S
    return np.cumsum(counted, axis=1, out=counted)


def _split(
    rng: np.random.Generator, sizes: NDArray[np.int64], drifts: list[tuple[Drift, Floats]]
) -> list[tuple[tuple[Drift, ...], NDArray[np.int64]]]:
    """How many of (t,) numbers of rows each combination of the drifts affects, where any."""
    groups: list[tuple[tuple[Drift, ...], NDArray[np.int64]]] = [((), sizes)]
    for drift, intensity in drifts:
        affected = [(to, rng.binomial(count, intensity)) for to, count in groups]
        groups = [
            group
            for (to, count), (_, hit) in zip(groups, affected, strict=True)
            for group in ((to, count - hit), ((*to, drift), hit))
        ]
    return [(to, count) for to, count in groups if count.any()]


def _pool(
    rng: np.random.Generator,
    scenario: Scenario,
    service: VirtualService,
    drifts: tuple[Drift, ...],
) -> Pool:
    population = scenario.population
    rows = population.draw(rng, POOL)
    for drift in drifts:
        rows = drift.apply(rows, np.ones(POOL), population, rng)
    outcome = (rng.random(POOL) < rows.p).astype(np.uint8)
    labelled = rng.random(POOL) < scenario.label_coverage
    return pool(service, rows.x, _latencies(rng, POOL), outcome, labelled)


def _latencies(rng: np.random.Generator, count: int) -> Floats:
    return rng.lognormal(math.log(_LATENCY_MEDIAN_S), _LATENCY_SPREAD, count)


def _feedback_requests(labels: NDArray[np.integer], scrapes: Floats) -> NDArray[np.int64]:
    """(t,) requests that (t,) numbers of labels come in."""
    turns = max(round((scrapes[1] - scrapes[0]) / _FEEDBACK_INTERVAL_S), 1)
    full = np.ceil(labels / MAX_BATCH).astype(np.int64)
    requests: NDArray[np.int64] = np.maximum(full, np.minimum(labels, turns))
    return requests


def _label_elements(service: VirtualService) -> list[int]:
    keys = [("labelled", "0"), ("labelled", "1"), ACCEPTED, *CALIBRATION]
    return [element for key in keys for element in service.positions[key]]
