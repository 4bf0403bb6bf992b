"""The service without HTTP: its model, its counting, and what it exposes, at every virtual scrape.

The only place outside the service that imports its model and its metrics.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from target_service.builds import BUILDS, USUAL, Build
from target_service.calibration import calibration_groups
from target_service.contract import Floats
from target_service.evidence_counters import bank_counters, evidence_key
from target_service.flaws import flawed, metrics_class
from target_service.metrics import ModelMetrics
from target_service.model import Model, bucket_numbers, load
from target_service.seasons import at_slot

APP_NAME = "target-service"
"""As the service calls itself unless told otherwise."""

PREDICT = ("request", "POST", "/predict", "200")
FAILED = ("request", "POST", "/predict", "500")
FEEDBACK = ("request", "POST", "/feedback", "200")
ACCEPTED = ("feedback", "accepted")
CALIBRATION = tuple(("calibration", count) for count in ("outcomes", "positives", "expected"))

_PROBED_AT_ONCE = 50
"""Powers of two that a float64 sums exactly."""

_WEIGHED_AT_ONCE = 1024
"""Scrapes whose counts are near the processor at a time."""


class VirtualService:
    """One build of the service, called instead of asked over HTTP.

    Args:
        artifact: The model that it serves.
        build: What is wrong with it.
    """

    def __init__(self, artifact: Path, build: Build = BUILDS[USUAL]) -> None:
        self.build = build
        self.model: Model = flawed(load(artifact), build)
        self._counter = self.start()
        self.positions = self._counter.positions()

    def start(self) -> ModelMetrics:
        """What a process of it counts with, from 0."""
        return metrics_class(self.build)(self.model, APP_NAME)

    @property
    def width(self) -> int:
        """d, the length of the vector of everything that the service counts."""
        return max(position.stop for position in self.positions.values())

    def position(self, *key: str) -> int:
        """Where something that is counted starts in that vector; see `ModelMetrics.positions`."""
        return self.positions[key].start

    @cached_property
    def exposition(self) -> Exposition:
        """How the vector becomes series."""
        season = self.model.season
        return _probe(self.start(), self.width, 1 if season is None else len(season.slots))

    def slots(self, times: Floats) -> NDArray[np.int64]:
        """(n,) slots of the model's season at (n,) unix times; 0 where it has none."""
        season = self.model.season
        if season is None:
            return np.zeros(len(times), dtype=np.int64)
        return np.array([season.slot_at(time) for time in times.tolist()], dtype=np.int64)

    def weigh(self, counted: Floats, slots: NDArray[np.int64]) -> None:
        """Add the evidence of what (d, t) scrapes have new in their buckets, each in its slot."""
        for slot in np.unique(slots).tolist():
            times = np.flatnonzero(slots == slot)
            banks = bank_counters(at_slot(self.model, slot))
            for first in range(0, len(times), _WEIGHED_AT_ONCE):
                at = times[first : first + _WEIGHED_AT_ONCE]
                new = counted[:, at]
                for bank in banks:
                    buckets = [place for key in bank.keys for place in self.positions[key][:-2]]
                    place = self.positions[evidence_key(bank)]
                    counted[place.start : place.stop, at] = bank.weights @ new[buckets]

    def edges(self, *key: str) -> tuple[float, ...]:
        """The bucket edges of one histogram, by its key in `ModelMetrics.positions`."""
        return self._counter.edges(*key)

    @property
    def ranged(self) -> list[str]:
        """The features whose values out of the reference's range are counted apart."""
        return [key[1] for key in self.positions if key[0] == "out of range"]

    def out_of_range(self, x: Floats, feature: str) -> NDArray[np.bool_]:
        """(n,) whether the value of one of `ranged` is so, of (n, d) encoded rows."""
        column = self.model.schema.index(feature)
        smallest, largest = self.model.features[column].range or (-np.inf, np.inf)
        return (x[:, column] < smallest) | (x[:, column] > largest)

    def calibration_groups(self, scores: Floats, segments: NDArray[np.integer]) -> NDArray[np.intp]:
        """(2, n) see `target_service.calibration.calibration_groups`."""
        return calibration_groups(self.model, scores, segments)

    def bins(self, values: Floats, *key: str) -> NDArray[np.intp]:
        """(n,) the element that each of (n,) values adds 1 to: its bucket's, or the missing's."""
        edges = self.edges(*key)
        numbers = np.where(np.isnan(values), len(edges) + 1, bucket_numbers(edges, values))
        return np.asarray(numbers + self.position(*key), dtype=np.intp)


@dataclass(frozen=True)
class Exposition:
    """The series of a service as sums of what it counts.

    Attributes:
        names: (s,) metric name, family, type and labels of each series.
        sums: (s, d) 1 where an element of the vector is part of a series.
        constants: (slots, s) what each series shows before anything is counted, in each slot of
            the model's season.
    """

    names: tuple[tuple[str, str, str, dict[str, str]], ...]
    sums: Floats
    constants: Floats

    def is_constant(self, number: int) -> bool:
        """Whether a series never changes."""
        constants = self.constants[:, number]
        return not self.sums[number].any() and bool((constants == constants[0]).all())

    def values(self, number: int, counted: Floats, slots: NDArray[np.int64]) -> Floats:
        """(t,) values of a series where (d, t) was counted until then, in (t,) slots."""
        parts = np.flatnonzero(self.sums[number])
        if len(parts):
            summed: Floats = self.sums[number, parts] @ counted[parts]
            return summed
        constants: Floats = self.constants[slots, number]
        return constants


def _probe(metrics: ModelMetrics, width: int, slots: int) -> Exposition:
    """Learn from the real exposition which elements each series sums: powers of two tell."""
    metrics.restore(np.zeros(width))
    by_slot = []
    for slot in reversed(range(slots)):
        metrics.turn(slot)
        by_slot.append(_exposed(metrics))
    constants = by_slot[-1]
    sums = np.zeros((len(constants), width))
    for first in range(0, width, _PROBED_AT_ONCE):
        probed = range(first, min(first + _PROBED_AT_ONCE, width))
        state = np.zeros(width)
        state[probed] = 2.0 ** np.arange(len(probed))
        metrics.restore(state)
        shown = np.where(constants == 0, _exposed(metrics), 0.0).astype(np.int64)
        sums[:, probed] = (shown[:, None] >> np.arange(len(probed))) & 1
    names = tuple(
        (sample.name, family.name, family.type, sample.labels)
        for family in metrics.collect()
        for sample in family.samples
    )
    return Exposition(names, sums, np.array(by_slot[::-1]))


def _exposed(metrics: ModelMetrics) -> Floats:
    return np.array([s.value for family in metrics.collect() for s in family.samples])
