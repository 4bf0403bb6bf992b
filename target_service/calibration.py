"""Counters of how far the scores agree with what comes true, by segment and by band of scores."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from target_service.contract import Floats
from target_service.model import Reference, bucket_numbers


def calibration_groups(
    model: Reference, scores: Floats, segments: NDArray[np.integer]
) -> NDArray[np.intp]:
    """(2, n) the numbers in `model.calibration` of the segment and of the band of n predictions.

    Args:
        model: The model that predicted.
        scores: (n,) as predicted.
        segments: (n,) numbers, as `Schema.segment_numbers` gives them; where one is past the last
            segment, the group is past the last as well.
    """
    known = len(model.schema.segments)
    by_segment = np.where(segments < known, segments, len(model.calibration))
    return np.stack([by_segment, known + bucket_numbers(model.bands, scores)])


class CalibrationCounts:
    """Labelled predictions by segment, and again by band of scores: the groups of the model.

    Not thread-safe: its owner holds the lock.

    Attributes:
        outcomes: (groups,) how many outcomes were told.
        positives: (groups,) how many of them were 1.
        expected: (groups,) the sum of their scores: as many positives as the model claimed.
    """

    def __init__(self, model: Reference) -> None:
        self._model = model
        groups = len(model.calibration)
        self.outcomes = np.zeros(groups)
        self.positives = np.zeros(groups)
        self.expected = np.zeros(groups)

    def add(
        self,
        scores: Floats,
        outcomes: NDArray[np.integer],
        segments: NDArray[np.integer] | None,
    ) -> None:
        """Count n predictions, by their scores and segments, with their outcomes, 0 or 1."""
        if segments is None:
            segments = np.full(len(scores), len(self._model.schema.segments))
        groups = calibration_groups(self._model, scores, segments).ravel()

        def summed(weights: NDArray[Any]) -> Floats:
            twice = np.tile(np.asarray(weights, dtype=np.float64), 2)
            counted = np.bincount(groups, twice, len(self.outcomes) + 1)[:-1]
            return np.asarray(counted, dtype=np.float64)

        self.outcomes += summed(np.ones(len(scores)))
        self.positives += summed(outcomes)
        self.expected += summed(scores)
