"""Evidence as Prometheus counters: weights on bucket counts, applied when they are scraped.

A counter must not fall, so each value adds `CLIP` nats more than it speaks for the alternative. The
alternative `none` gets that much and nothing else, which is what rules take off again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
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


def evidence_metrics(
    counters: Iterable[BankCounters], buckets: Callable[[tuple[str, ...]], Sequence[int]]
) -> list[Metric]:
    """The counters as they stand.

    Args:
        counters: Of every bank.
        buckets: A histogram's counts by its key.
    """
    families: dict[str, Metric] = {}
    for one in counters:
        name = one.metric.removesuffix("_total")
        text = "Nats for an alternative to the reference, 4 more per value; `none` is the 4 alone."
        family = families.setdefault(name, Metric(name, text, "counter"))
        counted = np.concatenate([buckets(key) for key in one.keys])
        for alternative, nats in zip(one.alternatives, one.weights @ counted, strict=True):
            family.add_sample(one.metric, {**one.labels, "alternative": alternative}, float(nats))
    return list(families.values())


def _counters(
    name: str, labels: Mapping[str, str], bank: Bank, *keys: tuple[str, ...]
) -> BankCounters:
    bins = len(bank.weights[0])
    weights = np.vstack([np.array(bank.weights), np.zeros(bins)]) + CLIP
    return BankCounters(
        name + EVIDENCE, labels, keys, (*bank.alternatives, NO_ALTERNATIVE), weights
    )
