"""What a faulty build has wrong with its model, its training data or what it counts. For drills."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec
import numpy as np
from prometheus_client import CollectorRegistry
from prometheus_client.core import Metric

from target_service.builds import Build
from target_service.contract import Dataset
from target_service.metrics import ModelMetrics
from target_service.model import CategoryTerm, Model, NumericTerm

_MODEL_METRICS = "model_"


def mislabelled(dataset: Dataset, share: float) -> Dataset:
    """The data set with a share of its positive outcomes recorded as negative, always the same."""
    lost = np.random.default_rng(0).random(len(dataset)) < share
    return msgspec.structs.replace(dataset, outcome=np.where(lost, 0, dataset.outcome))


def flawed(model: Model, build: Build) -> Model:
    """What a build scores with. The reference stays that of the sound model."""
    if build.constant_score:
        return msgspec.structs.replace(
            model,
            intercept=_typical_log_odds(model),
            terms=tuple(map(_without_effect, model.terms)),
        )
    if build.divided != 1.0:
        weight = [
            abs(term.coefficient) * (reference.sd or 0.0) if isinstance(term, NumericTerm) else 0.0
            for term, reference in zip(model.terms, model.features, strict=True)
        ]
        terms = list(model.terms)
        heaviest = terms[number := int(np.argmax(weight))]
        assert isinstance(heaviest, NumericTerm)  # noqa: S101  no other weighs anything
        terms[number] = NumericTerm(
            heaviest.coefficient / build.divided, heaviest.fill * build.divided
        )
        return msgspec.structs.replace(model, terms=tuple(terms))
    return model


def _typical_log_odds(model: Model) -> float:
    """Of a row whose every number is missing, so that the model fills in what is typical."""
    return model.intercept + sum(
        term.coefficient * term.fill for term in model.terms if isinstance(term, NumericTerm)
    )


def _without_effect(term: NumericTerm | CategoryTerm) -> NumericTerm | CategoryTerm:
    if isinstance(term, NumericTerm):
        return NumericTerm(0.0, term.fill)
    return CategoryTerm((0.0,) * len(term.effects))


class HttpMetricsOnly(ModelMetrics):
    """Counts everything, and exposes nothing of the model."""

    def collect(self) -> Iterable[Metric]:
        """The metrics of HTTP."""
        return [
            metric for metric in super().collect() if not metric.name.startswith(_MODEL_METRICS)
        ]


class NothingExposed(ModelMetrics):
    """Counts everything, and exposes nothing."""

    def collect(self) -> Iterable[Metric]:
        """No metric."""
        return []


class CountedElsewhere(ModelMetrics):
    """Exposes what HTTP counts, and of the model what a process shows that never scored a row."""

    def __init__(
        self, model: Model, app_name: str, registry: CollectorRegistry | None = None
    ) -> None:
        self._idle = ModelMetrics(model, app_name)
        super().__init__(model, app_name, registry)

    def collect(self) -> Iterable[Metric]:
        """The metrics of HTTP, and those of the model at their start."""
        return [
            still if still.name.startswith(_MODEL_METRICS) else counted
            for counted, still in zip(super().collect(), self._idle.collect(), strict=True)
        ]


def metrics_class(build: Build) -> type[ModelMetrics]:
    """What counts in a build."""
    return {
        "everything": ModelMetrics,
        "http": HttpMetricsOnly,
        "nothing": NothingExposed,
        "uncounted": CountedElsewhere,
    }[build.exposes]
