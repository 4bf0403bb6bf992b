"""The detectors of `detection.py`: ours, the oracle, what is between them, and river's."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from detection_worlds import World
from river.drift import ADWIN, PageHinkley

from driftdrill.certify.statistic import SCORE_WINDOWS, SPARSE_WINDOWS, evidence
from target_service.contract import Floats, tail_refined_edges
from target_service.evidence import SCORE_CHANGES, numeric_bank, outcome_bank

REFERENCE = 200_000
"""Values that are known of the calm world."""

CHUNK = 20
"""Streams at a time."""


class Method(Protocol):
    """A detector whose sensitivity one number sets; more of it, fewer alarms."""

    settings: Sequence[float]
    share: float
    """Of the calm streams that it is tuned on; some take long."""

    def alarms(self, streams: Floats, setting: float) -> Floats:
        """(streams,) values until it first alarms; inf where it never does."""


class Chart:
    """A detector that alarms where some level reaches a threshold.

    Args:
        levels: (streams, values) -> (streams, evaluations), the level at each.
        step: Values per evaluation.
    """

    settings: Sequence[float] = tuple(np.arange(3.0, 20.0, 0.05).tolist())
    share = 1.0

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
        heights = self.heights(streams)
        for setting in self.settings:
            found = measured_run_length(self._first(heights, setting), streams.shape[1])
            if found >= run_length:
                return setting, found
        raise ValueError("no setting is high enough")

    def _first(self, heights: Floats, setting: float) -> Floats:
        crossed = heights >= setting
        return np.where(crossed.any(axis=1), (crossed.argmax(axis=1) + 1) * self.step, np.inf)


def measured_run_length(alarms: Floats, length: int) -> float:
    """Values per alarm on streams of some length, each watched until its alarm; inf without any."""
    known = np.isfinite(alarms)
    return float(np.minimum(alarms, length).sum() / known.sum()) if known.any() else math.inf


def ours(calm: World, step: int) -> Chart:
    """The statistic of `ScoreDrift`, or of `ModelQualityDegraded`, on a reference of its own."""
    reference = calm.draw(np.random.default_rng(99), (1, REFERENCE))[0]
    if calm.mistakes:
        counts = np.bincount(reference.astype(np.intp), minlength=4).reshape(2, 2).tolist()
        edges, windows = np.array([0.0, 1.0, 2.0]), SPARSE_WINDOWS
        weights = np.array(outcome_bank(counts, [False, True]).weights)
    else:
        edges, windows = tail_refined_edges(reference), SCORE_WINDOWS
        binned = np.bincount(np.searchsorted(edges, reference), minlength=len(edges) + 1)
        weights = np.array(numeric_bank(binned.tolist(), SCORE_CHANGES, alarms=1).weights)

    def levels(streams: Floats) -> Floats:
        each = weights[:, np.searchsorted(edges, streams)]
        nats = each.reshape(*each.shape[:2], -1, step).sum(axis=3)
        return evidence(nats, np.full(nats.shape[1:], float(step)), windows)

    return Chart(levels, step)


def oracle(calm: World, changed: World) -> Chart:
    """Page's chart for the very change, value by value."""

    def levels(streams: Floats) -> Floats:
        total = np.cumsum(np.log(changed.density(streams) / calm.density(streams)), axis=1)
        return np.asarray(total - np.minimum(np.minimum.accumulate(total, axis=1), 0.0))

    return Chart(levels, 1)


def informed(calm: World, changes: Sequence[World], step: int) -> Chart:
    """Shiryaev and Roberts' statistic, averaged over changes of which one will come.

    It sees values, not buckets, and has state: any beginning counts. What it takes longer than the
    oracle is the price of not knowing which change comes.
    """

    def levels(streams: Floats) -> Floats:
        ratios = [np.log(one.density(streams) / calm.density(streams)) for one in changes]
        nats = np.array(ratios).reshape(len(changes), len(streams), -1, step).sum(axis=3)
        total = np.full(nats.shape[:2], -np.inf)
        found = np.empty(nats.shape[1:])
        for number in range(found.shape[1]):
            total = np.logaddexp(total, 0.0) + nats[:, :, number]
            found[:, number] = np.logaddexp.reduce(total, axis=0) - np.log(len(changes))
        return found

    return Chart(levels, step)


@dataclass(frozen=True)
class River:
    """One or two of river's detectors, on the values and on their squares."""

    make: Callable[[float], Any]
    settings: Sequence[float]
    squares: bool = False
    share: float = 0.25

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


_EXPONENTS = (1.0, 1.5, 2.0, 2.5, 3.0, 3.5, 4.0, 5.0)


def peers() -> dict[str, River]:
    """River's detectors by name; not KSWIN, which takes up to a millisecond per value."""

    def adwin(setting: float) -> Any:
        return ADWIN(delta=10.0**-setting, clock=1)

    def page_hinkley(setting: float) -> Any:
        return PageHinkley(min_instances=30, delta=0.05, threshold=setting, alpha=1.0)

    return {
        "ADWIN": River(adwin, _EXPONENTS),
        "ADWIN, x and x²": River(adwin, _EXPONENTS, squares=True),
        "PageHinkley": River(page_hinkley, (5, 7, 10, 14, 20, 30, 40, 50, 60, 80, 100, 150)),
    }


def tune(method: Method, streams: Floats, run_length: float) -> tuple[float, float]:
    """The most sensitive setting with a long enough run length, and that run length."""
    if isinstance(method, Chart):
        return method.tune(streams, run_length)
    some = streams[: max(round(len(streams) * method.share), 5)]
    low, high = 0, len(method.settings) - 1
    while low < high:
        middle = (low + high) // 2
        found = measured_run_length(method.alarms(some, method.settings[middle]), some.shape[1])
        low, high = (middle + 1, high) if found < run_length else (low, middle)
    setting = method.settings[low]
    return setting, measured_run_length(method.alarms(some, setting), some.shape[1])
