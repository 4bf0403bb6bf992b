"""Banks of alternatives to a reference, and the evidence that each counted value gives for them.

An alternative is one way in which a distribution may have changed. A value in bucket b speaks for
it with `ln(p1_b / p0_b)` nats: the log-likelihood ratio, of Wald's sequential test and of every
CUSUM chart. Sums of it over any stretch of time are linear in bucket counts, so one counter per
alternative is enough for Prometheus to hold any window of traffic against the reference.

Changes are made on the scale of normal scores: the reference's quantiles, read as those of a
standard normal distribution. So "mean up by 0.35 sd" means the same for incomes and for scores, and
a bank needs nothing but the reference's bucket masses. Only other priors need outcomes, too.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from statistics import NormalDist

import msgspec
import numpy as np

from target_service.contract import Floats

CLIP = 4.0
"""Nats that one value counts for or against an alternative at most."""

UNIT = 1 / 1024
"""Evidence is counted in multiples of this many nats, which float64 sums exactly."""

RUN_LENGTH = 525_600
"""Evaluations, a year of minutes, between two false alarms of one alert for one model."""

_NORMAL = NormalDist()
_cdf = np.vectorize(_NORMAL.cdf, otypes=[np.float64])
_quantile = np.vectorize(_NORMAL.inv_cdf, otypes=[np.float64])


class Bank(msgspec.Struct, frozen=True):
    """The alternatives to one reference.

    Attributes:
        alternatives: What each says, in words.
        weights: (alternatives, bins) nats for it of a value in each bin, within ±`CLIP`. The mean
            of their exponential under the reference is at most 1.
        threshold: Nats from which their sum over a window is an alarm.
        trust: The share of its evidence that each value keeps; see `discounted`.
    """

    alternatives: tuple[str, ...]
    weights: tuple[tuple[float, ...], ...]
    threshold: float
    trust: float = 1.0


Change = Callable[[Floats], Floats]
"""(bins,) masses of the reference -> those after the change."""


def _on_normal_scores(cumulative: Callable[[Floats], Floats]) -> Change:
    """A change by its cumulative distribution at normal scores."""

    def change(masses: Floats) -> Floats:
        scores = _quantile(np.cumsum(masses)[:-1])
        return np.diff(cumulative(scores), prepend=0.0, append=1.0)

    return change


def _mean(shift: float) -> tuple[str, Change]:
    way = "up" if shift > 0 else "down"
    return f"mean {way} by {abs(shift):g} sd", _on_normal_scores(lambda z: _cdf(z - shift))


def _spread(factor: float) -> tuple[str, Change]:
    way = "wider" if factor > 1 else "narrower"
    return f"spread {way}: sd x {factor:g}", _on_normal_scores(lambda z: _cdf(z / factor))


def _tail(share: float, at: float) -> tuple[str, Change]:
    way = "upper" if at > 0 else "lower"
    return (
        f"{share:.0%} more in the {way} tail",
        _on_normal_scores(lambda z: (1 - share) * _cdf(z) + share * _cdf(z - at)),
    )


def _prior(shift: float, rates: Floats) -> tuple[str, Change]:
    """Outcome 1 gets likelier by log-odds, and the scores of each outcome stay as they are."""
    way = "up" if shift > 0 else "down"

    def change(masses: Floats) -> Floats:
        before = masses @ rates
        odds = before / (1 - before) * math.exp(shift)
        after = odds / (1 + odds)
        return masses * (rates * after / before + (1 - rates) * (1 - after) / (1 - before))

    return f"prior {way} by {abs(shift):g} log-odds", change


SCORE_CHANGES = (
    *(_mean(sign * shift) for shift in (0.13, 0.35, 0.8) for sign in (1, -1)),
    *(_spread(factor) for factor in (1.2, 0.83)),
    *(_tail(share, sign * at) for share, at in ((0.03, 2.8), (0.1, 2.2)) for sign in (1, -1)),
)
"""Sizes of means about a factor 2.5 apart: between two of them, the nearer one keeps over 80 % of
the rate at which the exact alternative would gather evidence. Drifts of less than half the smallest
gather evidence for the reference, so they never alarm, however much traffic there is."""

PRIOR_SHIFTS = (0.3, 0.8)
"""Log-odds by which outcome 1 gets likelier or less likely."""

LEAST_NATS = 16 / 6000
"""Per value that another prior brings: 6000 values, the most that the rules look back on, then
reach the threshold. Scores that tell outcomes less well do not show it."""

FEATURE_CHANGES = (
    *(_mean(sign * shift) for shift in (0.2, 0.7) for sign in (1, -1)),
    *(_spread(factor) for factor in (1.3, 0.77)),
)

CATEGORY_SHIFT, LEAST_SHARE = 0.5, 0.01
"""Log-odds by which a category gets likelier, and its share then at least."""

OUTCOME_SHIFTS = (0.25, 0.8, -0.25, -0.8)
"""Log-odds by which outcome 1 gets likelier at every score."""

OUTCOME_SLOPES = (0.88, 0.7, 0.4, 0.1)
"""What is left of the difference in log-odds that a difference in score makes. Where one
decision in 10 was wrong, one in 8, 6, 3.4 and 2.2 is wrong then."""


def reference_masses(counts: Sequence[int]) -> Floats:
    """(bins,) share of each bin, an empty one counted as half a value (Krichevsky, Trofimov)."""
    smoothed = np.asarray(counts, dtype=np.float64) + 0.5
    return np.asarray(smoothed / smoothed.sum(), dtype=np.float64)


def score_changes(
    counts: Sequence[int], labelled: Sequence[Sequence[int]]
) -> tuple[tuple[str, Change], ...]:
    """The alternatives to a model's scores: `SCORE_CHANGES`, and priors that the scores show.

    Args:
        counts: (bins,) reference scores.
        labelled: (2, bins) reference scores by outcome 0 and 1.
    """
    masses, table = reference_masses(counts), np.asarray(labelled, dtype=np.float64) + 0.5
    rates = table[1] / table.sum(axis=0)
    priors = [_prior(sign * shift, rates) for shift in PRIOR_SHIFTS for sign in (1, -1)]
    after = [change(masses) for _, change in priors]
    shown = [float(new @ _ratio(new, masses)) >= LEAST_NATS for new in after]
    return (*SCORE_CHANGES, *itertools.compress(priors, shown))


def numeric_bank(counts: Sequence[int], changes: Sequence[tuple[str, Change]], alarms: int) -> Bank:
    """The bank of a binned distribution.

    Args:
        counts: Reference values per bin, ascending.
        changes: The alternatives.
        alarms: Banks that share one alert, and its `RUN_LENGTH`.
    """
    masses = reference_masses(counts)
    return _bank({name: _ratio(new(masses), masses) for name, new in changes}, masses, alarms)


def discounted(bank: Bank, trust: float) -> Bank:
    """The bank with all evidence times a share, 0 to 1; by Jensen its bound holds as before."""
    weights = np.floor(np.array(bank.weights) * trust / UNIT) * UNIT
    rows = tuple(tuple(row.tolist()) for row in weights)
    return Bank(bank.alternatives, rows, bank.threshold, bank.trust * trust)


def category_bank(counts: Sequence[int], names: Sequence[str], alarms: int) -> Bank:
    """The bank of a categorical feature: each category in turn gets likelier.

    Args:
        counts: Reference values per category.
        names: Of the categories.
        alarms: Banks that share one alert, and its `RUN_LENGTH`.
    """
    masses = reference_masses(counts)
    odds = masses / (1 - masses) * math.exp(CATEGORY_SHIFT)
    shares = np.maximum(odds / (1 + odds), LEAST_SHARE)
    ratios = {}
    for number, name in enumerate(names):
        ratio = np.full_like(masses, (1 - shares[number]) / (1 - masses[number]))
        ratio[number] = shares[number] / masses[number]
        ratios[f"more {name}"] = np.log(ratio)
    return _bank(ratios, masses, alarms)


def outcome_bank(counts: Sequence[Sequence[int]], positive: Sequence[bool]) -> Bank:
    """The bank of outcomes given scores; its bins are those of outcome 0, then those of outcome 1.

    Given the score's bin, the evidence of an outcome has the same bound as any other. So whatever
    the inputs do, and with them the scores, only a change of P(outcome | score) gathers evidence.
    Kept are the alternatives under which more decisions are wrong.

    Args:
        counts: (2, bins) reference scores by outcome 0 and 1.
        positive: (bins,) whether the decision is 1.
    """
    table = np.asarray(counts, dtype=np.float64) + 0.5
    rate = table[1] / table.sum(axis=0)
    log_odds = np.log(rate) - np.log1p(-rate)
    overall = float(np.log(table[1].sum() / table[0].sum()))
    changed = {
        f"outcome 1 {'likelier' if shift > 0 else 'less likely'} by {abs(shift):g} log-odds": (
            log_odds + shift
        )
        for shift in OUTCOME_SHIFTS
    } | {
        f"scores tell {slope:.0%} of what they did": overall + slope * (log_odds - overall)
        for slope in OUTCOME_SLOPES
    }
    share = table.sum(axis=0) / table.sum()
    costs = np.where(np.asarray(positive), -share, share)
    new = {name: 1 / (1 + np.exp(-after)) for name, after in changed.items()}
    # Where nothing can make more decisions wrong, every change is worth to be known.
    costly = [name for name, after in new.items() if costs @ (after - rate) > 0] or list(new)
    weights = {}
    for name in costly:
        ratios = np.log([(1 - new[name]) / (1 - rate), new[name] / rate])
        weights[name] = _supermartingale(ratios, np.array([1 - rate, rate])).ravel()
    return _as_bank(weights, alarms=1)


def _ratio(after: Floats, before: Floats) -> Floats:
    """The log-likelihood ratios of bins; a bin that the change empties counts like a thousandth."""
    return np.asarray(np.log(np.maximum(after / before, 1e-3)), dtype=np.float64)


def _bank(ratios: Mapping[str, Floats], masses: Floats, alarms: int) -> Bank:
    weights = {
        name: _supermartingale(ratio[:, None], masses[:, None]).ravel()
        for name, ratio in ratios.items()
    }
    return _as_bank(weights, alarms)


def _as_bank(weights: Mapping[str, Floats], alarms: int) -> Bank:
    return Bank(
        alternatives=tuple(weights),
        weights=tuple(tuple(row.tolist()) for row in weights.values()),
        threshold=math.log(len(weights) * alarms * RUN_LENGTH),
    )


def _supermartingale(ratios: Floats, masses: Floats) -> Floats:
    """Log-likelihood ratios whose exponential has a mean of at most 1 in each column of masses.

    What is clipped is taken from all of the column alike, and rounding goes down.
    """
    clipped = np.clip(ratios, -CLIP, CLIP)
    excess = np.log((masses * np.exp(clipped)).sum(axis=0))
    centred = np.clip(clipped - excess, -CLIP, CLIP)
    return np.asarray(np.floor(centred / UNIT) * UNIT, dtype=np.float64)
