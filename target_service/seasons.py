"""The reference of an hour of the week: measured with the whole one, and taken out of it again."""

from __future__ import annotations

from typing import TypeVar

import msgspec
import numpy as np

from target_service.contract import OTHER, Dataset, Floats
from target_service.evidence import (
    FEATURE_CHANGES,
    category_bank,
    discounted,
    numeric_bank,
    score_changes,
)
from target_service.model import (
    Distribution,
    HourReference,
    Reference,
    Season,
    bucket_numbers,
    hour_of_week,
)

MOST_VALUES = 6000
"""The rules look at no more values than these at once: see docs/detection.md."""

_R = TypeVar("_R", bound=Reference)


def measure_season(
    reference: Reference, dataset: Dataset, scores: Floats, hours: tuple[int, ...]
) -> Season:
    """How n rows and their (n,) scores fell into the reference's buckets, hour by hour.

    Args:
        reference: What all of them made.
        dataset: The rows; their times are unix times.
        scores: What the model answered.
        hours: (168,) the slot of each hour of the week.

    Raises:
        ValueError: A slot has no rows.
    """
    slots = np.array(hours)[[hour_of_week(time) for time in dataset.time.tolist()]]
    segment = reference.schema.segment_numbers(dataset.x)
    found = []
    for slot in range(max(hours) + 1):
        rows = slots == slot
        if not rows.any():
            raise ValueError(f"{reference.name}: the reference has no rows in slot {slot}")
        found.append(
            HourReference(
                scores=_counts(reference.scores, scores[rows]),
                features=tuple(
                    _counts(whole, column)
                    for whole, column in zip(reference.features, dataset.x[rows].T, strict=True)
                ),
                segments=tuple(
                    _counts(whole, scores[rows & (segment == number)])
                    for number, whole in enumerate(reference.segments)
                ),
            )
        )
    return Season(hours, tuple(found))


def at_slot(reference: _R, slot: int) -> _R:
    """What live traffic is held against while a slot's hours last; the whole without a season.

    Only where the values lie goes by the hour. Their range, their spread, and how outcomes follow
    from scores are the whole reference's.

    A slot has few values, so it is known less well than the whole. Evidence against it is reduced
    by m / (m + n), where m values are known and n, as many as the rules look at, are compared with
    them: what the error of the reference adds to the variance of a difference is taken off again.
    """
    if reference.season is None:
        return reference
    hour = reference.season.slots[slot]
    alarms = len(reference.features)
    banks = []
    for feature, counts in zip(reference.schema.features, hour.features, strict=True):
        if feature.kind == "category":
            bank = category_bank(counts, (*feature.categories, OTHER), alarms)
        else:
            bank = numeric_bank(counts, FEATURE_CHANGES, alarms)
        banks.append(discounted(bank, _trust(counts)))
    # How outcomes follow from scores, and so which priors the scores show, is the whole's.
    changes = score_changes(reference.scores.counts, reference.labelled)
    score_bank = numeric_bank(hour.scores, changes, alarms=1)
    return msgspec.structs.replace(
        reference,
        scores=_with_counts(reference.scores, hour.scores),
        features=tuple(map(_with_counts, reference.features, hour.features)),
        segments=tuple(map(_with_counts, reference.segments, hour.segments)),
        banks=msgspec.structs.replace(
            reference.banks,
            score=discounted(score_bank, _trust(hour.scores)),
            features=tuple(banks),
        ),
    )


def _counts(whole: Distribution, values: Floats) -> tuple[int, ...]:
    numbers = bucket_numbers(whole.edges, values[~np.isnan(values)])
    return tuple(np.bincount(numbers, minlength=len(whole.counts)).tolist())


def _with_counts(whole: Distribution, counts: tuple[int, ...]) -> Distribution:
    return msgspec.structs.replace(whole, counts=counts)


def _trust(counts: tuple[int, ...]) -> float:
    return sum(counts) / (sum(counts) + MOST_VALUES)
