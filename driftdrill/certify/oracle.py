"""The limit: a CUSUM chart that knows the change beforehand, and sees every single value.

By Lorden (1971) and Moustakides (1986) no detector with as few false alarms has a smaller worst
mean delay, for independent values. So how many times the oracle's delay a rule takes says what is
left.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np

from driftdrill.virtual.service import VirtualService
from scenarios.spec import Scenario
from simulators.stream import BLOCK
from target_service.contract import Floats

Watched = Literal["score", "outcome"] | str
"""What an oracle sees: the scores, outcomes with their scores, or a feature by its name."""

_POOL = 200_000
_BINS = 50
_CALIBRATED, _STREAMS = 30_000, 64
"""Values between two false alarms at which thresholds are found by simulation; its streams."""


@dataclass(frozen=True)
class Oracle:
    """The chart that knows one change of one drill.

    Attributes:
        scenario: The drill.
        service: Scores its rows.
        watched: What it sees.
        edges: (bins - 1,) that cut the values.
        weights: (kinds, bins) nats of a value by its kind (its outcome, where those are seen).
        calm: Values as they are without the change, for the threshold: their weights.
    """

    scenario: Scenario
    service: VirtualService
    watched: Watched
    edges: Floats
    weights: Floats
    calm: Floats

    def delays(self, seeds: Sequence[int], onset: float, run_length: float) -> list[float]:
        """Seconds from the onset to the alarm on each stream; inf where there is none.

        Args:
            seeds: Of the streams.
            onset: Seconds at which the change begins.
            run_length: Values between two false alarms.
        """
        threshold = self.threshold(run_length)
        return [self._delay(seed, onset, threshold) for seed in seeds]

    def threshold(self, run_length: float) -> float:
        """Nats at which the chart alarms: simulated, and a run length e times as long is 1 more."""
        paths, length = self._paths, self._paths.shape[1]
        wanted = min(run_length, _CALIBRATED)
        low, high = 0.0, 40.0
        for _ in range(30):
            middle = (low + high) / 2
            crossed = paths >= middle
            first = np.where(crossed.any(axis=1), crossed.argmax(axis=1), length)
            alarms = max((first < length).sum(), 1)
            low, high = (middle, high) if first.sum() / alarms < wanted else (low, middle)
        return float(high + np.log(run_length / wanted))

    @cached_property
    def _paths(self) -> Floats:
        """(streams, values) how high the chart has been by then, where nothing changes."""
        rng = np.random.default_rng(0)
        drawn = rng.integers(len(self.calm), size=(_STREAMS, 2 * _CALIBRATED))
        return np.array([np.maximum.accumulate(_chart(self.calm[row])) for row in drawn])

    def _delay(self, seed: int, onset: float, threshold: float) -> float:
        stream = self.scenario.stream(seed)
        last = -(-self.scenario.schedule.total_arrivals // BLOCK)
        blocks = [stream.block(number) for number in range(last)]
        due = np.concatenate([block.due for block in blocks])
        x = np.concatenate([block.x for block in blocks])
        outcome = np.concatenate([block.outcome for block in blocks])
        if self.watched == "outcome":
            told = np.concatenate([block.labelled for block in blocks])
            due, x, outcome = due[told] + self.scenario.label_delay, x[told], outcome[told]
        values = _values(self.service, self.watched, x)
        nats = _weigh(self.watched, self.edges, self.weights, values, outcome)
        level = _chart(nats)
        found = np.flatnonzero((level >= threshold) & (due >= onset))
        return float(due[found[0]] - onset) if len(found) else float("inf")


def oracle(scenario: Scenario, service: VirtualService, watched: Watched) -> Oracle:
    """The chart for the change with which a drill ends.

    Args:
        scenario: The drill, at its effect size.
        service: Scores its rows.
        watched: What to see.
    """
    rng = np.random.default_rng(0)
    population = scenario.population
    before = population.draw(rng, _POOL)
    after = population.draw(rng, _POOL)
    changed = [(a.drift, a.intensity.end) for p in scenario.schedule.phases for a in p.drifts]
    for drift, share in changed:
        after = drift.apply(after, np.full(_POOL, share), population, rng)
    outcomes = [(rng.random(_POOL) < rows.p).astype(np.uint8) for rows in (before, after)]
    values = [_values(service, watched, rows.x) for rows in (before, after)]
    edges = np.unique(np.nanquantile(values[0], np.arange(1, _BINS) / _BINS))
    kinds = 2 if watched == "outcome" else 1
    # A bin more, for missing values.
    shares = [
        np.array(
            [
                np.bincount(
                    _bins(edges, v[y == kind] if kinds > 1 else v), minlength=len(edges) + 2
                )
                for kind in range(kinds)
            ]
        )
        + 0.5
        for v, y in zip(values, outcomes, strict=True)
    ]
    weights = np.log(shares[1] / shares[1].sum()) - np.log(shares[0] / shares[0].sum())
    calm = _weigh(watched, edges, weights, values[0], outcomes[0])
    return Oracle(scenario, service, watched, edges, weights, calm)


def _values(service: VirtualService, watched: Watched, x: Floats) -> Floats:
    if watched in ("score", "outcome"):
        return service.model.score(x)
    return np.asarray(x[:, service.model.schema.index(watched)], dtype=np.float64)


def _bins(edges: Floats, values: Floats) -> np.ndarray:
    return np.where(np.isnan(values), len(edges) + 1, np.searchsorted(edges, values))


def _weigh(
    watched: Watched, edges: Floats, weights: Floats, values: Floats, outcome: np.ndarray
) -> Floats:
    kind = outcome.astype(np.intp) if watched == "outcome" else 0
    return np.asarray(weights[kind, _bins(edges, values)], dtype=np.float64)


def _chart(nats: Floats) -> Floats:
    """Page's chart at each value: the largest sum of nats that ends there, at least 0."""
    total = np.cumsum(nats)
    return np.asarray(total - np.minimum(np.minimum.accumulate(total), 0.0), dtype=np.float64)
