"""What a service answers to a scrape: its series, and which labels hold how many values."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property

import httpx
from prometheus_client.metrics_core import Metric as Family
from prometheus_client.openmetrics.parser import text_string_to_metric_families as read_openmetrics
from prometheus_client.parser import text_string_to_metric_families as read_text
from prometheus_client.utils import floatToGoString

from driftdrill.rig.errors import RigError, UsageError

ACCEPT = "text/plain;version=0.0.4;q=1,*/*;q=0.1"
"""Prometheus' text is asked for: each version of each server reads it."""

__all__ = ["Exposition", "Family", "Growth", "go_float", "growing_labels", "parse", "scrape"]

TIMEOUT_S = 10.0

EXAMPLE = "http://127.0.0.1:8000/metrics"


@dataclass(frozen=True)
class Exposition:
    """One answer of /metrics.

    Attributes:
        families: In their order.
        size: Bytes, uncompressed.
    """

    families: tuple[Family, ...]
    size: int

    @cached_property
    def series(self) -> frozenset[tuple[str, frozenset[tuple[str, str]]]]:
        """Every series: its name, and its labels with their values."""
        return frozenset(
            (sample.name, frozenset(sample.labels.items()))
            for family in self.families
            for sample in family.samples
        )

    @cached_property
    def label_values(self) -> Mapping[tuple[str, str], frozenset[str]]:
        """The values of each label of each metric family, by (family, label)."""
        found: defaultdict[tuple[str, str], set[str]] = defaultdict(set)
        for family in self.families:
            for sample in family.samples:
                for label, value in sample.labels.items():
                    found[family.name, label].add(value)
        return {key: frozenset(values) for key, values in found.items()}

    def total(self, name: str) -> float | None:
        """The sum of the series of one name; None when there is none."""
        values = [s.value for family in self.families for s in family.samples if s.name == name]
        return sum(values) if values else None


def scrape(client: httpx.Client, url: str) -> Exposition:
    """Ask a service for its metrics.

    Raises:
        UsageError: It is no URL.
        RigError: It does not answer, answers no 200, or what it answers is no exposition.
    """
    try:
        answer = client.get(url, headers={"Accept": ACCEPT})
    except (httpx.UnsupportedProtocol, httpx.InvalidURL) as error:
        raise UsageError(f"{url!r} is no URL of a service's metrics, like {EXAMPLE}") from error
    except httpx.HTTPError as error:
        raise RigError(f"{url} did not answer: {error}") from error
    if answer.status_code != httpx.codes.OK:
        raise RigError(f"{url} answers {answer.status_code}, expected 200 and an exposition")
    return parse(answer.text, answer.headers.get("content-type", ""), url)


def parse(text: str, content_type: str, source: str) -> Exposition:
    """Read an exposition in Prometheus' text or in OpenMetrics; RigError where it is neither."""
    read = read_openmetrics if "openmetrics" in content_type else read_text
    try:
        families = _joined(read(text))
    except ValueError as error:
        raise RigError(f"{source} answers no exposition: {error}") from error
    if not families:
        raise RigError(f"{source} answers without a single metric")
    return Exposition(families, len(text.encode()))


def _joined(families: Iterable[Family]) -> tuple[Family, ...]:
    """One family of each name: without a TYPE line, each sample is read as one of its own."""
    found: dict[str, Family] = {}
    for family in families:
        if (known := found.setdefault(family.name, family)) is not family:
            known.samples.extend(family.samples)
            known.documentation = known.documentation or family.documentation
    return tuple(found.values())


def go_float(value: float) -> str:
    """A number as Prometheus 3 writes it in `le`.

    >>> go_float(1), go_float(0.00001), go_float(1e6)
    ('1.0', '1e-05', '1e+06')
    """
    return str(floatToGoString(value))  # type: ignore[no-untyped-call]


@dataclass(frozen=True)
class Growth:
    """A label that took new values between two scrapes.

    Attributes:
        examples: Some of the new values.
    """

    family: str
    label: str
    before: int
    after: int
    examples: tuple[str, ...]


def growing_labels(before: Exposition, after: Exposition) -> list[Growth]:
    """The labels with more values than before; those with most first."""
    found = []
    for (family, label), values in after.label_values.items():
        known = before.label_values.get((family, label), frozenset())
        if len(values) > len(known):
            new = tuple(sorted(values - known)[:3])
            found.append(Growth(family, label, len(known), len(values), new))
    return sorted(found, key=lambda growth: (-growth.after, growth.family, growth.label))
