"""The detectors of `detection.py`: ours, the oracle, what is between them, and river's."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

import numpy as np
from detection_worlds import Density, World
from river.drift import ADWIN, KSWIN, PageHinkley

from driftdrill.certify.statistic import DENSE_WINDOWS, evidence
from target_service.contract import Floats, tail_refined_edges
from target_service.evidence import numeric_bank, outcome_bank, score_changes

REFERENCE = 200_000
"""Values that are known of the calm world."""

CHUNK = 20
"""Streams at a time."""


class Method(Protocol):
    """A detector whose sensitivity one number sets; more of it, fewer alarms."""

    def alarms(self, streams: Floats, setting: float) -> Floats:
        """(streams,) values until it first alarms; inf where it never does."""


class Chart:
    """A detector that alarms where some level reaches a threshold.

    Args:
        levels: (streams, values) -> (streams, evaluations), the level at each.
        step: Values per evaluation.
    """

    def __init__(self, levels: Callable[[Floats], Floats], step: int) -> None:
        self.levels, self.step = levels, step

    def alarms(self, streams: Floats, setting: float) -> Floats:
        """Where the level first reaches the setting."""
        return self._first(self.heights(streams), setting)

    def heights(self, streams: Floats) -> Floats:
        """(streams, evaluations) how high the level has been by then."""
        parts = range(0, len(streams), CHUNK)
        found = [np.maximum.accumulate(self.levels(streams[i : i + CHUNK]), axis=1) for i in parts]
        return np.concatenate(found).astype(np.float32)

    def tune(self, streams: Floats, run_length: float) -> tuple[float, float]:
        """The most sensitive setting with that run length, and its own."""
        return threshold(self.heights(streams), self.step, run_length)

    def _first(self, heights: Floats, setting: float) -> Floats:
        return first_over(heights, setting, self.step)


def first_over(heights: Floats, threshold: float, step: int) -> Floats:
    """(streams,) values until heights that never fall reach a threshold; inf where they do not."""
    below = (heights < threshold).sum(axis=1)
    return np.where(below < heights.shape[1], (below + 1.0) * step, np.inf)


def threshold(heights: Floats, step: int, run_length: float) -> tuple[float, float]:
    """The least threshold with that run length, by bisection, and its run length."""

    def length_at(level: float) -> float:
        return measured_run_length(first_over(heights, level, step), heights.shape[1] * step)

    low, high = 0.0, 50.0
    for _ in range(20):
        middle = (low + high) / 2
        low, high = (middle, high) if length_at(middle) < run_length else (low, middle)
    return high, length_at(high)


def measured_run_length(alarms: Floats, length: int) -> float:
    """Values per alarm on streams of some length, each watched until its alarm; inf without any."""
    known = np.isfinite(alarms)
    return float(np.minimum(alarms, length).sum() / known.sum()) if known.any() else math.inf


def ours(calm: World, step: int) -> Chart:
    """The statistic of `ScoreDrift`, or of `ModelQualityDegraded`, on a reference of its own."""
    reference = calm.draw(np.random.default_rng(99), (1, REFERENCE))[0]
    if calm.mistakes:
        counts = np.bincount(reference.astype(np.intp), minlength=4).reshape(2, 2).tolist()
        edges = np.array([0.0, 1.0, 2.0])
        weights = np.array(outcome_bank(counts, [False, True]).weights)
    else:
        edges = tail_refined_edges(reference)
        binned = _counts(edges, reference)
        labelled = [[0] * len(binned)] * 2
        if calm.chance is not None:
            outcome = np.random.default_rng(98).random(REFERENCE) < calm.chance(reference)
            labelled = [_counts(edges, reference[outcome == kind]) for kind in (False, True)]
        changes = score_changes(binned, labelled)
        weights = np.array(numeric_bank(binned, changes, alarms=1).weights)

    def levels(streams: Floats) -> Floats:
        each = weights[:, np.searchsorted(edges, streams)]
        nats = each.reshape(*each.shape[:2], -1, step).sum(axis=3)
        return evidence(nats, np.full(nats.shape[1:], float(step)), DENSE_WINDOWS)

    return Chart(levels, step)


def _counts(edges: Floats, values: Floats) -> list[int]:
    found: list[int] = np.bincount(
        np.searchsorted(edges, values), minlength=len(edges) + 1
    ).tolist()
    return found


def oracle(calm: World, changed: World) -> Chart:
    """Page's chart for the very change, value by value."""

    def levels(streams: Floats) -> Floats:
        total = np.cumsum(np.log(changed.density(streams) / calm.density(streams)), axis=1)
        return np.asarray(total - np.minimum(np.minimum.accumulate(total, axis=1), 0.0))

    return Chart(levels, 1)


def informed(calm: World, changes: Sequence[Density], step: int) -> Chart:
    """Shiryaev and Roberts' statistic, averaged over changes of which one will come.

    It sees values, not buckets, and has state: any beginning counts. What it takes longer than the
    oracle is the price of not knowing which change comes.
    """
    return Chart(
        lambda streams: np.log(shiryaev_roberts(calm, changes, step, streams).mean(0)), step
    )


HIGHEST = 1e30
"""Of the statistic: far above any threshold, and a number that float32 has."""


def shiryaev_roberts(calm: World, changes: Sequence[Density], step: int, streams: Floats) -> Floats:
    """(changes, streams, evaluations) the sum over all beginnings of the likelihood ratio."""
    before = calm.density(streams)
    shape = (len(streams), streams.shape[1] // step, step)
    ratios = [(after(streams) / before).reshape(shape).prod(axis=2) for after in changes]
    found = np.empty((len(changes), *shape[:2]), dtype=np.float32)
    total = np.zeros((len(changes), len(streams)))
    for number, ratio in enumerate(np.moveaxis(np.array(ratios), 2, 0)):
        total = np.minimum((1.0 + total) * ratio, HIGHEST)
        found[:, :, number] = total
    return found


@dataclass(frozen=True)
class River:
    """One or two of river's detectors, on the values and on their squares.

    Attributes:
        make: Setting -> detector.
        settings: Between which it is tuned; more of it, fewer alarms.
        squares: Whether there are two.
        share: Of the streams, as they take long.
        steps: In which the setting is found.
    """

    make: Callable[[float], Any]
    settings: tuple[float, float]
    squares: bool = False
    share: float = 0.25
    steps: int = 6

    def alarms(self, streams: Floats, setting: float) -> Floats:
        """Where either detector first finds a drift."""
        return np.array([self._first(stream, setting) for stream in streams])

    def _first(self, stream: Floats, setting: float) -> float:
        plain = self.make(setting)
        squared = self.make(setting) if self.squares else None
        for number, value in enumerate(stream.tolist(), 1):
            plain.update(value)
            if squared is not None:
                squared.update(value * value)
            if plain.drift_detected or (squared is not None and squared.drift_detected):
                return number
        return math.inf


DELTAS = (0.05, 0.25, 0.5)
"""Of PageHinkley: half the change that it is for. The first is what it has for any."""


def peers() -> dict[str, River]:
    """River's detectors by name."""

    def adwin(setting: float) -> Any:
        return ADWIN(delta=10.0**-setting, clock=1)

    def page_hinkley(delta: float, setting: float) -> Any:
        return PageHinkley(min_instances=30, delta=delta, threshold=10.0**setting, alpha=1.0)

    def kswin(setting: float) -> Any:
        return KSWIN(alpha=10.0**-setting, seed=1)

    return {
        "ADWIN": River(adwin, (1.0, 5.0)),
        "ADWIN, x and x²": River(adwin, (1.0, 5.0), squares=True),
        **{
            f"PageHinkley {delta:g}": River(partial(page_hinkley, delta), (0.3, 2.3))
            for delta in DELTAS
        },
        "KSWIN": River(kswin, (4.0, 5.5), share=0.02, steps=3),
    }


def tune(method: Chart | River, streams: Floats, run_length: float) -> tuple[float, float]:
    """The most sensitive setting with a long enough run length, and that run length."""
    if isinstance(method, Chart):
        return method.tune(streams, run_length)
    some = streams[: max(round(len(streams) * method.share), 5)]
    low, high = method.settings
    lengths = {high: math.nan}
    for _ in range(method.steps):
        middle = (low + high) / 2
        found = measured_run_length(method.alarms(some, middle), some.shape[1])
        lengths[middle] = found
        low, high = (middle, high) if found < run_length else (low, middle)
    return high, lengths[high]
