"""The streams of `detection.py`: what is drawn before a change and after it, with its density."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import norm

from target_service.contract import Floats

Draw = Callable[[np.random.Generator, tuple[int, int]], Floats]
Density = Callable[[Floats], Floats]


@dataclass(frozen=True)
class World:
    """One distribution of what arrives.

    Attributes:
        draw: Values of some shape.
        density: Of values, as the oracle knows it.
        mistakes: Whether values are outcomes with their scores; peers are then told which decisions
            were wrong, as their documentation asks for.
        chance: Of outcome 1 given the score, where the reference knows outcomes.
    """

    draw: Draw
    density: Density
    mistakes: bool = False
    chance: Callable[[Floats], Floats] | None = None

    def for_peers(self, values: Floats) -> Floats:
        """What a detector of single values watches."""
        return np.isin(values, WRONG).astype(np.float64) if self.mistakes else values


def normal(mean: float = 0.0, sd: float = 1.0) -> World:
    """Normal scores."""
    return World(lambda rng, size: rng.normal(mean, sd, size), lambda x: norm.pdf(x, mean, sd))


def mixture(parts: Sequence[tuple[float, float]], classes: bool = False) -> World:
    """Normal scores of standard deviation 1, by share and mean.

    Args:
        parts: Share and mean of each.
        classes: Whether they are those of outcome 0 and of outcome 1.
    """
    shares, means = np.array(parts).T

    def draw(rng: np.random.Generator, size: tuple[int, int]) -> Floats:
        return rng.normal(means[rng.choice(len(means), size=size, p=shares)], 1.0)

    def density(x: Floats) -> Floats:
        return np.asarray(sum(s * norm.pdf(x, m) for s, m in parts))

    def chance(x: Floats) -> Floats:
        return np.asarray(shares[1] * norm.pdf(x, means[1]) / density(x))

    return World(draw, density, chance=chance if classes else None)


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
LABELS = mixture([(0.8, 0.0), (0.2, 2.0)], classes=True)
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

MIRRORED: Mapping[str, tuple[Density, ...]] = {
    **{f"mean +{m:g}": (normal(m).density, normal(-m).density) for m in (0.1, 0.25, 0.5, 1.0)},
    **{f"sd x {factor:g}": (normal(sd=factor).density,) for factor in (1.25, 0.8)},
    "5% at +2.5": tuple(mixture([(0.95, 0.0), (0.05, sign * 2.5)]).density for sign in (1, -1)),
}
"""The densities after the changes of normal scores, and after their mirror images."""


def _on_scores_of_labels(density: Density) -> Density:
    """After a change of the normal scores of `LABELS`, each value replaced by its quantile's."""

    def changed(x: Floats) -> Floats:
        z = norm.ppf(sum(share * norm.cdf(x, mean) for share, mean in ((0.8, 0.0), (0.2, 2.0))))
        return np.asarray(LABELS.density(x) * density(z) / norm.pdf(z))

    return changed


MIRRORED_LABELS: Mapping[str, tuple[Density, ...]] = {
    **{name: tuple(map(_on_scores_of_labels, both)) for name, both in MIRRORED.items()},
    # As many log-odds down, .25² / (.3 / .7), as up.
    "prior .2 to .3": tuple(
        mixture([(1 - prior, 0.0), (prior, 2.0)]).density for prior in (0.3, 7 / 55)
    ),
}
"""The same where scores are of two classes, and the changes of the prior."""
