"""The model's reference as gauges, beside the live counters that rules hold against it."""

from __future__ import annotations

from collections.abc import Mapping

from prometheus_client.core import Metric
from prometheus_client.utils import floatToGoString

from target_service.contract import (
    EVIDENCE_THRESHOLD,
    FEATURE,
    LABELLED_SCORE,
    LABELLED_WEIGHT,
    MODEL_INFO,
    OTHER,
    REFERENCE_CDF,
    REFERENCE_GAP,
    REFERENCE_MASS,
    REFERENCE_MISSING,
    REFERENCE_SAMPLES,
    REFERENCE_SD,
    SCORE,
    SEGMENT_SCORE,
)
from target_service.model import Distribution, Reference
from target_service.quality import bin_weights, edge_weights

NO_EDGE = "-Inf"
"""The `lower` of the first bucket; no bucket has it as its `le`."""


def le_name(edge: float) -> str:
    """The `le` of a bucket, or the same number elsewhere, as Prometheus 3 writes it."""
    return str(floatToGoString(edge))  # type: ignore[no-untyped-call]


def le_names(edges: tuple[float, ...]) -> tuple[str, ...]:
    """The `le` of each bucket, +Inf last."""
    return (*map(le_name, edges), "+Inf")


def category_names(categories: tuple[str, ...]) -> tuple[str, ...]:
    """The `category` of each bucket of a category column."""
    return (*categories, OTHER)


def reference_metrics(model: Reference) -> list[Metric]:
    """Every series that never changes while a model serves."""
    labels = {"model": model.name, "version": model.version}
    info = Metric(MODEL_INFO, "The model that serves; always 1.", "gauge")
    threshold = le_name(model.decision_threshold)
    trained = {"trained_at": model.trained_at, "decision_threshold": threshold}
    info.add_sample(MODEL_INFO, labels | trained, 1.0)

    score = _Gauges(SCORE, "scores")
    score.add_buckets(labels, model.scores)
    score.add(REFERENCE_SD, labels, model.scores.sd or 0.0)
    features = _Gauges(FEATURE, "values of numeric features")
    categories = _Gauges("model_category", "values of categorical features")
    for feature, distribution in zip(model.schema.features, model.features, strict=True):
        named = labels | {"feature": feature.name}
        features.add(REFERENCE_MISSING, named, 1 - distribution.samples / model.scores.samples)
        if feature.kind == "numeric":
            features.add_buckets(named, distribution)
        else:
            names = category_names(feature.categories)
            for name, mass in zip(names, distribution.masses.tolist(), strict=True):
                categories.add(REFERENCE_MASS, named | {"category": name}, mass)
            categories.add(REFERENCE_SAMPLES, named, distribution.samples)
    labelled = _Gauges(LABELLED_SCORE, "labelled scores")
    labelled.add(REFERENCE_SAMPLES, labels, sum(map(sum, model.labelled)))
    segments = _Gauges(SEGMENT_SCORE, "scores of a segment")
    for segment, distribution in zip(model.schema.segments, model.segments, strict=True):
        segments.add_cdf(labels | {"segment": segment}, distribution)
    score.add(EVIDENCE_THRESHOLD, labels, model.banks.score.threshold)
    for name, bank in zip(model.schema.names, model.banks.features, strict=True):
        features.add(EVIDENCE_THRESHOLD, labels | {"feature": name}, bank.threshold)
    labelled.add(EVIDENCE_THRESHOLD, labels, model.banks.outcomes.threshold)
    families = [score, features, categories, labelled, segments, _calibration(model, labels)]
    return [info, *(m for f in families for m in f.metrics()), _labelled_weights(model, labels)]


class _Gauges:
    """The reference gauges of one distribution metric."""

    def __init__(self, name: str, what: str) -> None:
        self._metrics = {
            suffix: Metric(name + suffix, f"{text} {what}.", "gauge")
            for suffix, text in {
                REFERENCE_MASS: "Share per bucket of the reference",
                REFERENCE_CDF: "Share at or below le of the reference",
                REFERENCE_SAMPLES: "Number of the reference",
                REFERENCE_SD: "Standard deviation of the reference",
                REFERENCE_MISSING: "Share missing of the reference",
                REFERENCE_GAP: "Mean of outcome less score of the reference",
                EVIDENCE_THRESHOLD: "Nats of evidence against the reference that alarm, of the",
            }.items()
        }

    def add(self, suffix: str, labels: Mapping[str, str], value: float) -> None:
        metric = self._metrics[suffix]
        metric.add_sample(metric.name, dict(labels), value)

    def add_buckets(self, labels: Mapping[str, str], distribution: Distribution) -> None:
        names = le_names(distribution.edges)
        lowers = (NO_EDGE, *names)
        for le, lower, mass in zip(names, lowers, distribution.masses.tolist(), strict=False):
            self.add(REFERENCE_MASS, {**labels, "le": le, "lower": lower}, mass)
        self.add_cdf(labels, distribution)

    def add_cdf(self, labels: Mapping[str, str], distribution: Distribution) -> None:
        names = le_names(distribution.edges)
        for le, below in zip(names, distribution.cdf.tolist(), strict=True):
            self.add(REFERENCE_CDF, {**labels, "le": le}, below)
        self.add(REFERENCE_SAMPLES, labels, distribution.samples)

    def metrics(self) -> list[Metric]:
        return [metric for metric in self._metrics.values() if metric.samples]


def _calibration(model: Reference, labels: Mapping[str, str]) -> _Gauges:
    gauges = _Gauges("model_calibration", "labelled predictions of a group")
    for part in model.calibration:
        named = {**labels, "by": part.by, "group": part.group}
        gauges.add(REFERENCE_GAP, named, part.gap)
        gauges.add(REFERENCE_SAMPLES, named, part.samples)
    return gauges


def _labelled_weights(model: Reference, labels: Mapping[str, str]) -> Metric:
    metric = Metric(
        LABELLED_WEIGHT,
        "Summed over outcome and le with the increase of the labelled-score buckets, these weights "
        "give the sum of the statistic over the labelled predictions.",
        "gauge",
    )
    for statistic, weights in bin_weights(model).items():
        for outcome, row in enumerate(edge_weights(weights).tolist()):
            for le, weight in zip(le_names(model.scores.edges), row, strict=True):
                named = {"statistic": statistic, "outcome": str(outcome), "le": le}
                metric.add_sample(LABELLED_WEIGHT, {**labels, **named}, weight)
    return metric
