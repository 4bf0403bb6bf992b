"""As many rows as are due, drawn from pools, whose cost ignores their number; see `pool`."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

from driftdrill.virtual.counting import (
    Drill,
    Numbers,
    add_feedback,
    add_requests,
    latencies,
)
from driftdrill.virtual.pool import POOL, Pool, pool
from driftdrill.virtual.service import ACCEPTED, CALIBRATION, FAILED, VirtualService
from simulators.drifts import Drift
from simulators.fleet import NOBODY
from target_service.builds import BUILDS
from target_service.contract import Floats

_CHUNK = 1024
"""Scrapes between two calls of `show`."""

_State = tuple[tuple[Drift, ...], str, float]
"""What a pool is for: the drifts, the build that answers, the share of outcomes that are told."""


def count_pools(drill: Drill, show: Callable[[float], None]) -> tuple[list[Floats], int]:
    """Count a drill from pools.

    Returns:
        (d, t) totals of each life at each of its scrapes, and how many requests failed.
    """
    rng = np.random.default_rng([drill.seed, 2])
    schedule, scrapes, middles = drill.scenario.schedule, drill.scrapes, drill.middles
    coverage = schedule.label_coverage(middles, drill.scenario.label_coverage)
    routed = _routed(drill)
    failed = int(routed.pop(NOBODY, np.zeros(1)).sum())
    pools: dict[_State, Pool] = {}
    counted = drill.counters()
    errors: dict[int, Numbers] = {}
    for number, sizes in routed.items():
        build, span = drill.lives[number].build, drill.spans[number]
        errors[number] = _some(rng, sizes, BUILDS[build].error_share)
        failed += int(errors[number].sum())
        for first in range(span.start, span.stop, _CHUNK):
            part = slice(first, min(first + _CHUNK, span.stop))
            answered = sizes[part] - errors[number][part]
            here = slice(part.start - span.start, part.stop - span.start)
            intensities = schedule.intensity(middles[part])
            for share in np.unique(coverage[part]).tolist():
                covered = np.where(coverage[part] == share, answered, 0)
                for drifts, drawn in _split(rng, covered, intensities):
                    state = (drifts, build, share)
                    if state not in pools:
                        pools[state] = _pool(rng, drill, state)
                    added = pools[state].draw(rng, drawn)[:, : len(counted[number])]
                    counted[number][:, here] += added.T
            show(float(scrapes[part][-1]))
    _tell(drill, counted)
    for number, total in enumerate(counted):
        service, span = drill.service(number), drill.spans[number]
        labels = total[service.position(*ACCEPTED)].astype(np.int64)
        service.weigh(total, drill.slots(number))
        np.cumsum(total, axis=1, out=total)
        add_feedback(service, total, labels, scrapes)
        if number in errors:
            add_requests(service, total, FAILED, errors[number][span])
    return counted, failed


def _routed(drill: Drill) -> dict[int, Numbers]:
    """(t,) how many requests each life gets between the drill's scrapes; `NOBODY` as well."""
    schedule, fleet, scrapes = drill.scenario.schedule, drill.scenario.fleet, drill.scrapes
    starts = np.array([rotation.start for rotation in fleet.rotations])
    cuts = np.union1d(np.append(scrapes, schedule.duration), starts)
    numbers = np.ceil(schedule.arrivals_by(cuts) - 1e-9).astype(np.int64)
    counted_at = np.searchsorted(scrapes, cuts[1:], side="left")
    rotation_of = np.searchsorted(starts, cuts[:-1], side="right") - 1
    routed: dict[int, Numbers] = {}
    for place, rotation in enumerate(fleet.rotations):
        cells = np.flatnonzero(rotation_of == place)
        for life, count in rotation.counts(numbers[cells], numbers[cells + 1]):
            sizes = routed.setdefault(life, np.zeros(len(scrapes) + 1, dtype=np.int64))
            np.add.at(sizes, counted_at[cells], count)
    # What comes after the last scrape is in no sample.
    return {life: sizes if life == NOBODY else sizes[:-1] for life, sizes in routed.items()}


def _some(rng: np.random.Generator, sizes: Numbers, share: float) -> Numbers:
    """How many of (t,) numbers of requests are among a share of all."""
    return rng.binomial(sizes, share) if share else np.zeros_like(sizes)


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


def _pool(rng: np.random.Generator, drill: Drill, state: _State) -> Pool:
    drifts, build, coverage = state
    service = drill.services[build]
    population = drill.scenario.population
    rows = population.draw(rng, POOL)
    for drift in drifts:
        rows = drift.apply(rows, np.ones(POOL), population, rng)
    outcome = (rng.random(POOL) < rows.p).astype(np.uint8)
    labelled = rng.random(POOL) < coverage
    latency = latencies(rng, POOL) + service.build.delay
    return pool(service, rows.x, latency, outcome, labelled)


def _tell(drill: Drill, counted: list[Floats]) -> None:
    """Move what outcomes add, (d, t) per scrape, to the time and the process at which they come."""
    scrapes = drill.scrapes
    late = math.ceil(drill.scenario.label_delay / (scrapes[1] - scrapes[0]))
    told: dict[int, Floats] = {}
    for number, new in enumerate(counted):
        elements, span = _label_elements(drill.service(number)), drill.spans[number]
        told[number] = np.zeros((len(elements), len(scrapes)))
        then = told[number][:, span.start + late : span.stop + late]
        then[:] = new[elements, : then.shape[1]]
        new[elements] = 0.0
    for number, outcomes in told.items():
        for receiver, at in _receivers(drill, number):
            elements = _label_elements(drill.service(receiver))
            first = drill.spans[receiver].start
            own = slice(at.start - first, at.stop - first, at.step)
            counted[receiver][elements, own] += outcomes[:, at]


def _receivers(drill: Drill, life: int) -> Iterator[tuple[int, slice]]:
    """The lives that are told about a life's predictions, each with the scrapes that show it.

    Where several are, each takes its turn.
    """
    for rotation in drill.scenario.fleet.rotations:
        honouring = drill.scenario.fleet.honouring(life, rotation.start)
        begin, end = np.searchsorted(drill.scrapes, [rotation.start, rotation.end]).tolist()
        for turn, receiver in enumerate(honouring):
            first = begin + (turn - begin) % len(honouring)
            if first < end:
                yield receiver, slice(first, end, len(honouring))


def _label_elements(service: VirtualService) -> list[int]:
    keys = [("labelled", "0"), ("labelled", "1"), ACCEPTED, *CALIBRATION]
    return [element for key in keys for element in service.positions[key]]
