"""Counting scores: in the buckets of the whole, and in the bands of the segment they belong to."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from target_service.contract import OTHER, Floats
from target_service.counts import Counts
from target_service.model import Reference


class ScoreCounts:
    """Scores of all rows, and of each segment.

    Not thread-safe: its owner holds the lock.

    Attributes:
        whole: In the buckets of the model's reference scores.
        squares: Sum of the squares.
        segments: In the model's bands, by the segment's name; `other` are the rows of no segment.
    """

    def __init__(self, model: Reference) -> None:
        self.whole = Counts(model.scores.edges)
        self.squares = 0.0
        self._parts = [Counts(model.bands) for _segment in (*model.schema.segments, OTHER)]
        names = (*model.schema.segments, OTHER)
        self.segments: Mapping[str, Counts] = dict(zip(names, self._parts, strict=True))
        self._band_edges = np.array(model.bands, dtype=np.float64)[:, None]

    def add_many(self, scores: Floats, segments: NDArray[np.integer]) -> None:
        """Count (n,) scores by the (n,) numbers of their segments, one past the last for none."""
        self.whole.add_many(scores)
        self.squares += float(scores @ scores)
        bands = len(self._parts[0].buckets)
        numbers = segments * bands + (scores > self._band_edges).sum(axis=0)
        counted = np.bincount(numbers, minlength=bands * len(self._parts)).tolist()
        totals = np.bincount(segments, weights=scores, minlength=len(self._parts)).tolist()
        for i, (part, total) in enumerate(zip(self._parts, totals, strict=True)):
            added = counted[i * bands : (i + 1) * bands]
            part.buckets = [old + new for old, new in zip(part.buckets, added, strict=True)]
            part.total += total
