"""Trials -> what a rule is worth: run lengths, delays, misses, operating curves. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import msgspec
import numpy as np
from scipy.stats import chi2

from driftdrill.certify.trial import SENSITIVITIES, AlertLives, TrialResult

CONFIDENCE = 0.95


class Calm(msgspec.Struct, frozen=True):
    """What one rule does where nothing changes.

    Attributes:
        evaluations: How many there were in all.
        alarms: How often it fired, over all its instances.
        arl: Evaluations per alarm; nan when there was none.
        arl_low: The bound that `arl` exceeds with 95 % confidence.
        arl_high: The bound that it stays below with 95 % confidence; nan when there was no alarm.
        false_alarms_per_30d: Alarms in 30 days.
    """

    evaluations: int
    alarms: int
    arl: float
    arl_low: float
    arl_high: float
    false_alarms_per_30d: float


class Found(msgspec.Struct, frozen=True):
    """How one rule found one change.

    Attributes:
        scenario: The drill.
        effect: What its share of changed rows was multiplied by.
        labels: That the alert had to carry.
        runs: How many there were.
        missed: In how many it did not fire until the end.
        early: In how many it fired already when the change began; their delays do not count.
        delays: Seconds from the change to the alert, ascending, where it fired.
        delay_mean: Their mean; nan when there is none.
        oracle_mean: The mean delay of the oracle on those streams.
        oracle_ratio: How many times that `delay_mean` is.
    """

    scenario: str
    effect: float
    labels: Mapping[str, str]
    runs: int
    missed: int
    early: int
    delays: tuple[float, ...]
    delay_mean: float
    oracle_mean: float
    oracle_ratio: float


class Point(msgspec.Struct, frozen=True):
    """One threshold of an operating curve: false alarms in 30 days, mean delay, misses."""

    factor: float
    false_alarms_per_30d: float
    delay_mean: float
    missed: int


class Certificate(msgspec.Struct, frozen=True):
    """One alert of one rule set.

    Attributes:
        rules: The rule set.
        curves: By drill and effect size, what other thresholds would give.
    """

    rules: str
    alert: str
    calm: Calm
    found: tuple[Found, ...]
    curves: Mapping[str, tuple[Point, ...]]


def calm(alarms: int, evaluations: int, interval: float) -> Calm:
    """Run lengths, with exact bounds of a Poisson process (Garwood 1936).

    Args:
        alarms: How many there were.
        evaluations: In how many evaluations.
        interval: Seconds between two.

    >>> round(calm(0, 3000, 60.0).arl_low)
    1001
    """
    tail = 1 - CONFIDENCE
    low = 2 * evaluations / float(chi2.ppf(1 - tail, 2 * alarms + 2))
    high = 2 * evaluations / float(chi2.ppf(tail, 2 * alarms)) if alarms else float("nan")
    return Calm(
        evaluations,
        alarms,
        arl=evaluations / alarms if alarms else float("nan"),
        arl_low=low,
        arl_high=high,
        false_alarms_per_30d=alarms / evaluations * 30 * 86_400 / interval,
    )


def alarms(results: Iterable[TrialResult], rules: str, alert: str) -> int:
    """How often an alert fired in trials without a change."""
    return sum(len(one.firing) for r in results for one in r.lives[rules] if one.alert == alert)


def delays(
    results: Iterable[TrialResult],
    rules: str,
    alert: str,
    labels: Mapping[str, str],
    onset: float,
) -> tuple[list[float], int, int]:
    """Seconds from the onset to an alert's first firing; how often none; how often one before.

    An instance that fired before the onset, in the same run, says nothing about the change.
    """
    found, missed, early = [], 0, 0
    for result in results:
        times = [t for one in _matching(result, rules, alert, labels) for t in one.firing]
        if any(time < onset for time in times):
            early += 1
        elif times:
            found.append(min(times) - onset)
        else:
            missed += 1
    return sorted(found), missed, early


def curve(
    quiet: Sequence[TrialResult],
    changed: Sequence[TrialResult],
    rules: str,
    alert: str,
    labels: Mapping[str, str],
    onset: float,
) -> tuple[Point, ...]:
    """What other thresholds would give: `for` and `keep_firing_for` left aside."""
    points = []
    days = sum(result.duration for result in quiet) / 86_400
    for number, factor in enumerate(SENSITIVITIES):
        fired = [
            len(one.exceeded[number])
            for result in quiet
            for one in result.lives[rules]
            if one.alert == alert and one.exceeded
        ]
        first = [
            min(
                (
                    time - onset
                    for one in _matching(result, rules, alert, labels)
                    if one.exceeded
                    for time in one.exceeded[number]
                    if time >= onset
                ),
                default=float("nan"),
            )
            for result in changed
        ]
        known = [delay for delay in first if not np.isnan(delay)]
        points.append(
            Point(
                factor,
                sum(fired) / days * 30,
                float(np.mean(known)) if known else float("nan"),
                len(first) - len(known),
            )
        )
    return tuple(points)


def _matching(
    result: TrialResult, rules: str, alert: str, labels: Mapping[str, str]
) -> list[AlertLives]:
    return [
        one
        for one in result.lives[rules]
        if one.alert == alert and labels.items() <= one.labels.items()
    ]
