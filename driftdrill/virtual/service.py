"""The service without HTTP: its model, its counting, and what it exposes, at every virtual scrape.

The only place outside the service that imports its model and its metrics.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import groupby
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from driftdrill.rig.configs import JOB
from driftdrill.virtual.samples import Family
from driftdrill.virtual.selectors import Wanted
from target_service.calibration import calibration_groups
from target_service.contract import Floats
from target_service.metrics import ModelMetrics
from target_service.model import Model, bucket_numbers, load

APP_NAME = "target-service"
"""As the service calls itself unless told otherwise."""

INSTANCE = "localhost:8000"
"""The target in `prometheus/prometheus.yml`."""

PREDICT = ("request", "POST", "/predict", "200")
FEEDBACK = ("request", "POST", "/feedback", "200")
ACCEPTED = ("feedback", "accepted")
CALIBRATION = tuple(("calibration", count) for count in ("outcomes", "positives", "expected"))

_CONSTANT_INTERVAL_S = 240.0
"""A gauge that never changes needs no more samples than Prometheus' lookback of 5 min asks for."""

_PROBED_AT_ONCE = 50
"""Powers of two that a float64 sums exactly."""


class VirtualService:
    """One serving model that is called, not asked over HTTP."""

    def __init__(self, artifact: Path) -> None:
        self.model: Model = load(artifact)
        self.metrics = ModelMetrics(self.model, APP_NAME)
        self.positions = self.metrics.positions()

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
        return _probe(ModelMetrics(self.model, APP_NAME), self.width)

    def edges(self, *key: str) -> tuple[float, ...]:
        """The bucket edges of one histogram, by its key in `ModelMetrics.positions`."""
        return self.metrics.edges(*key)

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
        sums: (s, d) 1 where an element of the vector is part of a series; of evidence, its weight.
        constants: (s,) what each series shows before anything is counted.
    """

    names: tuple[tuple[str, str, str, dict[str, str]], ...]
    sums: Floats
    constants: Floats

    def families(self, scrapes: Floats, counted: Floats, wanted: Wanted) -> Iterator[Family]:
        """The wanted families as Prometheus would have stored them.

        Args:
            scrapes: (t,) unix times.
            counted: (d, t) the vector at each.
            wanted: Which series.
        """
        target = {"instance": INSTANCE, "job": JOB}
        for name, value in (("up", 1), ("scrape_samples_scraped", len(self.names))):
            values = np.full(len(scrapes), float(value))
            yield Family(name, "gauge", [(_title(name, target), scrapes, values)])
        sparse = slice(None, None, max(int(_CONSTANT_INTERVAL_S // (scrapes[1] - scrapes[0])), 1))
        chosen = [
            number
            for number, (name, _, _, labels) in enumerate(self.names)
            if wanted(name, labels | target)
        ]

        def series(number: int) -> tuple[str, Floats, Floats]:
            name, _, _, labels = self.names[number]
            parts = np.flatnonzero(self.sums[number])
            if len(parts):
                return (
                    _title(name, labels | target),
                    scrapes,
                    self.sums[number, parts] @ counted[parts],
                )
            times = scrapes[sparse]
            values = np.full(len(times), self.constants[number])
            return _title(name, labels | target), times, values

        for (family, kind), numbers in groupby(chosen, lambda number: self.names[number][1:3]):
            yield Family(family, kind, map(series, numbers))


def _probe(metrics: ModelMetrics, width: int) -> Exposition:
    """Learn from the real exposition which elements each series sums: powers of two tell."""
    metrics.restore(np.zeros(width))
    constants = _exposed(metrics)
    sums = np.zeros((len(constants), width))
    for first in range(0, width, _PROBED_AT_ONCE):
        probed = range(first, min(first + _PROBED_AT_ONCE, width))
        state = np.zeros(width)
        state[probed] = 2.0 ** np.arange(len(probed))
        metrics.restore(state)
        shown = np.where(constants == 0, _exposed(metrics), 0.0).astype(np.int64)
        sums[:, probed] = (shown[:, None] >> np.arange(len(probed))) & 1
    _weigh(metrics, sums)
    names = tuple(
        (sample.name, family.name, family.type, sample.labels)
        for family in metrics.collect()
        for sample in family.samples
    )
    return Exposition(names, sums, constants)


def _weigh(metrics: ModelMetrics, sums: Floats) -> None:
    """Put the weights of evidence, which no probe tells, into the rows of its series."""
    positions = metrics.positions()
    elements = {
        (bank.metric, frozenset({**bank.labels, "alternative": alternative}.items())): (
            np.concatenate([np.array(positions[key])[:-2] for key in bank.keys]),
            weights,
        )
        for bank in metrics.banks
        for alternative, weights in zip(bank.alternatives, bank.weights, strict=True)
    }
    samples = (sample for family in metrics.collect() for sample in family.samples)
    for row, sample in zip(sums, samples, strict=True):
        key = sample.name, frozenset(sample.labels.items())
        if key in elements:
            row[:] = 0.0
            row[elements[key][0]] = elements[key][1]


def _exposed(metrics: ModelMetrics) -> Floats:
    return np.array([s.value for family in metrics.collect() for s in family.samples])


def _title(name: str, labels: Mapping[str, str]) -> str:
    escaped = {
        key: value.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
        for key, value in labels.items()
    }
    return name + "{" + ",".join(f'{key}="{escaped[key]}"' for key in sorted(escaped)) + "}"
