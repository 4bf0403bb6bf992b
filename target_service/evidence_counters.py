"""Evidence as Prometheus counters: weights on bucket counts, applied when they are scraped.

A counter must not fall, so each value adds `CLIP` nats more than it speaks for the alternative. The
alternative `none` gets that much and nothing else, which is what rules take off again.

Where the reference goes by the hour, each value is weighed against that of its own hour: when the
hour ends, what was counted until then is weighed, and other weights follow.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from prometheus_client.core import Metric

from target_service.contract import (
    EVIDENCE,
    FEATURE,
    LABELLED_SCORE,
    NO_ALTERNATIVE,
    SCORE,
    Floats,
)
from target_service.counts import Counts, RangedCounts
from target_service.evidence import CLIP, Bank
from target_service.model import Reference


@dataclass(frozen=True)
class BankCounters:
    """The counters of one bank.

    Attributes:
        metric: Their name.
        labels: That they have in common.
        keys: The histograms whose buckets they weigh, as in `ModelMetrics.positions`.
        alternatives: The label `alternative` of each.
        weights: (alternatives, buckets) what a value in each bucket adds; of several histograms,
            one after the other.
    """

    metric: str
    labels: Mapping[str, str]
    keys: tuple[tuple[str, ...], ...]
    alternatives: tuple[str, ...]
    weights: Floats


def bank_counters(model: Reference) -> tuple[BankCounters, ...]:
    """Every bank's counters."""
    labels, banks = {"model": model.name, "version": model.version}, model.banks
    features = zip(model.schema.names, banks.features, strict=True)
    return (
        _counters(SCORE, labels, banks.score, ("score",)),
        *(
            _counters(FEATURE, labels | {"feature": name}, bank, ("feature", name))
            for name, bank in features
        ),
        _counters(LABELLED_SCORE, labels, banks.outcomes, ("labelled", "0"), ("labelled", "1")),
    )


Histograms = Mapping[tuple[str, ...], Counts | RangedCounts]
"""What was counted in each, by its key in `ModelMetrics.positions`."""


class EvidenceCounts:
    """The counters of every bank, as far as they were weighed.

    Not thread-safe: its owner holds the lock.

    Args:
        model: Whose reference; of an hour, where it goes by the hour.
    """

    def __init__(self, model: Reference) -> None:
        self._counters = bank_counters(model)
        self._nats = [np.zeros(len(one.alternatives)) for one in self._counters]
        self._weighed = [np.zeros(one.weights.shape[1]) for one in self._counters]

    def weigh(self, histograms: Histograms) -> None:
        """Weigh what was counted since the last time."""
        for one, nats, weighed in zip(self._counters, self._nats, self._weighed, strict=True):
            counted = np.array([n for key in one.keys for n in histograms[key].buckets])
            nats += one.weights @ (counted - weighed)
            weighed[:] = counted

    def turn(self, model: Reference, histograms: Histograms) -> None:
        """Weigh what was counted until now, and what comes by another hour's reference."""
        self.weigh(histograms)
        self._counters = bank_counters(model)

    def state(self) -> Mapping[tuple[str, ...], Floats]:
        """Nats per alternative, by the key of the bank; see `evidence_key`."""
        return {
            evidence_key(one): nats for one, nats in zip(self._counters, self._nats, strict=True)
        }

    def restore(self, nats: Iterator[float], histograms: Histograms) -> None:
        """Go on from what `state` said, in its order, when those histograms were counted."""
        self.weigh(histograms)
        for own in self._nats:
            own[:] = [next(nats) for _ in own]

    def metrics(self) -> list[Metric]:
        """The counters as they stood when they were last weighed."""
        families: dict[str, Metric] = {}
        for one, counted in zip(self._counters, self._nats, strict=True):
            name = one.metric.removesuffix("_total")
            text = (
                "Nats for an alternative to the reference, 4 more per value; `none` is the 4 alone."
            )
            family = families.setdefault(name, Metric(name, text, "counter"))
            for alternative, nats in zip(one.alternatives, counted.tolist(), strict=True):
                family.add_sample(one.metric, {**one.labels, "alternative": alternative}, nats)
        return list(families.values())


def evidence_key(counters: BankCounters) -> tuple[str, ...]:
    """What names the counters of a bank in `ModelMetrics.positions`."""
    return ("evidence", *counters.keys[0])


def _counters(
    name: str, labels: Mapping[str, str], bank: Bank, *keys: tuple[str, ...]
) -> BankCounters:
    bins = len(bank.weights[0])
    weights = np.vstack([np.array(bank.weights), np.zeros(bins)]) + CLIP
    return BankCounters(
        name + EVIDENCE, labels, keys, (*bank.alternatives, NO_ALTERNATIVE), weights
    )
