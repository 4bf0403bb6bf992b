"""Broken data: what is sent of a row differs from what is true of it, so its outcome stays."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from simulators.drifts import Affected, Drift, ParameterError, about, category_number
from simulators.population import Population, Rows
from target_service.contract import UNSEEN, Floats, Schema


@dataclass(frozen=True)
class DataFault(Drift):
    """Base of all faults of one feature.

    Attributes:
        feature: The feature that arrives broken.
    """

    feature: str
    stage: ClassVar[int] = 2

    def check(self, population: Population) -> None:
        """The feature must exist, and be of the fault's kind."""
        super().check(population)
        with about("feature"):
            self.fits(population)

    def fits(self, population: Population) -> None:
        """ValueError where the fault cannot befall the feature: unless said otherwise, numeric."""
        population.sd(self.feature)

    def change(
        self, rows: Rows, affected: Affected, population: Population, rng: np.random.Generator
    ) -> Rows:
        """The rows as they are sent, with the outcomes of what is true."""
        del rng
        x = rows.x.copy()
        self.damage(x, affected, population)
        return Rows(x, rows.p)

    def damage(self, x: Floats, affected: Affected, population: Population) -> None:
        """Overwrite what is sent of the affected rows."""
        column = population.schema.index(self.feature)
        x[affected, column] = self.sent(x[affected, column], population.schema)

    def sent(self, values: Floats, schema: Schema) -> Floats:
        """What arrives in the place of (n,) values of the feature."""
        raise NotImplementedError


@dataclass(frozen=True)
class FeatureMissing(DataFault):
    """No value arrives."""

    def fits(self, population: Population) -> None:
        """The service must take rows without it."""
        features = population.schema.features
        if not features[population.schema.index(self.feature)].nullable:
            nullable = ", ".join(feature.name for feature in features if feature.nullable)
            raise ValueError(f"{self.feature} is refused when missing; nullable: {nullable}")

    def sent(self, values: Floats, schema: Schema) -> Floats:
        """Nothing."""
        del schema
        return np.full_like(values, np.nan)


@dataclass(frozen=True)
class FeatureStuck(DataFault):
    """The same value arrives for everyone, as from a sensor or a cache that has stopped.

    Attributes:
        value: A number or, of a categorical feature, a category.
    """

    value: float | str

    def check(self, population: Population) -> None:
        """The value must be one of the feature's kind."""
        super().check(population)
        with about("value"):
            self._number(population.schema)

    def fits(self, population: Population) -> None:
        """Any feature can be stuck."""
        population.schema.index(self.feature)

    def sent(self, values: Floats, schema: Schema) -> Floats:
        """The one value."""
        return np.full_like(values, self._number(schema))

    def _number(self, schema: Schema) -> float:
        feature = schema.features[schema.index(self.feature)]
        if isinstance(self.value, str) and feature.kind == "category":
            return category_number(schema, self.feature, self.value)
        if isinstance(self.value, str) or feature.kind == "category":
            wanted = "a number" if feature.kind == "numeric" else "one of its categories"
            raise ValueError(f"expected {wanted} for {self.feature}, got {self.value!r}")
        return float(self.value)


@dataclass(frozen=True)
class UnitChange(DataFault):
    """The value arrives in another unit: cents for euros, metres for feet.

    Attributes:
        factor: What the value is multiplied by.
    """

    factor: float

    def check(self, population: Population) -> None:
        """The factor must change something, and leave it a number."""
        super().check(population)
        if self.factor in {0, 1}:
            raise ParameterError("factor", f"expected neither 0 nor 1, got {self.factor:g}")

    def sent(self, values: Floats, schema: Schema) -> Floats:
        """The value in the new unit."""
        del schema
        return values * self.factor


@dataclass(frozen=True)
class FeatureSwap(DataFault):
    """Two columns arrive exchanged.

    Attributes:
        other: The other feature.
    """

    other: str

    def check(self, population: Population) -> None:
        """Both must be numeric, and neither bring the other nulls that the service refuses."""
        super().check(population)
        with about("other"):
            population.sd(self.other)
            schema = population.schema
            first, second = (schema.index(name) for name in (self.feature, self.other))
            if first == second:
                raise ValueError("expected another feature")
            if schema.features[first].nullable != schema.features[second].nullable:
                raise ValueError(f"{self.feature} and {self.other} must both allow null or neither")

    def damage(self, x: Floats, affected: Affected, population: Population) -> None:
        """Exchange the two."""
        first, second = (population.schema.index(name) for name in (self.feature, self.other))
        x[affected, first], x[affected, second] = x[affected, second], x[affected, first]


@dataclass(frozen=True)
class CategoryUnseen(DataFault):
    """A category arrives under a name that the model was never shown, as after a renaming."""

    def fits(self, population: Population) -> None:
        """The feature must be categorical."""
        category_number(population.schema, self.feature, UNSEEN)

    def sent(self, values: Floats, schema: Schema) -> Floats:
        """The number of no known category."""
        return np.full_like(values, category_number(schema, self.feature, UNSEEN))


@dataclass(frozen=True)
class ClockShift(DataFault):
    """A time of day arrives in another time zone.

    Attributes:
        offset: What is added.
        period: After how many units the clock begins again.
    """

    offset: float
    period: float = 24.0

    def check(self, population: Population) -> None:
        """The clock must go on, and be another one."""
        super().check(population)
        if self.period <= 0:
            raise ParameterError("period", f"expected more than 0, got {self.period:g}")
        if self.offset % self.period == 0:
            raise ParameterError(
                "offset", f"expected another time than before, got {self.offset:g}"
            )

    def sent(self, values: Floats, schema: Schema) -> Floats:
        """The time by the other clock."""
        del schema
        return np.mod(values + self.offset, self.period)
