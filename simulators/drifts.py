"""Changes of the world: one small frozen class per kind, rows -> rows.

An intensity, 0 to 1 per row, is the chance that the row comes from the changed world, so a ramp of
intensities is a mixture that moves from the old concept to the new one (a gradual drift), and a
step is a sudden one. Every drift keeps the schema, leaves its input untouched, does nothing at
intensity 0, and draws from the generator that it is given alone.

The terms are those of Gama et al., "A survey on concept drift adaptation" (2014), and Moreno-Torres
et al., "A unifying view on dataset shift in classification" (2012).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from simulators.population import Population, Rows, probability
from target_service.contract import UNSEEN, Floats, Schema

Affected = NDArray[np.bool_]
"""(n,) which rows come from the changed world."""


class ParameterError(ValueError):
    """A drift does not fit its population; says which parameter is wrong."""

    def __init__(self, parameter: str, problem: str) -> None:
        super().__init__(problem)
        self.parameter = parameter


@contextmanager
def about(parameter: str) -> Iterator[None]:
    """Turn a ValueError inside the block into one that names a parameter."""
    try:
        yield
    except ParameterError:
        raise
    except ValueError as error:
        raise ParameterError(parameter, str(error)) from error


@dataclass(frozen=True)
class Drift:
    """Base of all drifts; changes nothing.

    Attributes:
        where: Categorical feature -> the categories of the rows that can change; all, when empty.
        stage: Drifts that are active together apply in the order of their stages: first those that
            choose other rows (0), then those that change rows (1), last those that break what is
            sent of them (2).
    """

    where: Mapping[str, tuple[str, ...]] = field(default_factory=dict, hash=False, kw_only=True)
    stage: ClassVar[int] = 1

    def check(self, population: Population) -> None:
        """ParameterError, saying what was expected, where the drift does not fit a population."""
        with about("where"):
            for feature, categories in self.where.items():
                for category in categories:
                    category_number(population.schema, feature, category)

    def apply(
        self, rows: Rows, intensity: Floats, population: Population, rng: np.random.Generator
    ) -> Rows:
        """The rows as the changed world would have produced them.

        Args:
            rows: n rows.
            intensity: (n,) chance that each row comes from the changed world.
            population: What drew the rows; knows units and P(y|x).
            rng: Source of every random choice.
        """
        affected = (rng.random(len(rows)) < intensity) & self.selects(rows, population.schema)
        return self.change(rows, affected, population, rng) if affected.any() else rows

    def selects(self, rows: Rows, schema: Schema) -> Affected:
        """(n,) whether each row is one that can change."""
        selected = np.ones(len(rows), dtype=np.bool_)
        for feature, categories in self.where.items():
            numbers = [category_number(schema, feature, category) for category in categories]
            selected &= np.isin(rows.x[:, schema.index(feature)], numbers)
        return selected

    def change(
        self, rows: Rows, affected: Affected, population: Population, rng: np.random.Generator
    ) -> Rows:
        """The rows with the affected ones changed."""
        del affected, population, rng
        return rows


@dataclass(frozen=True)
class CovariateShift(Drift):
    """P(x) changes, P(y|x) does not: a numeric feature moves, or spreads about its mean.

    Attributes:
        feature: The feature that moves.
        shift: By how much, in standard deviations of the reference population.
        spread: What the distance of a value from the mean is multiplied by.
    """

    feature: str
    shift: float = 0.0
    spread: float = 1.0

    def check(self, population: Population) -> None:
        """The feature must be numeric, and move."""
        super().check(population)
        with about("feature"):
            population.sd(self.feature)
        if self.spread <= 0:
            raise ParameterError("spread", f"expected more than 0, got {self.spread:g}")
        if self.shift == 0 and self.spread == 1:
            raise ParameterError("shift", "nothing moves: expected a shift, a spread or both")

    def change(
        self, rows: Rows, affected: Affected, population: Population, rng: np.random.Generator
    ) -> Rows:
        """Move the feature, and let the outcomes follow the inputs."""
        del rng
        column = population.schema.index(self.feature)
        mean, sd = population.mean(self.feature), population.sd(self.feature)
        x = rows.x.copy()
        x[affected, column] += self.shift * sd + (self.spread - 1) * (x[affected, column] - mean)
        return population.with_inputs(rows, x)


@dataclass(frozen=True)
class CorrelationShift(Drift):
    """The dependence between features changes, their own distributions do not change at all.

    The affected rows exchange their values of one feature such that the ranks follow those of
    another one: a Gaussian copula, by Iman and Conover, "A distribution-free approach to inducing
    rank correlation among input variables" (1982).

    Attributes:
        feature: The feature whose values change places.
        follows: The feature whose ranks they follow.
        correlation: Of the normal scores of both, -1 to 1.
    """

    feature: str
    follows: str
    correlation: float

    def check(self, population: Population) -> None:
        """Both must be numeric and different, the correlation one."""
        super().check(population)
        for parameter in ("feature", "follows"):
            with about(parameter):
                population.sd(getattr(self, parameter))
        if self.feature == self.follows:
            raise ParameterError("follows", "expected another feature")
        if abs(self.correlation) > 1:
            raise ParameterError("correlation", "expected a number from -1 to 1")

    def change(
        self, rows: Rows, affected: Affected, population: Population, rng: np.random.Generator
    ) -> Rows:
        """Rearrange the feature over those affected rows that have both values."""
        moved, led = (population.schema.index(name) for name in (self.feature, self.follows))
        there = affected & ~np.isnan(rows.x[:, [moved, led]]).any(axis=1)
        values, leader = rows.x[there, moved], rows.x[there, led]
        # Normal scores by rank; ties of the leader fall as chance will have it.
        ranks = np.lexsort((rng.random(len(leader)), leader))
        scores = np.empty(len(leader))
        scores[ranks] = np.sort(rng.standard_normal(len(leader)))
        noise = rng.standard_normal(len(leader)) * np.sqrt(1 - self.correlation**2)
        x, rearranged = rows.x.copy(), np.empty(len(leader))
        rearranged[np.argsort(self.correlation * scores + noise)] = np.sort(values)
        x[there, moved] = rearranged
        return population.with_inputs(rows, x)


@dataclass(frozen=True)
class CategoryShift(Drift):
    """P(x) changes, P(y|x) does not: rows move to one category of a feature.

    Attributes:
        feature: A categorical feature.
        category: One of its categories, or `unseen`, which the model was never shown.
    """

    feature: str
    category: str

    def check(self, population: Population) -> None:
        """The feature must have the category."""
        super().check(population)
        with about("feature"):
            category_number(population.schema, self.feature, UNSEEN)
        with about("category"):
            category_number(population.schema, self.feature, self.category)

    def change(
        self, rows: Rows, affected: Affected, population: Population, rng: np.random.Generator
    ) -> Rows:
        """Put the affected rows into the category, and let the outcomes follow."""
        del rng
        schema = population.schema
        x = rows.x.copy()
        number = category_number(schema, self.feature, self.category)
        x[affected, schema.index(self.feature)] = number
        return population.with_inputs(rows, x)


@dataclass(frozen=True)
class ConceptDrift(Drift):
    """P(y|x) changes, P(x) does not: the log-odds gain a linear term.

    Attributes:
        intercept: Added to the log-odds of the outcome.
        weights: Per numeric feature, what one standard deviation above its mean adds.
    """

    intercept: float = 0.0
    weights: Mapping[str, float] = field(default_factory=dict, hash=False)

    def check(self, population: Population) -> None:
        """P(y|x) must be known, and every weighted feature numeric."""
        super().check(population)
        with about("kind"):
            population.log_odds(population.draw(np.random.default_rng(0), 1))
        for feature in self.weights:
            with about(f"weights.{feature}"):
                population.sd(feature)

    def change(
        self, rows: Rows, affected: Affected, population: Population, rng: np.random.Generator
    ) -> Rows:
        """Move the affected rows' outcome probability."""
        del rng
        added = np.full(len(rows), self.intercept)
        for feature, weight in self.weights.items():
            column = rows.x[:, population.schema.index(feature)]
            added += weight * (column - population.mean(feature)) / population.sd(feature)
        changed = probability(population.log_odds(rows) + np.nan_to_num(added))
        return Rows(rows.x, np.where(affected, changed, rows.p))


def category_number(schema: Schema, feature: str, category: str) -> int:
    """The number of a category in the matrix; ValueError, naming the known ones, if it has none."""
    known = schema.features[schema.index(feature)].categories
    if not known:
        raise ValueError(f"feature {feature!r} is not categorical")
    names = (*known, UNSEEN)
    if category not in names:
        raise ValueError(f"{feature} has no category {category!r}; known: {', '.join(names)}")
    return names.index(category)
