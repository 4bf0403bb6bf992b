"""The streams of `detection.py`: what is drawn before a change and after it, with its density."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import norm

from target_service.contract import Floats

Draw = Callable[[np.random.Generator, tuple[int, int]], Floats]


@dataclass(frozen=True)
class World:
    """One distribution of what arrives.

    Attributes:
        draw: Values of some shape.
        density: Of values, as the oracle knows it.
        mistakes: Whether values are outcomes with their scores; peers are then told which decisions
            were wrong, as their documentation asks for.
    """

    draw: Draw
    density: Callable[[Floats], Floats]
    mistakes: bool = False

    def for_peers(self, values: Floats) -> Floats:
        """What a detector of single values watches."""
        return np.isin(values, WRONG).astype(np.float64) if self.mistakes else values


def normal(mean: float = 0.0, sd: float = 1.0) -> World:
    """Normal scores."""
    return World(lambda rng, size: rng.normal(mean, sd, size), lambda x: norm.pdf(x, mean, sd))


def mixture(parts: Sequence[tuple[float, float]]) -> World:
    """Normal scores of standard deviation 1, by share and mean."""
    shares, means = np.array(parts).T

    def draw(rng: np.random.Generator, size: tuple[int, int]) -> Floats:
        return rng.normal(means[rng.choice(len(means), size=size, p=shares)], 1.0)

    return World(draw, lambda x: sum(s * norm.pdf(x, m) for s, m in parts))


WRONG = (1.0, 2.0)
"""Of the values of `labelled`, those where the outcome is not what was decided."""


def labelled(errors: float) -> World:
    """Outcomes of decisions, half of them for outcome 1: 2 × outcome + decision.

    All decisions are as likely to be wrong, so scores tell nothing about which of them are.
    """
    shares = np.array([1 - errors, errors, errors, 1 - errors]) / 2

    def draw(rng: np.random.Generator, size: tuple[int, int]) -> Floats:
        decision = rng.random(size) < 0.5
        outcome = decision ^ (rng.random(size) < errors)
        return 2.0 * outcome + decision

    return World(draw, lambda x: shares[x.astype(np.intp)], mistakes=True)


CALM = normal()
LABELS = mixture([(0.8, 0.0), (0.2, 2.0)])
"""Scores of two classes, one in five of them positive."""
OUTCOMES = labelled(0.1)


@dataclass(frozen=True)
class Family:
    """One change.

    Attributes:
        calm: Before it.
        changed: After it.
        longest: Values after it; a detector that says nothing until then has missed it.
    """

    calm: World
    changed: World
    longest: int = 4000


FAMILIES: Mapping[str, Family] = {
    "mean +0.1": Family(CALM, normal(0.1), longest=12_000),
    "mean +0.25": Family(CALM, normal(0.25)),
    "mean +0.5": Family(CALM, normal(0.5)),
    "mean +1": Family(CALM, normal(1.0)),
    "sd x 1.25": Family(CALM, normal(sd=1.25)),
    "sd x 0.8": Family(CALM, normal(sd=0.8)),
    "5% at +2.5": Family(CALM, mixture([(0.95, 0.0), (0.05, 2.5)])),
    "prior .2 to .3": Family(LABELS, mixture([(0.7, 0.0), (0.3, 2.0)])),
}
"""Of scores; none of them is an alternative of the bank."""

LABELLED_FAMILIES: Mapping[str, Family] = {
    f"errors .1 to {errors:g}".replace("0.", "."): Family(OUTCOMES, labelled(errors), longest)
    for errors, longest in ((0.12, 25_000), (0.15, 6000), (0.2, 4000), (0.3, 4000))
}
"""Outcomes that are flipped at random; the bank holds shifts and slopes of log-odds."""

MIRRORED = (
    *(one.changed for one in FAMILIES.values() if one.calm is CALM),
    *(normal(-shift) for shift in (0.1, 0.25, 0.5, 1.0)),
    mixture([(0.95, 0.0), (0.05, -2.5)]),
)
"""The changes of normal scores, and their mirror images."""
