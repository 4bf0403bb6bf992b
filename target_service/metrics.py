"""What the service counts, and how it exposes it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import accumulate, pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray
from prometheus_client import CollectorRegistry
from prometheus_client.core import Metric

from target_service.contract import (
    CATEGORY,
    FEATURE,
    FEATURE_MISSING,
    FEEDBACK,
    LABELLED_SCORE,
    SCORE,
    Floats,
)
from target_service.counts import Counts
from target_service.evidence_counters import bank_counters, evidence_metrics
from target_service.families import add_histogram, counter_family
from target_service.http_metrics import KNOWN_RESPONSES, HttpMetrics
from target_service.model import Reference
from target_service.reference import category_names, reference_metrics

ROWS_ONE_BY_ONE = 16
"""Up to this many rows, plain Python counts faster than numpy's calls per column cost."""


class ModelMetrics(HttpMetrics):
    """Every counter of one serving model, and its reference, as a Prometheus collector.

    It counts requests as well. Like `HttpMetrics` it needs no HTTP, reads no clock, and may be used
    from several threads.

    Args:
        model: The model that serves.
        app_name: The label of that name on HTTP metrics; None leaves them out, for a service that
            counts its requests itself.
        registry: Where to register, beside other collectors; a registry of its own by default.

    Attributes:
        banks: The counters of evidence, which are weighted sums of buckets.
    """

    def __init__(
        self, model: Reference, app_name: str | None, registry: CollectorRegistry | None = None
    ) -> None:
        self._model = model
        self._scores = Counts(model.scores.edges)
        self._features = [Counts(reference.edges) for reference in model.features]
        self._labelled = [Counts(model.scores.edges) for _outcome in (0, 1)]
        self._feedback = {"accepted": 0, "duplicate": 0}
        self._reference = reference_metrics(model)
        self.banks = bank_counters(model)
        super().__init__(app_name, registry, KNOWN_RESPONSES)

    def observe(self, x: Floats, scores: Floats) -> None:
        """Count n predictions: an (n, d) encoded matrix and the (n,) scores it got."""
        with self._lock:
            if len(scores) > ROWS_ONE_BY_ONE:
                self._scores.add_many(scores)
                for counts, column in zip(self._features, x.T, strict=True):
                    counts.add_many(column)
                return
            for score in scores.tolist():
                self._scores.add(score)
            for row in x.tolist():
                for counts, value in zip(self._features, row, strict=True):
                    counts.add(value)

    def observe_rows(self, rows: Sequence[Mapping[str, Any]], scores: Sequence[float]) -> None:
        """Count predictions as a service has them: rows as JSON objects, and their scores.

        Features that the reference does not know are passed over; those that a row lacks count as
        missing.
        """
        names = self._model.schema.names
        x = self._model.schema.encode_values([row.get(name) for name in names] for row in rows)
        self.observe(x, np.asarray(scores, dtype=np.float64))

    def observe_labels(
        self, scores: Floats, outcomes: NDArray[np.integer], duplicates: int = 0
    ) -> None:
        """Count n outcomes, 0 or 1, of predictions by their (n,) scores.

        Args:
            scores: As the predictions gave them.
            outcomes: (n,) what came true.
            duplicates: How many more were told again, and are counted as that alone.
        """
        with self._lock:
            for outcome, counts in enumerate(self._labelled):
                counts.add_many(scores[outcomes == outcome])
            self._feedback["accepted"] += len(scores)
            self._feedback["duplicate"] += duplicates

    def positions(self) -> Mapping[tuple[str, ...], range]:
        """Where in the vector of `state` each thing that is counted stands.

        Keys are ("score",), ("feature", name), ("labelled", outcome), ("latency", endpoint),
        ("feedback", result) and ("request", method, endpoint, status). A histogram's elements are
        its buckets, not cumulative, then the missing values, then the sum.
        """
        with self._lock:
            sizes = {key: len(counts.buckets) + 2 for key, counts in self._histograms().items()}
            sizes |= {("feedback", result): 1 for result in self._feedback}
            sizes |= {("request", m, e, str(status)): 1 for m, e, status in self._requests}
        starts = [0, *accumulate(sizes.values())]
        return {key: range(*ends) for key, ends in zip(sizes, pairwise(starts), strict=True)}

    def state(self) -> Floats:
        """Everything counted so far as one vector; see `positions`.

        Each series that `collect` returns is a sum of some of its elements, or never changes.
        """
        with self._lock:
            counted = [
                number
                for counts in self._histograms().values()
                for number in (*counts.buckets, counts.missing, counts.total)
            ]
            single = (*self._feedback.values(), *self._requests.values())
            return np.array((*counted, *single), dtype=np.float64)

    def restore(self, state: Floats) -> None:
        """Go on counting from a `state`."""
        numbers = iter(state.tolist())
        with self._lock:
            for counts in self._histograms().values():
                counts.buckets = [int(next(numbers)) for _ in counts.buckets]
                counts.missing, counts.total = int(next(numbers)), next(numbers)
            for result in self._feedback:
                self._feedback[result] = int(next(numbers))
            for request in self._requests:
                self._requests[request] = int(next(numbers))

    def _histograms(self) -> dict[tuple[str, ...], Counts]:
        named = zip(self._model.schema.names, self._features, strict=True)
        return {
            ("score",): self._scores,
            **{("feature", name): counts for name, counts in named},
            **{("labelled", str(y)): counts for y, counts in enumerate(self._labelled)},
            **{("latency", endpoint): counts for endpoint, counts in self._latency.items()},
        }

    def collect(self) -> Iterable[Metric]:
        """One consistent state of all series."""
        with self._lock:
            histograms = self._histograms()
            evidence = evidence_metrics(self.banks, lambda key: histograms[key].buckets)
            counted = [*self._http(), *self._predictions(), *self._labels(), *evidence]
            return [*counted, *self._reference]

    @property
    def _model_labels(self) -> dict[str, str]:
        return {"model": self._model.name, "version": self._model.version}

    def _predictions(self) -> list[Metric]:
        labels = self._model_labels
        score = Metric(SCORE, "Scores of predictions.", "histogram")
        add_histogram(score, labels, self._scores)
        numeric = Metric(FEATURE, "Values of numeric features.", "histogram")
        missing = counter_family(FEATURE_MISSING, "Missing values of features.")
        category = counter_family(CATEGORY, "Values of categories; unseen ones are other.")
        for feature, counts in zip(self._model.schema.features, self._features, strict=True):
            named = labels | {"feature": feature.name}
            missing.add_sample(FEATURE_MISSING, named, counts.missing)
            if feature.kind == "numeric":
                add_histogram(numeric, named, counts)
            else:
                names = category_names(feature.categories)
                for name, count in zip(names, counts.buckets, strict=True):
                    category.add_sample(CATEGORY, named | {"category": name}, count)
        return [score, numeric, missing, category]

    def _labels(self) -> list[Metric]:
        labels = self._model_labels
        labelled = Metric(LABELLED_SCORE, "Scores of predictions by what came true.", "histogram")
        for outcome, counts in enumerate(self._labelled):
            add_histogram(labelled, labels | {"outcome": str(outcome)}, counts)
        feedback = counter_family(FEEDBACK, "Outcomes told through /feedback.")
        for result, count in self._feedback.items():
            feedback.add_sample(FEEDBACK, labels | {"result": result}, count)
        return [labelled, feedback]
