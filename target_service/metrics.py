"""What the service counts, and how it exposes it."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from itertools import accumulate, pairwise
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray
from prometheus_client import CollectorRegistry
from prometheus_client.core import Metric
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

from target_service.calibration import CalibrationCounts
from target_service.contract import (
    CALIBRATION_EXPECTED,
    CALIBRATION_OUTCOMES,
    CALIBRATION_POSITIVES,
    CATEGORY,
    FEATURE,
    FEATURE_MISSING,
    FEATURE_OUT_OF_RANGE,
    FEEDBACK,
    HTTP_LATENCY,
    HTTP_REQUESTS,
    LABELLED_SCORE,
    SCORE,
    SCORE_SQUARES,
    SEGMENT_SCORE,
    UNMATCHED,
    Floats,
)
from target_service.counts import Counts, RangedCounts
from target_service.evidence_counters import bank_counters, evidence_metrics
from target_service.model import Distribution, Reference
from target_service.reference import category_names, le_names, reference_metrics
from target_service.scores import ScoreCounts

_POST = {"POST": (200, 400, 413, 415, 422, 499, 500), UNMATCHED: (405,)}
_GET = {"GET": (200, 500), "HEAD": (200, 500), UNMATCHED: (405,)}

KNOWN_RESPONSES: Mapping[str, Mapping[str, tuple[int, ...]]] = {
    "/predict": _POST,
    "/feedback": _POST,
    "/healthz": _GET,
    "/metrics": _GET,
    "/openapi.json": _GET,
    UNMATCHED: {UNMATCHED: (404,)},
}
"""Every endpoint with its methods and the statuses that each may answer; no other method is named.

Their series stand at 0 from the start: Prometheus' increase() does not see the event that makes a
series appear. 499 is nginx's status for a client that left before its request was whole.
"""

LATENCY_EDGES = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)

ROWS_ONE_BY_ONE = 16
"""Up to this many rows, plain Python counts faster than numpy's calls per column cost."""


class ModelMetrics(Collector):
    """Every counter of one serving model, and its reference, as a Prometheus collector.

    Needs no HTTP and reads no clock, so a simulation counts with the very code that the service
    does. Safe to use from several threads.

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
        self._app_name = app_name
        self._lock = Lock()
        self._scores = ScoreCounts(model)
        self._features = [_feature_counts(reference) for reference in model.features]
        segment = model.schema.segment
        self._segment_column = None if segment is None else model.schema.index(segment)
        self._labelled = [Counts(model.scores.edges) for _outcome in (0, 1)]
        self._calibration = CalibrationCounts(model)
        self._feedback = {"accepted": 0, "duplicate": 0}
        self._latency = {endpoint: Counts(LATENCY_EDGES) for endpoint in KNOWN_RESPONSES}
        self._requests: defaultdict[tuple[str, str, int], int] = defaultdict(
            int,
            {
                (method, endpoint, status): 0
                for endpoint, methods in KNOWN_RESPONSES.items()
                for method, statuses in methods.items()
                for status in statuses
            },
        )
        self._reference = reference_metrics(model)
        self.banks = bank_counters(model)
        self._registry = CollectorRegistry() if registry is None else registry
        self._registry.register(self)

    def observe(self, x: Floats, scores: Floats) -> None:
        """Count n predictions: an (n, d) encoded matrix and the (n,) scores it got."""
        with self._lock:
            if len(scores) > ROWS_ONE_BY_ONE:
                self._scores.add_many(scores, self._model.schema.segment_numbers(x))
                for counts, column in zip(self._features, x.T, strict=True):
                    counts.add_many(column)
                return
            column = self._segment_column
            for score, row in zip(scores.tolist(), x.tolist(), strict=True):
                self._scores.add(score, math.nan if column is None else row[column])
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
        self,
        scores: Floats,
        segments: NDArray[np.integer],
        outcomes: NDArray[np.integer],
        duplicates: int = 0,
    ) -> None:
        """Count n outcomes, 0 or 1, of predictions by their (n,) scores.

        Args:
            scores: As the predictions gave them.
            segments: (n,) the rows' segments, as `Schema.segment_numbers` gives them.
            outcomes: (n,) what came true.
            duplicates: How many more were told again, and are counted as that alone.
        """
        with self._lock:
            for outcome, counts in enumerate(self._labelled):
                counts.add_many(scores[outcomes == outcome])
            self._calibration.add(scores, segments, outcomes)
            self._feedback["accepted"] += len(scores)
            self._feedback["duplicate"] += duplicates

    def observe_request(self, method: str, endpoint: str, status: int, seconds: float) -> None:
        """Count one HTTP request; the caller bounds what `method` and `endpoint` can be."""
        with self._lock:
            self._requests[method, endpoint, status] += 1
            self._latency[endpoint].add(seconds)

    def positions(self) -> Mapping[tuple[str, ...], range]:
        """Where in the vector of `state` each thing that is counted stands.

        Keys are ("score",), ("feature", name), ("segment", name), ("labelled", outcome),
        ("latency", endpoint), ("score squares",), ("out of range", name), ("calibration", count),
        ("feedback", result) and ("request", method, endpoint, status). A histogram's elements are
        its buckets between `edges`, not cumulative, then the missing values, then the sum; those of
        a calibration count are the model's groups.
        """
        with self._lock:
            sizes = {key: len(counts.buckets) + 2 for key, counts in self._histograms().items()}
            sizes |= {("score squares",): 1}
            sizes |= {("out of range", name): 1 for name in self._ranged()}
            sizes |= {key: len(counts) for key, counts in self._calibrations().items()}
            sizes |= {("feedback", result): 1 for result in self._feedback}
            sizes |= {("request", m, e, str(status)): 1 for m, e, status in self._requests}
        starts = [0, *accumulate(sizes.values())]
        return {key: range(*ends) for key, ends in zip(sizes, pairwise(starts), strict=True)}

    def edges(self, *key: str) -> tuple[float, ...]:
        """The edges between the buckets of one histogram, by its key in `positions`."""
        return self._histograms()[key].edges

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
            groups = np.concatenate(list(self._calibrations().values()))
            single = (*self._feedback.values(), *self._requests.values())
            sums = (self._scores.squares, *(c.outside for c in self._ranged().values()))
            return np.array((*counted, *sums, *groups, *single), dtype=np.float64)

    def restore(self, state: Floats) -> None:
        """Go on counting from a `state`."""
        numbers = iter(state.tolist())
        with self._lock:
            read = []
            for counts in self._histograms().values():
                buckets = [int(next(numbers)) for _ in counts.buckets]
                read.append((counts, buckets, int(next(numbers)), next(numbers)))
            self._scores.squares = next(numbers)
            for counts, buckets, missing, total in read:
                if isinstance(counts, RangedCounts):
                    counts.restore(buckets, missing, total, outside=int(next(numbers)))
                else:
                    counts.restore(buckets, missing, total)
            for groups in self._calibrations().values():
                groups[:] = [next(numbers) for _ in groups]
            for result in self._feedback:
                self._feedback[result] = int(next(numbers))
            for request in self._requests:
                self._requests[request] = int(next(numbers))

    def _ranged(self) -> dict[str, RangedCounts]:
        named = zip(self._model.schema.names, self._features, strict=True)
        return {name: counts for name, counts in named if isinstance(counts, RangedCounts)}

    def _histograms(self) -> dict[tuple[str, ...], Counts | RangedCounts]:
        schema = self._model.schema
        named = zip(schema.names, self._features, strict=True)
        return {
            ("score",): self._scores.whole,
            **{("feature", name): counts for name, counts in named},
            **{("segment", name): counts for name, counts in self._scores.segments.items()},
            **{("labelled", str(y)): counts for y, counts in enumerate(self._labelled)},
            **{("latency", endpoint): counts for endpoint, counts in self._latency.items()},
        }

    def _calibrations(self) -> dict[tuple[str, ...], Floats]:
        counts = self._calibration
        return {
            ("calibration", "outcomes"): counts.outcomes,
            ("calibration", "positives"): counts.positives,
            ("calibration", "expected"): counts.expected,
        }

    def expose(self, accept: str = "") -> tuple[bytes, str]:
        """Everything in the registry as an exposition, and its content type.

        Args:
            accept: An Accept header, which chooses between Prometheus' text and OpenMetrics.
        """
        encode, content_type = choose_encoder(accept)
        return encode(self._registry), content_type

    def collect(self) -> Iterable[Metric]:
        """One consistent state of all series."""
        with self._lock:
            histograms = self._histograms()
            evidence = evidence_metrics(self.banks, lambda key: histograms[key].buckets)
            return [
                *self._http(),
                *self._predictions(),
                *self._inputs(),
                *self._labels(),
                *evidence,
                *self._reference,
            ]

    @property
    def _model_labels(self) -> dict[str, str]:
        return {"model": self._model.name, "version": self._model.version}

    def _http(self) -> list[Metric]:
        if self._app_name is None:
            return []
        app = {"app_name": self._app_name}
        requests = _counter(HTTP_REQUESTS, "HTTP requests answered.")
        for (method, endpoint, status), count in self._requests.items():
            named = {"method": method, "endpoint": endpoint, "http_status": str(status)}
            requests.add_sample(HTTP_REQUESTS, app | named, count)
        latency = Metric(HTTP_LATENCY, "Time from request to the end of its answer.", "histogram")
        for endpoint, counts in self._latency.items():
            _add_histogram(latency, app | {"endpoint": endpoint}, counts)
        return [requests, latency]

    def _predictions(self) -> list[Metric]:
        labels = self._model_labels
        score = Metric(SCORE, "Scores of predictions.", "histogram")
        _add_histogram(score, labels, self._scores.whole)
        squares = _counter(SCORE_SQUARES, "Sum of the squares of the scores.")
        squares.add_sample(SCORE_SQUARES, labels, self._scores.squares)
        segment = Metric(SEGMENT_SCORE, "Scores of predictions by segment.", "histogram")
        for name in self._model.schema.segments:
            _add_histogram(segment, labels | {"segment": name}, self._scores.segments[name])
        return [score, squares, segment]

    def _inputs(self) -> list[Metric]:
        labels = self._model_labels
        numeric = Metric(FEATURE, "Values of numeric features.", "histogram")
        missing = _counter(FEATURE_MISSING, "Missing values of features.")
        outside = _counter(
            FEATURE_OUT_OF_RANGE, "Values beyond the smallest or largest of the reference."
        )
        category = _counter(CATEGORY, "Values of categorical features; unseen ones are other.")
        for feature, counts in zip(self._model.schema.features, self._features, strict=True):
            named = labels | {"feature": feature.name}
            missing.add_sample(FEATURE_MISSING, named, counts.missing)
            if isinstance(counts, RangedCounts):
                _add_histogram(numeric, named, counts)
                outside.add_sample(FEATURE_OUT_OF_RANGE, named, counts.outside)
            else:
                names = category_names(feature.categories)
                for name, count in zip(names, counts.buckets, strict=True):
                    category.add_sample(CATEGORY, named | {"category": name}, count)
        return [numeric, missing, outside, category]

    def _labels(self) -> list[Metric]:
        labels = self._model_labels
        labelled = Metric(LABELLED_SCORE, "Scores of predictions by what came true.", "histogram")
        for outcome, counts in enumerate(self._labelled):
            _add_histogram(labelled, labels | {"outcome": str(outcome)}, counts)
        feedback = _counter(FEEDBACK, "Outcomes told through /feedback.")
        for result, count in self._feedback.items():
            feedback.add_sample(FEEDBACK, labels | {"result": result}, count)
        calibration = [
            _counter(CALIBRATION_OUTCOMES, "Outcomes told, by segment and by band of scores."),
            _counter(CALIBRATION_POSITIVES, "How many of them were 1."),
            _counter(CALIBRATION_EXPECTED, "Sum of their scores: the positives that were claimed."),
        ]
        for family, counted in zip(calibration, self._calibrations().values(), strict=True):
            for part, count in zip(self._model.calibration, counted.tolist(), strict=True):
                named = labels | {"by": part.by, "group": part.group}
                family.add_sample(f"{family.name}_total", named, count)
        return [labelled, *calibration, feedback]


def _counter(name: str, text: str) -> Metric:
    # The library's name of a counter is the family's, as in OpenMetrics: without the suffix.
    return Metric(name.removesuffix("_total"), text, "counter")


def _feature_counts(reference: Distribution) -> Counts | RangedCounts:
    if reference.range is None:
        return Counts(reference.edges)
    return RangedCounts(reference.edges, *reference.range)


def _add_histogram(
    family: Metric, labels: Mapping[str, str], counts: Counts | RangedCounts
) -> None:
    """Add one histogram; unlike the library's own families, with a sum below edges under 0 too."""
    cumulative = 0
    for le, count in zip(le_names(counts.edges), counts.buckets, strict=True):
        cumulative += count
        family.add_sample(f"{family.name}_bucket", {**labels, "le": le}, cumulative)
    family.add_sample(f"{family.name}_count", dict(labels), cumulative)
    family.add_sample(f"{family.name}_sum", dict(labels), counts.total)
