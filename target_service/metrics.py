"""What the service counts, and how it exposes it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import accumulate, pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray
from prometheus_client import CollectorRegistry
from prometheus_client.core import Metric

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
    LABELLED_SCORE,
    SCORE,
    SCORE_SQUARES,
    SEGMENT_SCORE,
    Floats,
)
from target_service.counts import Counts, RangedCounts
from target_service.exemplars import Exemplars
from target_service.families import add_histogram, counter_family
from target_service.hourly import CurrentReference
from target_service.http_metrics import KNOWN_RESPONSES, WAITING, HttpMetrics, taken
from target_service.model import Distribution, Reference
from target_service.reference import category_names
from target_service.scores import ScoreCounts

_FLOAT64 = np.dtype(np.float64)

_AT_ONCE = WAITING // 2
"""So many rows of one request are counted at once: that costs less than to have each wait."""


class ModelMetrics(HttpMetrics):
    """Every counter of one serving model, and its reference, as a Prometheus collector.

    It counts requests as well. Like `HttpMetrics` it needs no HTTP, and may be used from several
    threads. It reads no clock, but for a reference that goes by the hour, where nobody says when.

    Args:
        model: The model that serves.
        app_name: The label of that name on HTTP metrics; None leaves them out, for a service that
            counts its requests itself.
        registry: Where to register, beside other collectors; a registry of its own by default.

    Attributes:
        seasonal: Whether the reference goes by the hour, so that it matters when a value came.
    """

    def __init__(
        self, model: Reference, app_name: str | None, registry: CollectorRegistry | None = None
    ) -> None:
        self._model = model
        self._scores = ScoreCounts(model)
        self._features = [_feature_counts(reference) for reference in model.features]
        self._width = len(model.features)
        self._row_bytes = self._width * _FLOAT64.itemsize
        self._waiting: list[bytes] = []
        self._exemplars = Exemplars(model.scores.edges)
        self._labelled = [Counts(model.scores.edges) for _outcome in (0, 1)]
        self._calibration = CalibrationCounts(model)
        self._feedback = {"accepted": 0, "duplicate": 0}
        self.seasonal = model.season is not None
        self._reference = CurrentReference(model)
        super().__init__(app_name, registry, KNOWN_RESPONSES)

    def observe(self, x: Floats, scores: Floats, at: float | None = None) -> None:
        """Count n predictions: an (n, d) encoded matrix and the (n,) scores it got.

        Args:
            x: The rows.
            scores: What the model answered.
            at: Unix time at which they were asked for; the machine's, unless said otherwise.

        Raises:
            ValueError: They do not have these shapes.
        """
        if (
            x.nbytes == self._row_bytes
            and len(x) == 1
            and scores.nbytes == _FLOAT64.itemsize
            and x.dtype is scores.dtype is _FLOAT64
        ):
            self.observe_row(x, scores, at)
            return
        if x.shape != (len(scores), self._width) or scores.ndim != 1:
            raise ValueError(f"{x.shape} rows and {scores.shape} scores do not fit each other")
        if self.seasonal:
            self._turn_at(at)
        if len(x) < _AT_ONCE:
            rows = np.column_stack((x, scores)).astype(_FLOAT64, copy=False)
            self._waiting.extend(map(np.ndarray.tobytes, rows))
        else:
            with self._lock:
                self._count(x, scores)
        if len(self._waiting) >= WAITING:
            with self._lock:
                self._count_waiting()

    def observe_row(self, x: Floats, scores: Floats, at: float | None = None) -> None:
        """Count a single row, (1, d), and its score, (1,), both of float64, which nobody checks."""
        if self.seasonal:
            self._turn_at(at)
        # As bytes, which are copied much faster than the elements of an array are assigned; and
        # with no lock, which costs as much as all of this.
        waiting = self._waiting
        waiting.append(x.tobytes() + scores.tobytes())
        if len(waiting) >= WAITING:
            with self._lock:
                self._count_waiting()

    def _turn_at(self, at: float | None) -> None:
        with self._lock:
            self._reference.turn_at(at, self._histograms)

    def _count(self, x: Floats, scores: Floats) -> None:
        self._scores.add_many(scores, self._model.schema.segment_numbers(x))
        for counts, column in zip(self._features, np.ascontiguousarray(x.T), strict=True):
            counts.add_many(column)

    def _count_waiting(self) -> None:
        """Count the rows that wait, while other threads may add to them."""
        if self._waiting:
            rows = np.frombuffer(b"".join(taken(self._waiting))).reshape(-1, self._width + 1)
            self._count(rows[:, :-1], rows[:, -1])

    def turn(self, slot: int) -> None:
        """Hold what comes against the reference of a slot of the model's season."""
        with self._lock:
            self._reference.turn(slot, self._histograms)

    def observe_rows(
        self,
        rows: Sequence[Mapping[str, Any]],
        scores: Sequence[float],
        at: float | None = None,
    ) -> None:
        """Count predictions as a service has them: rows as JSON objects, and their scores.

        Features that the reference does not know are passed over; those that a row lacks count as
        missing.
        """
        names = self._model.schema.names
        x = self._model.schema.encode_values([row.get(name) for name in names] for row in rows)
        self.observe(x, np.asarray(scores, dtype=np.float64), at)

    def exemplify(self, score: float, trace: str, now: float) -> None:
        """Name a trace as an example of its score's bucket, at a unix time; see `Exemplars`."""
        with self._lock:
            self._exemplars.offer(score, trace, now)

    def observe_labels(
        self,
        scores: Floats,
        outcomes: NDArray[np.integer],
        segments: NDArray[np.integer] | None = None,
        duplicates: int = 0,
    ) -> None:
        """Count n outcomes, 0 or 1, of predictions by their (n,) scores.

        Args:
            scores: As the predictions gave them.
            outcomes: (n,) what came true.
            segments: (n,) the rows' segments, as `Schema.segment_numbers` gives them; None is of
                no segment.
            duplicates: How many more were told again, and are counted as that alone.
        """
        with self._lock:
            for outcome, counts in enumerate(self._labelled):
                counts.add_many(scores[outcomes == outcome])
            self._calibration.add(scores, outcomes, segments)
            self._feedback["accepted"] += len(scores)
            self._feedback["duplicate"] += duplicates

    def positions(self) -> Mapping[tuple[str, ...], range]:
        """Where in the vector of `state` each thing that is counted stands.

        Keys are ("score",), ("feature", name), ("segment", name), ("labelled", outcome),
        ("latency", endpoint), ("score squares",), ("out of range", name), ("calibration", count),
        ("feedback", result), ("request", method, endpoint, status) and ("evidence", ...) with the
        first histogram that it is about. A histogram's elements are its buckets between `edges`,
        not cumulative, then the missing values, then the sum; those of a calibration count are the
        model's groups, and those of evidence its alternatives.
        """
        with self._lock:
            sizes = {key: len(counts.buckets) + 2 for key, counts in self._histograms().items()}
            sizes |= {("score squares",): 1}
            sizes |= {("out of range", name): 1 for name in self._ranged()}
            sizes |= {key: len(counts) for key, counts in self._calibrations().items()}
            sizes |= {("feedback", result): 1 for result in self._feedback}
            sizes |= {("request", m, e, str(status)): 1 for m, e, status in self._requests}
            sizes |= {key: len(nats) for key, nats in self._reference.evidence.state().items()}
        starts = [0, *accumulate(sizes.values())]
        return {key: range(*ends) for key, ends in zip(sizes, pairwise(starts), strict=True)}

    def edges(self, *key: str) -> tuple[float, ...]:
        """The edges between the buckets of one histogram, by its key in `positions`."""
        with self._lock:
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
            self._reference.evidence.weigh(self._histograms())
            evidence = np.concatenate(list(self._reference.evidence.state().values()))
            return np.array((*counted, *sums, *groups, *single, *evidence), dtype=np.float64)

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
            self._reference.evidence.restore(numbers, self._histograms())

    def _ranged(self) -> dict[str, RangedCounts]:
        named = zip(self._model.schema.names, self._features, strict=True)
        return {name: counts for name, counts in named if isinstance(counts, RangedCounts)}

    def _histograms(self) -> dict[tuple[str, ...], Counts | RangedCounts]:
        """Everything that is counted in buckets, with what has waited."""
        self._count_waiting()
        self._count_answered()
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

    def collect(self) -> Iterable[Metric]:
        """One consistent state of all series."""
        with self._lock:
            evidence = self._reference.evidence
            evidence.weigh(self._histograms())
            return [
                *self._http(),
                *self._predictions(),
                *self._inputs(),
                *self._labels(),
                *evidence.metrics(),
                *self._reference.gauges,
            ]

    @property
    def _model_labels(self) -> dict[str, str]:
        return {"model": self._model.name, "version": self._model.version}

    def _predictions(self) -> list[Metric]:
        labels = self._model_labels
        score = Metric(SCORE, "Scores of predictions.", "histogram")
        add_histogram(score, labels, self._scores.whole, self._exemplars.kept)
        squares = counter_family(SCORE_SQUARES, "Sum of the squares of the scores.")
        squares.add_sample(SCORE_SQUARES, labels, self._scores.squares)
        segment = Metric(SEGMENT_SCORE, "Scores of predictions by segment.", "histogram")
        for name in self._model.schema.segments:
            add_histogram(segment, labels | {"segment": name}, self._scores.segments[name])
        return [score, squares, segment]

    def _inputs(self) -> list[Metric]:
        labels = self._model_labels
        numeric = Metric(FEATURE, "Values of numeric features.", "histogram")
        missing = counter_family(FEATURE_MISSING, "Missing values of features.")
        outside = counter_family(
            FEATURE_OUT_OF_RANGE, "Values beyond the smallest or largest of the reference."
        )
        category = counter_family(CATEGORY, "Values of categories; unseen ones are other.")
        for feature, counts in zip(self._model.schema.features, self._features, strict=True):
            named = labels | {"feature": feature.name}
            missing.add_sample(FEATURE_MISSING, named, counts.missing)
            if isinstance(counts, RangedCounts):
                add_histogram(numeric, named, counts)
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
            add_histogram(labelled, labels | {"outcome": str(outcome)}, counts)
        feedback = counter_family(FEEDBACK, "Outcomes told through /feedback.")
        for result, count in self._feedback.items():
            feedback.add_sample(FEEDBACK, labels | {"result": result}, count)
        calibration = [
            counter_family(CALIBRATION_OUTCOMES, "Outcomes told, by segment and by score band."),
            counter_family(CALIBRATION_POSITIVES, "How many of them were 1."),
            counter_family(CALIBRATION_EXPECTED, "Sum of their scores: the positives claimed."),
        ]
        for family, counted in zip(calibration, self._calibrations().values(), strict=True):
            for part, count in zip(self._model.calibration, counted.tolist(), strict=True):
                named = labels | {"by": part.by, "group": part.group}
                family.add_sample(f"{family.name}_total", named, count)
        return [labelled, *calibration, feedback]


def _feature_counts(reference: Distribution) -> Counts | RangedCounts:
    if reference.range is None:
        return Counts(reference.edges)
    return RangedCounts(reference.edges, *reference.range)
