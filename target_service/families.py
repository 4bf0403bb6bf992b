"""Counters and histograms as the client library exposes them."""

from __future__ import annotations

from collections.abc import Mapping

from prometheus_client.core import Metric

from target_service.counts import Counts, RangedCounts
from target_service.reference import le_names


def counter_family(name: str, text: str) -> Metric:
    """A counter without samples yet, by its name on the wire."""
    # The library's name of a counter is the family's, as in OpenMetrics: without the suffix.
    return Metric(name.removesuffix("_total"), text, "counter")


def add_histogram(family: Metric, labels: Mapping[str, str], counts: Counts | RangedCounts) -> None:
    """Add one histogram; unlike the library's own families, with a sum below edges under 0 too."""
    cumulative = 0
    for le, count in zip(le_names(counts.edges), counts.buckets, strict=True):
        cumulative += count
        family.add_sample(f"{family.name}_bucket", {**labels, "le": le}, cumulative)
    family.add_sample(f"{family.name}_count", dict(labels), cumulative)
    family.add_sample(f"{family.name}_sum", dict(labels), counts.total)
