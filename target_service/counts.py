"""Counting values into buckets: one at a time in plain Python, many at a time in numpy."""

from __future__ import annotations

import math
from bisect import bisect_left
from itertools import pairwise

import numpy as np

from target_service.contract import Floats


class Counts:
    """How many values fell into each bucket, their sum, and how many were missing.

    Not thread-safe: its owner holds the lock.

    Attributes:
        edges: k ascending upper edges; each bucket includes its upper edge, as in Prometheus.
        buckets: k + 1 counts, not cumulative; the last bucket has no upper edge.
        total: Sum of the counted values.
        missing: How many values were nan; they are in no bucket.
    """

    def __init__(self, edges: tuple[float, ...]) -> None:
        self.edges = edges
        self._ends = np.array((*edges, np.inf), dtype=np.float64)
        self.buckets = [0] * (len(edges) + 1)
        self.total = 0.0
        self.missing = 0

    def restore(self, buckets: list[int], missing: int, total: float) -> None:
        """Go on counting from what the attributes said."""
        self.buckets, self.missing, self.total = buckets, missing, total

    def add(self, value: float) -> None:
        """Count one value; ten times as fast as an array of one."""
        if value != value:
            self.missing += 1
        else:
            self.buckets[bisect_left(self.edges, value)] += 1
            self.total += value

    def add_many(self, values: Floats) -> None:
        """Count (n,) values: sorted, as comparing each with the edges is a guess at every step."""
        ordered = np.sort(values)  # nan comes last
        ends = ordered.searchsorted(self._ends, side="right").tolist()
        self.buckets = [
            count + end - begin
            for count, (begin, end) in zip(self.buckets, pairwise((0, *ends)), strict=True)
        ]
        known = ends[-1]
        self.missing += len(ordered) - known
        self.total += float(ordered[:known].sum())


class RangedCounts:
    """`Counts` that know besides how many values lay out of a range, at no cost per value.

    The first and the last bucket are counted in two parts each, out of the range and in it.

    Attributes:
        edges: As in `Counts`.
        add_many: Counts (n,) values.
    """

    def __init__(self, edges: tuple[float, ...], smallest: float, largest: float) -> None:
        self.edges = edges
        below = math.nextafter(smallest, -math.inf)  # as a bucket includes its upper edge
        self._fine = Counts((below, *edges, largest))
        self.add_many = self._fine.add_many

    @property
    def buckets(self) -> list[int]:
        """As in `Counts`."""
        below, first, *middle, last, above = self._fine.buckets
        return [below + first, *middle, last + above]

    @property
    def outside(self) -> int:
        """How many values were smaller or larger than any in the range."""
        return self._fine.buckets[0] + self._fine.buckets[-1]

    @property
    def total(self) -> float:
        """As in `Counts`."""
        return self._fine.total

    @property
    def missing(self) -> int:
        """As in `Counts`."""
        return self._fine.missing

    def restore(self, buckets: list[int], missing: int, total: float, outside: int) -> None:
        """Go on counting from what the properties said; on which side is not told apart."""
        first, *others = buckets
        self._fine.buckets = [outside, first - outside, *others, 0]
        self._fine.missing, self._fine.total = missing, total
