"""A schedule and a population -> every request of a drill, in order, the same for the same seed.

Request k has the same due time, row and outcome whoever sends it and whenever it is asked for, so
any number of load generators share one stream, and a virtual drill sees the rows of a live one.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from simulators.population import Population, RecordedPopulation
from simulators.schedule import Schedule
from target_service.contract import Floats

BLOCK = 4096
"""Requests drawn at a time: enough to make a request's share of the drawing negligible."""


@dataclass(frozen=True)
class Block:
    """Consecutive requests.

    Attributes:
        due: (n,) production seconds at which each is due.
        x: (n, d) inputs, encoded as `Schema` says.
        outcome: (n,) what comes true, 0 or 1.
        labelled: (n,) whether its outcome is ever reported.
        rows: (n,) how many rows each asks about: its own and those after it.
        delay: (n,) seconds until it is known; None where all outcomes take as long.
    """

    due: Floats
    x: Floats
    outcome: NDArray[np.uint8]
    labelled: NDArray[np.bool_]
    rows: NDArray[np.int64]
    delay: Floats | None = None

    def __len__(self) -> int:
        return len(self.due)


@dataclass(frozen=True)
class Stream:
    """All requests of a drill.

    Attributes:
        coverage: Share of outcomes that are ever reported, where a phase does not say.
    """

    schedule: Schedule
    population: Population
    seed: int
    coverage: float = 1.0

    def block(self, number: int) -> Block:
        """Requests `number * BLOCK` and on; fewer than `BLOCK`, or none, at the schedule's end."""
        rng = np.random.default_rng([self.seed, number])
        due = self.schedule.arrival_times(number * BLOCK, BLOCK)
        rows = self.population.draw(rng, BLOCK, number * BLOCK)
        for drift, intensity in self.schedule.intensity(due):
            rows = drift.apply(rows, intensity, self.population, rng)
        outcome = (rng.random(BLOCK) < rows.p).astype(np.uint8)
        coverage = self.schedule.label_coverage(due, self.coverage)
        labelled = rng.random(BLOCK) < coverage
        count = int(np.searchsorted(due, np.inf))
        if isinstance(self.population, RecordedPopulation) and not self.population.outcomes_known:
            labelled[:] = False
        delay = self._delays(number)
        return Block(
            due[:count],
            rows.x[:count],
            outcome[:count],
            labelled[:count],
            self.schedule.rows(due[:count]),
            None if delay is None else delay[:count],
        )

    def _delays(self, number: int) -> Floats | None:
        if not isinstance(self.population, RecordedPopulation) or not self.population.delays_known:
            return None
        rng = np.random.default_rng([self.seed, number])
        return self.population.delays(rng, BLOCK, number * BLOCK)
