"""Who asks for a prediction, and what comes true: rows with their outcome probability."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from target_service.contract import Dataset, Feature, Floats, Schema


@dataclass(frozen=True)
class Rows:
    """n rows and the truth about them.

    Attributes:
        x: (n, d) inputs, encoded as `Schema` says.
        p: (n,) probability that the outcome is 1. Of recorded data it is the outcome, 0 or 1.
    """

    x: Floats
    p: Floats

    def __len__(self) -> int:
        return len(self.p)


class Population(Protocol):
    """What scenarios draw rows from, and drifts ask for units and for P(y|x)."""

    @property
    def schema(self) -> Schema:
        """The columns of the rows."""

    @property
    def in_order(self) -> bool:
        """Whether a request's row depends on its number, so that each has to be asked for."""

    def draw(self, rng: np.random.Generator, count: int, first: int | None = None) -> Rows:
        """`count` rows of the reference world.

        With `first` they are those of a drill's requests from this number on; else independent.
        """

    def mean(self, feature: str) -> float:
        """The reference mean of a numeric feature."""

    def sd(self, feature: str) -> float:
        """The reference standard deviation of a numeric feature."""

    @property
    def prior(self) -> float:
        """P(y=1) in the reference world."""

    def risk(self, share: float) -> float:
        """The P(y=1|x) that a share of the rows stays at or below."""

    def with_inputs(self, rows: Rows, x: Floats) -> Rows:
        """The rows with inputs `x` (n, d), under an unchanged P(y|x)."""

    def log_odds(self, rows: Rows) -> Floats:
        """(n,) log-odds of the outcome; ValueError where P(y|x) is not known."""


def probability(log_odds: Floats) -> Floats:
    """The logistic function."""
    return 1.0 / (1.0 + np.exp(-log_odds))


@dataclass(frozen=True)
class Numeric:
    """A shifted lognormal feature: `floor + median * exp(spread * z)`, z standard normal.

    Attributes:
        weight: What one standard deviation above the mean adds to the log-odds of the outcome.
        decimals: Values are rounded so, as a form or a database would.
    """

    name: str
    floor: float
    median: float
    spread: float
    weight: float
    decimals: int

    @property
    def mean(self) -> float:
        """The mean of the shifted lognormal."""
        return float(self.floor + self.median * np.exp(self.spread**2 / 2))

    @property
    def sd(self) -> float:
        """The standard deviation of the shifted lognormal."""
        squared = self.spread**2
        return float(self.median * np.exp(squared / 2) * np.sqrt(np.expm1(squared)))


@dataclass(frozen=True)
class Category:
    """A categorical feature: per category its share, and what it adds to the log-odds."""

    name: str
    shares: tuple[tuple[str, float, float], ...]


@dataclass(frozen=True)
class SyntheticPopulation:
    """Features under a Gaussian copula, outcomes under a logistic P(y|x) that is known exactly.

    The log-odds are linear in the standardised numeric features and additive in the categories, so
    a logistic regression is the right model of this world until the world changes. A missing value
    and an unseen category add nothing.

    Attributes:
        correlations: Pairs of numeric features with the correlation of their normal scores.
        segment: The categorical feature that divides the population.
    """

    numeric: tuple[Numeric, ...]
    categories: tuple[Category, ...]
    intercept: float
    correlations: tuple[tuple[str, str, float], ...] = ()
    nullable: frozenset[str] = frozenset()
    segment: str | None = None

    in_order = False

    @cached_property
    def schema(self) -> Schema:
        """Numeric features first, then the categorical ones."""
        return Schema(
            tuple(Feature(n.name, nullable=n.name in self.nullable) for n in self.numeric)
            + tuple(
                Feature(c.name, tuple(name for name, _, _ in c.shares)) for c in self.categories
            ),
            segment=self.segment,
        )

    def draw(self, rng: np.random.Generator, count: int, first: int | None = None) -> Rows:
        """`count` independent rows."""
        del first  # no row depends on its number
        z = rng.standard_normal((count, len(self.numeric))) @ self._mixing.T
        columns = [
            np.round(n.floor + n.median * np.exp(n.spread * z[:, i]), n.decimals)
            for i, n in enumerate(self.numeric)
        ]
        for category in self.categories:
            bounds = np.cumsum([share for _, share, _ in category.shares])
            drawn = np.searchsorted(bounds / bounds[-1], rng.random(count), side="right")
            columns.append(drawn.astype(np.float64))
        x = np.column_stack(columns)
        return Rows(x, probability(self._log_odds(x)))

    def mean(self, feature: str) -> float:
        """The mean of a numeric feature."""
        return self._numeric(feature).mean

    def sd(self, feature: str) -> float:
        """The standard deviation of a numeric feature."""
        return self._numeric(feature).sd

    @property
    def prior(self) -> float:
        """P(y=1), of a sample: right to 0.0006, one standard deviation."""
        return float(self._known_p.mean())

    def risk(self, share: float) -> float:
        """A quantile of P(y=1|x), of the same sample."""
        return float(np.quantile(self._known_p, share))

    def with_inputs(self, rows: Rows, x: Floats) -> Rows:
        """The rows with other inputs; where inputs moved, so does the probability.

        A concept drift already in `rows` is kept: the log-odds move by what the inputs explain.
        """
        moved = self._log_odds(x) - self._log_odds(rows.x)
        return Rows(x, np.where(moved != 0, probability(self.log_odds(rows) + moved), rows.p))

    def log_odds(self, rows: Rows) -> Floats:
        """(n,) log-odds of the outcome."""
        return np.log(rows.p) - np.log1p(-rows.p)

    def _numeric(self, feature: str) -> Numeric:
        for numeric in self.numeric:
            if numeric.name == feature:
                return numeric
        known = ", ".join(n.name for n in self.numeric)
        raise ValueError(f"no numeric feature {feature!r}; known: {known}")

    @cached_property
    def _known_p(self) -> Floats:
        return self.draw(np.random.default_rng(0), 1 << 16).p

    @cached_property
    def _mixing(self) -> Floats:
        names = [n.name for n in self.numeric]
        correlation = np.eye(len(names))
        for first, second, value in self.correlations:
            i, j = names.index(first), names.index(second)
            correlation[i, j] = correlation[j, i] = value
        return np.asarray(np.linalg.cholesky(correlation), dtype=np.float64)

    def _log_odds(self, x: Floats) -> Floats:
        total = np.full(len(x), self.intercept)
        for n, column in zip(self.numeric, x.T, strict=False):
            total += np.nan_to_num(n.weight * (column - n.mean) / n.sd)
        for category, column in zip(self.categories, x.T[len(self.numeric) :], strict=True):
            effects = np.array([effect for _, _, effect in category.shares] + [0.0])
            total += effects[column.astype(np.intp)]
        return total


_NO_CONCEPT = "P(y|x) of recorded data is not known, so nothing can be made of it"


@dataclass(frozen=True, eq=False)
class RecordedPopulation:
    """Rows of a data set, drawn with replacement; their outcomes are what was recorded.

    Attributes:
        in_order: Replay the rows instead, from first to last and again.
        outcomes_known: Whether the data set's outcomes mean anything.
        delays_known: Whether its outcomes came with delays of their own.
    """

    dataset: Dataset
    in_order: bool = False
    outcomes_known: bool = True
    delays_known: bool = False

    @property
    def schema(self) -> Schema:
        """The data set's columns."""
        return self.dataset.schema

    def draw(self, rng: np.random.Generator, count: int, first: int | None = None) -> Rows:
        """`count` rows: independent ones or, in order, those from number `first` on."""
        chosen = self._chosen(rng, count, first)
        return Rows(self.dataset.x[chosen], self.dataset.outcome[chosen].astype(np.float64))

    def delays(self, rng: np.random.Generator, count: int, first: int) -> Floats:
        """(count,) seconds until the outcomes of those rows that `draw` gave.

        Args:
            rng: In the state in which `draw` got it.
            count: As given to `draw`.
            first: As given to `draw`.
        """
        chosen = self._chosen(rng, count, first)
        waited: Floats = (self.dataset.known - self.dataset.time)[chosen].astype(np.float64)
        return waited

    def _chosen(self, rng: np.random.Generator, count: int, first: int | None) -> NDArray[np.int64]:
        if self.in_order and first is not None:
            return np.arange(first, first + count) % len(self.dataset)
        return rng.integers(len(self.dataset), size=count)

    def mean(self, feature: str) -> float:
        """The mean of a numeric feature over the data set."""
        return float(np.nanmean(self._column(feature)))

    def sd(self, feature: str) -> float:
        """The standard deviation of a numeric feature over the data set; ValueError where none."""
        with np.errstate(over="ignore"):
            sd = float(np.nanstd(self._column(feature)))
        if not 0 < sd < math.inf:
            raise ValueError(
                f"feature {feature!r} is always {self.mean(feature):g} in the data set, so it has"
                " no standard deviation to be moved by"
                if sd == 0
                else f"feature {feature!r} is too large in the data set for a standard deviation"
            )
        return sd

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
