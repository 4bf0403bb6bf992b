"""Populations that are data sets: their rows drawn, or replayed as they came."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from simulators.population import Rows
from target_service.contract import Dataset, Floats, Schema

_NO_CONCEPT = "P(y|x) of recorded data is not known, so nothing can be made of it"


@dataclass(frozen=True, eq=False)
class RecordedPopulation:
    """Rows drawn with replacement from a data set; their outcomes are what was recorded."""

    dataset: Dataset

    ordered: ClassVar[bool] = False

    @property
    def schema(self) -> Schema:
        """The data set's columns."""
        return self.dataset.schema

    def draw(self, rng: np.random.Generator, count: int) -> Rows:
        """`count` independent rows."""
        chosen = rng.integers(len(self.dataset), size=count)
        return Rows(self.dataset.x[chosen], self.dataset.outcome[chosen].astype(np.float64))

    def requested(self, rng: np.random.Generator, first: int, count: int) -> Rows:
        """The same: all rows are independent draws."""
        del first
        return self.draw(rng, count)

    def mean(self, feature: str) -> float:
        """The mean of a numeric feature over the data set."""
        return float(np.nanmean(self._column(feature)))

    def sd(self, feature: str) -> float:
        """The standard deviation of a numeric feature over the data set."""
        return float(np.nanstd(self._column(feature)))

    @property
    def prior(self) -> float:
        """The share of outcome 1 in the data set."""
        return float(self.dataset.outcome.mean())

    def risk(self, share: float) -> float:
        """Unknown; see `log_odds`."""
        del share
        raise ValueError(_NO_CONCEPT)

    def with_inputs(self, rows: Rows, x: Floats) -> Rows:
        """The rows with other inputs and their recorded outcomes."""
        return Rows(x, rows.p)

    def log_odds(self, rows: Rows) -> Floats:
        """Unknown: a record says what came true, not how likely it was."""
        del rows
        raise ValueError(_NO_CONCEPT)

    def _column(self, feature: str) -> Floats:
        column = self.schema.index(feature)
        if self.schema.features[column].kind != "numeric":
            raise ValueError(f"feature {feature!r} is not numeric")
        return self.dataset.x[:, column]


@dataclass(frozen=True, eq=False)
class ReplayedPopulation(RecordedPopulation):
    """The rows of a data set one after the other, from the first one on, and again when it ends.

    What is not random in the record stays so: seasons, runs of bad weather, everything that makes
    neighbours alike. Drifts that choose other rows draw them from the whole record.
    """

    ordered: ClassVar[bool] = True

    def requested(self, rng: np.random.Generator, first: int, count: int) -> Rows:
        """The rows at those places of the record."""
        del rng
        places = np.arange(first, first + count) % len(self.dataset)
        return Rows(self.dataset.x[places], self.dataset.outcome[places].astype(np.float64))
