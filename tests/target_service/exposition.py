"""Reads an exposition back, with the parser that the client library ships."""

from __future__ import annotations

from prometheus_client.parser import text_string_to_metric_families

from target_service.metrics import ModelMetrics

Series = tuple[str, frozenset[tuple[str, str]]]


def samples(metrics: ModelMetrics) -> dict[Series, float]:
    """Every series with its value."""
    content, _type = metrics.expose()
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(content.decode())
        for sample in family.samples
    }


def select(metrics: ModelMetrics, name: str, **labels: str) -> list[tuple[dict[str, str], float]]:
    """The series of one metric that carry these labels, in the order of the exposition."""
    return [
        (dict(found), value)
        for (sample_name, found), value in samples(metrics).items()
        if sample_name == name and labels.items() <= dict(found).items()
    ]


def value(metrics: ModelMetrics, name: str, **labels: str) -> float:
    """The value of the one series that carries these labels."""
    ((_labels, only),) = select(metrics, name, **labels)
    return only
