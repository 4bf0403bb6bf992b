"""Changes of who asks: affected rows give way to other rows of the population."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from simulators.drifts import Affected, Drift, ParameterError, about
from simulators.population import Population, Rows
from target_service.contract import Floats


@dataclass(frozen=True)
class Selection(Drift):
    """Base of those drifts: rows of the population, each accepted with some chance.

    Rejection sampling, so the accepted rows are independent draws from the density that is
    proportional to the population's own times the chance.
    """

    stage: ClassVar[int] = 0

    def chances(self, rows: Rows, population: Population) -> Floats:
        """(n,) chance, 0 to 1, that each row is accepted."""
        raise NotImplementedError

    def accepted(self, rows: Rows, population: Population) -> Rows:
        """Accepted rows, with P(y|x) as it is among them; unchanged unless a drift says so."""
        del population
        return rows

    def change(
        self, rows: Rows, affected: Affected, population: Population, rng: np.random.Generator
    ) -> Rows:
        """Replace the affected rows."""
        x, p = rows.x.copy(), rows.p.copy()
        places = np.flatnonzero(affected)
        while len(places):
            drawn = population.draw(rng, 2 * len(places) + 64)
            chances = self.chances(drawn, population)
            taken = (rng.random(len(drawn)) < chances) & self.selects(drawn, population.schema)
            chosen = np.flatnonzero(taken)[: len(places)]
            found = self.accepted(Rows(drawn.x[chosen], drawn.p[chosen]), population)
            filled, places = places[: len(found)], places[len(found) :]
            x[filled], p[filled] = found.x, found.p
        return Rows(x, p)


@dataclass(frozen=True)
class PriorShift(Selection):
    """P(y) changes, P(x|y) does not: more, or fewer, of those whose outcome is 1 come.

    With the odds of outcome 1 multiplied by k, P(y=1|x) becomes k p / (k p + 1 - p), and the
    density of x is multiplied by k p + 1 - p, up to a constant (label shift, Saerens et al. 2002).

    Attributes:
        prior: The new P(y=1).
    """

    prior: float

    def check(self, population: Population) -> None:
        """The prior must be a share between 0 and 1."""
        super().check(population)
        if not 0 < self.prior < 1:
            raise ParameterError("prior", f"expected a share between 0 and 1, got {self.prior:g}")

    def chances(self, rows: Rows, population: Population) -> Floats:
        """Proportional to k p + 1 - p."""
        factor = self._factor(population)
        return (factor * rows.p + 1 - rows.p) / max(factor, 1.0)

    def accepted(self, rows: Rows, population: Population) -> Rows:
        """The rows with the outcome probability of the new prior."""
        likely = self._factor(population) * rows.p
        return Rows(rows.x, likely / (likely + 1 - rows.p))

    def _factor(self, population: Population) -> float:
        before = population.prior
        return (self.prior / (1 - self.prior)) / (before / (1 - before))


@dataclass(frozen=True)
class DeclinedStayAway(Selection):
    """A feedback loop: those whom the model's decisions turn away do not come back.

    The decisions are those of a model that knows P(y|x): the riskiest rows are declined.

    Attributes:
        declined: Share of the population that is declined.
    """

    declined: float

    def check(self, population: Population) -> None:
        """P(y|x) must be known, and some be left to come."""
        super().check(population)
        if not 0 < self.declined < 1:
            raise ParameterError("declined", "expected a share between 0 and 1")
        with about("kind"):
            population.log_odds(population.draw(np.random.default_rng(0), 1))

    def chances(self, rows: Rows, population: Population) -> Floats:
        """1 for those whom the model would accept."""
        return np.asarray(rows.p <= population.risk(1 - self.declined), dtype=np.float64)
