"""What the service and everything around it agree on: features, data sets, and names on the wire.

Imports nothing of ours. Rules, dashboards, scenarios and simulators are checked against it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from itertools import repeat
from pathlib import Path
from typing import Any, Literal

import msgspec
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

# --- Metric names -------------------------------------------------------------------------------

HTTP_REQUESTS = "http_request_count_total"
HTTP_LATENCY = "http_request_latency_seconds"

MODEL_INFO = "model_info"
SCORE = "model_score"
FEATURE = "model_feature"
FEATURE_MISSING = "model_feature_missing_total"
CATEGORY = "model_category_total"
LABELLED_SCORE = "model_labelled_score"
LABELLED_WEIGHT = "model_labelled_weight"
FEEDBACK = "model_feedback_total"
SCORE_SQUARES = "model_score_squares_total"
FEATURE_OUT_OF_RANGE = "model_feature_out_of_range_total"
SEGMENT_SCORE = "model_segment_score"
CALIBRATION_OUTCOMES = "model_calibration_outcomes_total"
CALIBRATION_POSITIVES = "model_calibration_positives_total"
CALIBRATION_EXPECTED = "model_calibration_expected_total"

# Each distribution exposes its reference beside it: `<name>_reference_mass{le,lower}`, …
REFERENCE_MASS = "_reference_mass"
REFERENCE_CDF = "_reference_cdf"
REFERENCE_SAMPLES = "_reference_samples"
REFERENCE_SD = "_reference_sd"
REFERENCE_MISSING = "_reference_missing"
REFERENCE_GAP = "_reference_gap"

# And what its values say for each alternative to that reference; see `evidence.py`.
EVIDENCE = "_evidence_total"
EVIDENCE_THRESHOLD = "_evidence_threshold"

NO_ALTERNATIVE = "none"
"""The `alternative` that no value speaks for or against: its counter tells how many there were."""

METRICS: Mapping[str, tuple[str, ...]] = {
    HTTP_REQUESTS: ("app_name", "method", "endpoint", "http_status"),
    f"{HTTP_LATENCY}_bucket": ("app_name", "endpoint", "le"),
    f"{HTTP_LATENCY}_sum": ("app_name", "endpoint"),
    f"{HTTP_LATENCY}_count": ("app_name", "endpoint"),
    MODEL_INFO: ("model", "version", "trained_at", "decision_threshold"),
    f"{SCORE}_bucket": ("model", "version", "le"),
    f"{SCORE}_sum": ("model", "version"),
    f"{SCORE}_count": ("model", "version"),
    SCORE_SQUARES: ("model", "version"),
    f"{SCORE}{REFERENCE_SD}": ("model", "version"),
    f"{SCORE}{REFERENCE_MASS}": ("model", "version", "le", "lower"),
    f"{SCORE}{REFERENCE_CDF}": ("model", "version", "le"),
    f"{SCORE}{REFERENCE_SAMPLES}": ("model", "version"),
    f"{SCORE}{EVIDENCE}": ("model", "version", "alternative"),
    f"{SCORE}{EVIDENCE_THRESHOLD}": ("model", "version"),
    f"{FEATURE}_bucket": ("model", "version", "feature", "le"),
    f"{FEATURE}_sum": ("model", "version", "feature"),
    f"{FEATURE}_count": ("model", "version", "feature"),
    f"{FEATURE}{REFERENCE_MASS}": ("model", "version", "feature", "le", "lower"),
    f"{FEATURE}{REFERENCE_CDF}": ("model", "version", "feature", "le"),
    f"{FEATURE}{REFERENCE_SAMPLES}": ("model", "version", "feature"),
    f"{FEATURE}{EVIDENCE}": ("model", "version", "feature", "alternative"),
    f"{FEATURE}{EVIDENCE_THRESHOLD}": ("model", "version", "feature"),
    FEATURE_MISSING: ("model", "version", "feature"),
    f"{FEATURE}{REFERENCE_MISSING}": ("model", "version", "feature"),
    FEATURE_OUT_OF_RANGE: ("model", "version", "feature"),
    CATEGORY: ("model", "version", "feature", "category"),
    f"model_category{REFERENCE_MASS}": ("model", "version", "feature", "category"),
    f"model_category{REFERENCE_SAMPLES}": ("model", "version", "feature"),
    f"{LABELLED_SCORE}_bucket": ("model", "version", "outcome", "le"),
    f"{LABELLED_SCORE}_sum": ("model", "version", "outcome"),
    f"{LABELLED_SCORE}_count": ("model", "version", "outcome"),
    f"{LABELLED_SCORE}{REFERENCE_SAMPLES}": ("model", "version"),
    f"{LABELLED_SCORE}{EVIDENCE}": ("model", "version", "alternative"),
    f"{LABELLED_SCORE}{EVIDENCE_THRESHOLD}": ("model", "version"),
    LABELLED_WEIGHT: ("model", "version", "statistic", "outcome", "le"),
    f"{SEGMENT_SCORE}_bucket": ("model", "version", "segment", "le"),
    f"{SEGMENT_SCORE}_sum": ("model", "version", "segment"),
    f"{SEGMENT_SCORE}_count": ("model", "version", "segment"),
    f"{SEGMENT_SCORE}{REFERENCE_CDF}": ("model", "version", "segment", "le"),
    f"{SEGMENT_SCORE}{REFERENCE_SAMPLES}": ("model", "version", "segment"),
    CALIBRATION_OUTCOMES: ("model", "version", "by", "group"),
    CALIBRATION_POSITIVES: ("model", "version", "by", "group"),
    CALIBRATION_EXPECTED: ("model", "version", "by", "group"),
    f"model_calibration{REFERENCE_GAP}": ("model", "version", "by", "group"),
    f"model_calibration{REFERENCE_SAMPLES}": ("model", "version", "by", "group"),
    FEEDBACK: ("model", "version", "result"),
}
"""Every metric of the service, by its name on the wire, with its labels."""

GENERATOR_METRICS: Mapping[str, tuple[str, ...]] = {
    "driftdrill_scenario_info": ("scenario", "model", "phase", "speed", "seed"),
    "driftdrill_drift_intensity": ("drift", "kind", "feature"),
    "driftdrill_requests_due_total": (),
    "driftdrill_requests_sent_total": (),
    "locust_users": (),
    "locust_requests_total": ("name", "method"),
    "locust_failures_total": ("name", "method"),
    "locust_response_seconds": ("name", "method", "quantile"),
}
"""Every metric of the load generator's web page, with its labels."""

UNMATCHED = "unmatched"
"""The `endpoint` of a request that no route matched, and `method` of one HTTP does not define."""

OTHER = "other"
"""The `category` of every value that the reference data did not hold."""

UNSEEN = "unseen"
"""The name under which simulated rows send a category that the reference data did not hold."""

DRILL_TIME = "X-Drill-Time"
"""Header of a drill's requests: the unix time in the drill's own calendar. What goes by the hour
cannot go by the machine's clock where an hour takes a minute."""

MAX_BATCH = 1000
"""Rows in one `/predict`, outcomes in one `/feedback`."""

_LOWER_QUANTILES = (0.0003, 0.001, 0.004, 0.015, 0.05, 0.1, 0.175, 0.25, 0.375, 0.5)
EDGE_QUANTILES = _LOWER_QUANTILES + tuple(round(1 - q, 4) for q in _LOWER_QUANTILES[-2::-1])
"""Share of the reference below each bucket edge; with +Inf they make 20 buckets.

Refined at both tails: 20 such buckets keep .90 to .99 of the Kullback-Leibler divergence of normal
values whose mean or spread changed by a quarter, or of which 5 % went 2.5 sd up, where 20 equal
ones keep .28 to .98.
"""

HOUR_S = 3600.0
HOURS_OF_WEEK = 168

BAND_QUANTILES = (0.1, 0.25, 0.5, 0.75, 0.9)
"""Share of the reference scores below the edges of the score bands, in which segments are counted
and calibration is watched: few, as each has only a part of the traffic."""


# --- Features -----------------------------------------------------------------------------------


class Feature(msgspec.Struct, frozen=True):
    """One column of a model's input: numeric, or categorical when it lists categories.

    Attributes:
        nullable: Whether values may be missing.
        integer: Whether numbers are sent as whole ones, rounded where a drift made fractions.
    """

    name: str
    categories: tuple[str, ...] = ()
    nullable: bool = False
    integer: bool = False

    @property
    def kind(self) -> Literal["numeric", "category"]:
        """How the column is counted: in a histogram, or per category."""
        return "category" if self.categories else "numeric"


class Schema(msgspec.Struct, frozen=True, dict=True):
    """The ordered columns of a model's input.

    A row has two forms: a JSON object on the wire, and a row of a float64 matrix. In the matrix a
    category is its index in `Feature.categories`, any unseen category is one past the last index,
    and a missing value is nan.

    Attributes:
        features: The columns.
        segment: The categorical feature by whose categories predictions are also watched apart.
    """

    features: tuple[Feature, ...]
    segment: str | None = None

    @property
    def segments(self) -> tuple[str, ...]:
        """The segments' names; none where no feature divides the rows."""
        if self.segment is None:
            return ()
        return self.features[self.index(self.segment)].categories

    def segment_numbers(self, x: Floats) -> NDArray[np.intp]:
        """(n,) number in `segments` of each row's segment; one past the last of all others."""
        none = len(self.segments)
        if self.segment is None:
            return np.full(len(x), none, dtype=np.intp)
        column = x[:, self.index(self.segment)]
        if len(x) == 1:  # a tenth of the time that arrays take
            value = column[0]
            return np.array([none if value != value else int(value)], dtype=np.intp)
        return np.asarray(np.where(np.isnan(column), none, column), dtype=np.intp)

    @property
    def names(self) -> tuple[str, ...]:
        """The column names, in order."""
        return tuple(feature.name for feature in self.features)

    def index(self, name: str) -> int:
        """The column of a feature; ValueError, naming the known ones, when there is none."""
        try:
            return self.names.index(name)
        except ValueError:
            raise ValueError(f"no feature {name!r}; known: {', '.join(self.names)}") from None

    def encode(self, rows: Iterable[Mapping[str, Any]]) -> Floats:
        """JSON rows (n objects, every feature present) to an (n, d) matrix.

        >>> schema = Schema((Feature("age"), Feature("home", ("own", "rent"))))
        >>> schema.encode([{"age": 31, "home": "rent"}, {"age": None, "home": "boat"}])
        array([[31.,  1.],
               [nan,  2.]])
        """
        names = self.names
        return self.encode_values([row[name] for name in names] for row in rows)

    def encode_values(self, rows: Iterable[Iterable[Any]]) -> Floats:
        """Rows of d plain values, in the order of the features, to an (n, d) matrix."""
        coders = self._coders
        return np.array(
            [
                [
                    math.nan if value is None
                    else value if coder is None
                    else coder.get(value, len(coder))
                    for value, coder in zip(row, coders, strict=True)
                ]
                for row in rows
            ],
            dtype=np.float64,
        ).reshape(-1, len(coders))  # fmt: skip

    @cached_property
    def _coders(self) -> tuple[dict[str, int] | None, ...]:
        """Per feature its categories' numbers; None for a numeric one."""
        return tuple(
            {name: number for number, name in enumerate(feature.categories)} or None
            for feature in self.features
        )

    def decode(self, x: Floats) -> list[dict[str, Any]]:
        """An (n, d) matrix to JSON rows; nan becomes None, an unseen category a name of its own.

        >>> schema = Schema((Feature("age"), Feature("home", ("own", "rent"))))
        >>> schema.decode(np.array([[31.0, 1.0], [np.nan, 2.0]]))
        [{'age': 31.0, 'home': 'rent'}, {'age': None, 'home': 'unseen'}]
        """
        columns = []
        for feature, column in zip(self.features, x.T, strict=True):
            missing = np.isnan(column)
            if feature.categories:
                names = np.array([*feature.categories, UNSEEN, None])
                columns.append(names[np.where(missing, -1, column).astype(int)].tolist())
            else:
                values: list[Any] = (_whole(column) if feature.integer else column).tolist()
                for row in np.flatnonzero(missing).tolist():
                    values[row] = None
                columns.append(values)
        named = map(zip, repeat(self.names), zip(*columns, strict=True))
        return list(map(dict, named))


def _whole(column: Floats) -> NDArray[np.int64]:
    """Numbers rounded to whole ones, as far as floats tell these apart; 0 for nan."""
    return np.rint(np.nan_to_num(np.clip(column, -(2.0**53), 2.0**53))).astype(np.int64)


DATA = Path(__file__).parent / "data"

# --- Data sets ----------------------------------------------------------------------------------


class Dataset(msgspec.Struct, frozen=True):
    """Rows with their outcomes, in the order in which they happened.

    Attributes:
        schema: The columns of `x`.
        x: (n, d) inputs, encoded as `Schema` says.
        outcome: (n,) what came true, 0 or 1.
        time: (n,) seconds at which the prediction is asked for, ascending.
        known: (n,) seconds at which the outcome is known.
    """

    schema: Schema
    x: Floats
    outcome: NDArray[np.uint8]
    time: NDArray[np.int64]
    known: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.outcome)

    def __getitem__(self, rows: slice) -> Dataset:
        """A contiguous part, in the same order."""
        return Dataset(
            self.schema, self.x[rows], self.outcome[rows], self.time[rows], self.known[rows]
        )


def save_dataset(dataset: Dataset, path: Path) -> None:
    """Write a data set as one compressed .npz, column by column as float32."""
    np.savez_compressed(
        path,
        schema=np.frombuffer(msgspec.json.encode(dataset.schema), dtype=np.uint8),
        outcome=dataset.outcome,
        time=dataset.time,
        known=dataset.known,
        **{f"x_{i}": column.astype(np.float32) for i, column in enumerate(dataset.x.T)},
    )


def load_dataset(path: Path) -> Dataset:
    """Read what `save_dataset` wrote; ValueError, naming the file, when it is not one."""
    try:
        with np.load(path, allow_pickle=False) as data:
            schema = msgspec.json.decode(data["schema"].tobytes(), type=Schema)
            columns = [_as_decimals(data[f"x_{i}"]) for i in range(len(schema.features))]
            return Dataset(
                schema, np.column_stack(columns), data["outcome"], data["time"], data["known"]
            )
    except (OSError, KeyError, ValueError, EOFError) as error:
        raise ValueError(f"{path}: not a readable data set: {error}") from error


def _as_decimals(column: NDArray[np.float32]) -> Floats:
    """The shortest decimals of single-precision numbers: 36.4, not 36.400001525878906."""
    values, index = np.unique(column, return_inverse=True)
    return values.astype(np.str_).astype(np.float64)[index]


class Recipe(msgspec.Struct, frozen=True):
    """How a shipped model is made of its data set, whose rows are in the order of time.

    The reference follows the training rows in time and shares none with them, so it shows scores
    as they are on rows that the model has not seen.

    Attributes:
        train_days: The first days, which the model is fitted on.
        reference_days: The days after them, which give the reference.
        decision_quantile: Share of reference scores at or below the decision threshold.
        hours: (168,) the slot of each hour of the week, from Monday on, where the reference is to
            go by the hour; see `model.Season`.
    """

    train_days: float
    reference_days: float
    decision_quantile: float
    hours: tuple[int, ...] | None = None

    def split(self, dataset: Dataset) -> tuple[Dataset, Dataset]:
        """The rows to train on, and those of the reference."""
        start = dataset.time[0] if len(dataset) else 0
        days = np.array([self.train_days, self.train_days + self.reference_days])
        first, last = np.searchsorted(dataset.time, start + 86_400 * days)
        return dataset[:first], dataset[first:last]


WORKDAYS_AND_WEEKENDS = tuple(hour + 24 * (day >= 5) for day in range(7) for hour in range(24))
"""48 slots: the hours of any workday, and those of any weekend day."""

RECIPES: Mapping[str, Recipe] = {
    # Two fifths of the year, and the rest of it; the riskiest tenth is declined.
    "credit": Recipe(train_days=146, reference_days=219, decision_quantile=0.9),
    # Eight weeks and the four after them: whole weeks, near enough to share the season.
    "flights": Recipe(train_days=56, reference_days=28, decision_quantile=0.75),
    # Four weeks, and the twenty-two after them: each hour is a small part of the reference.
    "seasonal-credit": Recipe(
        train_days=28, reference_days=154, decision_quantile=0.9, hours=WORKDAYS_AND_WEEKENDS
    ),
}
"""The shipped models by name; their data sets are `DATA/<name>.npz`."""


def tail_refined_edges(sample: Floats | Sequence[float]) -> Floats:
    """Ascending bucket edges at `EDGE_QUANTILES` of a sample; nan is left out, ties merge."""
    values = np.asarray(sample, dtype=np.float64)
    return np.unique(np.quantile(values[~np.isnan(values)], EDGE_QUANTILES))
