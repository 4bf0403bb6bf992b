"""Counters and histograms as the client library exposes them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import zip_longest

from prometheus_client.core import Metric
from prometheus_client.samples import Exemplar

from target_service.counts import Counts, RangedCounts
from target_service.reference import le_names


def counter_family(name: str, text: str) -> Metric:
    """A counter without samples yet, by its name on the wire."""
    # The library's name of a counter is the family's, as in OpenMetrics: without the suffix.
    return Metric(name.removesuffix("_total"), text, "counter")


def add_histogram(
    family: Metric,
    labels: Mapping[str, str],
    counts: Counts | RangedCounts,
    exemplars: Sequence[Exemplar | None] = (),
) -> None:
    """Add one histogram; unlike the library's own families, with a sum below edges under 0 too.

    Args:
        family: Where to add it.
        labels: Without `le`.
        counts: What was counted.
        exemplars: One per bucket, or none at all.
    """
    cumulative = 0
    buckets = zip_longest(le_names(counts.edges), counts.buckets, exemplars)
    for le, count, exemplar in buckets:
        cumulative += count
        named = {**labels, "le": le}
        family.add_sample(f"{family.name}_bucket", named, cumulative, exemplar=exemplar)
    family.add_sample(f"{family.name}_count", dict(labels), cumulative)
    family.add_sample(f"{family.name}_sum", dict(labels), counts.total)
