"""One small frozen class per kind of change: rows -> rows.

An intensity, 0 to 1 per row, is the chance that the row comes from the changed world, so a ramp of
intensities is a mixture that moves from the old concept to the new one (a gradual drift), and a
step is a sudden one. Every drift keeps the schema, leaves its input untouched, does nothing at
intensity 0, and draws from the generator that it is given alone.

The terms are those of Gama et al., "A survey on concept drift adaptation" (2014), and Moreno-Torres
et al., "A unifying view on dataset shift in classification" (2012).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from simulators.population import Population, Rows, probability
from target_service.contract import Floats


@dataclass(frozen=True)
class Drift:
    """Base of all drifts; changes nothing."""

    def check(self, population: Population) -> None:
        """ValueError, saying what was expected, where the drift does not fit a population."""
        del population

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
        affected = rng.random(len(rows)) < intensity
        return self.change(rows, affected, population) if affected.any() else rows

    def change(self, rows: Rows, affected: NDArray[np.bool_], population: Population) -> Rows:
        """The rows with the affected ones changed."""
        del affected, population
        return rows


@dataclass(frozen=True)
class CovariateShift(Drift):
    """P(x) changes, P(y|x) does not: a numeric feature moves by some standard deviations.

    Attributes:
        feature: The feature that moves.
        shift: By how much, in standard deviations of the reference population.
    """

    feature: str
    shift: float

    def check(self, population: Population) -> None:
        """The feature must be numeric."""
        population.sd(self.feature)

    def change(self, rows: Rows, affected: NDArray[np.bool_], population: Population) -> Rows:
        """Move the feature, and let the outcomes follow the inputs."""
        column = population.schema.index(self.feature)
        x = rows.x.copy()
        x[affected, column] += self.shift * population.sd(self.feature)
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
        population.log_odds(population.draw(np.random.default_rng(0), 1))
        for feature in self.weights:
            population.sd(feature)

    def change(self, rows: Rows, affected: NDArray[np.bool_], population: Population) -> Rows:
        """Move the affected rows' outcome probability."""
        added = np.full(len(rows), self.intercept)
        for feature, weight in self.weights.items():
            column = rows.x[:, population.schema.index(feature)]
            added += weight * (column - population.mean(feature)) / population.sd(feature)
        changed = probability(population.log_odds(rows) + added)
        return Rows(rows.x, np.where(affected, changed, rows.p))


KINDS: Mapping[str, type[Drift]] = {
    "covariate-shift": CovariateShift,
    "concept-drift": ConceptDrift,
}
"""Every drift by the name that scenario files use."""
