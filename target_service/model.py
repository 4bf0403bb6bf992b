"""A trained model: what it scores with, and the reference that its live traffic is held against.

The artifact is one JSON file: no pickle, so loading one runs no code, and the service needs no
scikit-learn. The fitted pipeline is linear, and travels as its coefficients; a test holds them
equal to the pipeline's own predict_proba.
"""

from __future__ import annotations

import hashlib
import math
from itertools import pairwise
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray

from target_service.contract import HOUR_S, HOURS_OF_WEEK, Floats, Schema
from target_service.evidence import Bank

ARTIFACT = "model.json"

LARGEST_LOG_ODDS = 500.0
"""Beyond this the probability is 0 or 1 in floating point, and exp would overflow at 710."""


class ArtifactError(Exception):
    """A model artifact is missing, damaged, or not one; the message names the file."""


class Distribution(msgspec.Struct, frozen=True):
    """How values fell into buckets in the reference data.

    A category column is counted in the same way, with the categories' numbers as edges: its last
    bucket is every unseen category.

    Attributes:
        edges: k ascending upper edges; each bucket includes its upper edge, as in Prometheus.
        counts: k + 1 values per bucket; the last bucket has no upper edge.
        mean: Of the values that were not missing; None for a category column.
        sd: Their standard deviation; None for a category column.
        range: Their smallest and largest; None for a category column.
    """

    edges: tuple[float, ...]
    counts: tuple[int, ...]
    mean: float | None = None
    sd: float | None = None
    range: tuple[float, float] | None = None

    @property
    def samples(self) -> int:
        """The number of values that were not missing."""
        return sum(self.counts)

    @property
    def masses(self) -> Floats:
        """(k + 1,) share of the samples per bucket."""
        return np.array(self.counts) / self.samples

    @property
    def cdf(self) -> Floats:
        """(k + 1,) share of the samples at or below each edge, and 1."""
        return np.cumsum(self.counts) / self.samples


class NumericTerm(msgspec.Struct, frozen=True, tag="numeric"):
    """`coefficient * value`, the `fill` standing for a missing value."""

    coefficient: float
    fill: float


class CategoryTerm(msgspec.Struct, frozen=True, tag="category"):
    """One effect per category, and 0 as the last one: for the unseen and the missing."""

    effects: tuple[float, ...]


class Calibration(msgspec.Struct, frozen=True):
    """How the scores of one group of reference rows agree with what came true.

    Attributes:
        by: What the group is a part of: the segment's feature, or `score`.
        group: The segment, or the band of scores.
        gap: Mean of outcome less score.
        samples: Rows of the group.
    """

    by: str
    group: str
    gap: float
    samples: int


class Banks(msgspec.Struct, frozen=True):
    """What live traffic is held against, beside the reference: ways in which it may have changed.

    Attributes:
        score: Of the scores.
        features: Of the values of each column.
        outcomes: Of outcomes given scores; its bins are the score's with outcome 0, then with 1.
    """

    score: Bank
    features: tuple[Bank, ...]
    outcomes: Bank


class HourReference(msgspec.Struct, frozen=True):
    """The part of the reference that fell into some hours of the week, in the buckets of the whole.

    Attributes:
        scores: As the counts of `Reference.scores`.
        features: As those of `Reference.features`.
        segments: As those of `Reference.segments`.
    """

    scores: tuple[int, ...]
    features: tuple[tuple[int, ...], ...]
    segments: tuple[tuple[int, ...], ...]


class Season(msgspec.Struct, frozen=True):
    """What is usual at which hour of the week.

    Attributes:
        hours: (168,) for each hour, from Monday 00:00 UTC on, the number of its slot. Hours that
            are alike share one, so that each slot has enough values.
        slots: Their references.
    """

    hours: tuple[int, ...]
    slots: tuple[HourReference, ...]

    def slot_at(self, time: float) -> int:
        """The number of the slot of a unix time."""
        return self.hours[hour_of_week(time)]


class Reference(msgspec.Struct, frozen=True):
    """What is known of a model without the model: how it answered on reference data.

    Attributes:
        name: Which model; the label `model` of its metrics.
        version: Which training of it; the label `version`.
        trained_at: When, in ISO 8601, UTC.
        schema: The columns of its input.
        decision_threshold: Scores above it predict outcome 1. One of the edges of `scores`.
        scores: Reference scores.
        features: Reference values of each column.
        labelled: Reference scores, in the buckets of `scores`, by outcome 0 and 1.
        bands: Edges between the bands of scores; some of those of `scores`.
        segments: Reference scores, in `bands`, of each segment of the schema.
        calibration: Of each segment, then of each band.
        banks: The alternatives to these references.
        season: What of it is usual at which hour; None where nothing goes by the hour.
    """

    name: str
    version: str
    trained_at: str
    schema: Schema
    decision_threshold: float
    scores: Distribution
    features: tuple[Distribution, ...]
    labelled: tuple[tuple[int, ...], tuple[int, ...]]
    bands: tuple[float, ...]
    segments: tuple[Distribution, ...]
    calibration: tuple[Calibration, ...]
    banks: Banks
    season: Season | None = None


class Model(Reference, frozen=True, kw_only=True):
    """A logistic model with its reference.

    Attributes:
        intercept: Log-odds where every term is 0.
        terms: What each column adds to the log-odds.
    """

    intercept: float
    terms: tuple[NumericTerm | CategoryTerm, ...]

    def score(self, x: Floats) -> Floats:
        """(n,) probability of outcome 1 of an (n, d) encoded matrix."""
        if len(x) == 1:
            return np.array([self._score_one(x[0].tolist())])
        log_odds = np.full(len(x), self.intercept)
        for term, column in zip(self.terms, x.T, strict=True):
            missing = np.isnan(column)
            if isinstance(term, NumericTerm):
                log_odds += term.coefficient * np.where(missing, term.fill, column)
            else:
                numbers = np.where(missing, len(term.effects) - 1, column).astype(np.intp)
                log_odds += np.array(term.effects)[numbers]
        bounded = np.clip(log_odds, -LARGEST_LOG_ODDS, LARGEST_LOG_ODDS)
        return np.asarray(1.0 / (1.0 + np.exp(-bounded)), dtype=np.float64)

    def _score_one(self, row: list[float]) -> float:
        """The same in plain Python: 20 array operations would cost ten times as much."""
        log_odds = self.intercept
        for term, value in zip(self.terms, row, strict=True):
            if isinstance(term, NumericTerm):
                log_odds += term.coefficient * (value if value == value else term.fill)
            elif value == value:
                log_odds += term.effects[int(value)]
        bounded = min(max(log_odds, -LARGEST_LOG_ODDS), LARGEST_LOG_ODDS)
        return 1.0 / (1.0 + math.exp(-bounded))

    def save(self, folder: Path) -> Path:
        """Write the artifact into a folder, made when there is none; returns the file."""
        body = msgspec.json.encode(self)
        sealed = _Sealed(sha256=hashlib.sha256(body).hexdigest(), model=msgspec.Raw(body))
        path = folder / ARTIFACT
        folder.mkdir(parents=True, exist_ok=True)
        unfinished = path.with_suffix(".part")
        unfinished.write_bytes(msgspec.json.encode(sealed))
        unfinished.replace(path)
        return path


class _Sealed(msgspec.Struct, frozen=True):
    """The file: a model's JSON and the checksum of those very bytes."""

    sha256: str
    model: msgspec.Raw


def load(folder: Path) -> Model:
    """Read what `Model.save` wrote.

    Raises:
        ArtifactError: The file is missing, truncated, changed, or of another kind.
    """
    path = folder / ARTIFACT
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ArtifactError(f"{path}: cannot be read: {error.strerror}") from error
    try:
        sealed = msgspec.json.decode(content, type=_Sealed)
        if hashlib.sha256(bytes(sealed.model)).hexdigest() != sealed.sha256:
            raise ArtifactError(f"{path}: damaged: its content does not match its sha256")
        return msgspec.json.decode(sealed.model, type=Model)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ArtifactError(f"{path}: not a model artifact: {error}") from error


def load_reference(path: Path) -> Reference:
    """Read a reference that lies alone in a JSON file; ArtifactError where it is none."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=Reference)
    except OSError as error:
        raise ArtifactError(f"{path}: cannot be read: {error.strerror}") from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ArtifactError(f"{path}: not a reference: {error}") from error


def hour_of_week(time: float) -> int:
    """Whole hours since Monday 00:00 UTC, 0 to 167, of a unix time.

    >>> hour_of_week(0)  # 1970 began on a Thursday
    72
    """
    return (int(time // HOUR_S) + 72) % HOURS_OF_WEEK


def bucket_numbers(edges: tuple[float, ...], values: Floats) -> NDArray[np.intp]:
    """(n,) bucket, 0 to len(edges), of (n,) values; each bucket includes its upper edge."""
    return np.searchsorted(edges, values, side="left")


def band_names(bands: tuple[float, ...]) -> tuple[str, ...]:
    """The names of score bands, by the scores that they lie between.

    >>> band_names((0.1, 0.25))
    ('0-0.1', '0.1-0.25', '0.25-1')
    """
    ends = [f"{edge:.3g}" for edge in (0, *bands, 1)]
    return tuple(f"{low}-{high}" for low, high in pairwise(ends))
