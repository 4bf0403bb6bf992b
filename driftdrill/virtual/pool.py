"""Counting traffic without drawing each row: what a scrape adds, at a cost that ignores the rate.

A pool holds rows of one state of the world, scored and binned once. n rows drawn from it are the
sum of whole batches of 64, 128, 256, … rows, one for each binary digit of n, and of single rows for
the rest: O(log n) additions of the vector that the service counts in. Whatever the rows have in
common, scores with inputs and inputs with each other, the sums have too. The one approximation is
the pool's size: n rows are drawn from `POOL` rows, not from the population.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from driftdrill.virtual.service import ACCEPTED, CALIBRATION, PREDICT, VirtualService
from target_service.contract import OTHER, Floats

POOL = 65_536
"""Rows of a pool. The share of rows below an edge is known to 0.5 / sqrt(POOL) = 0.002 (one
standard deviation), a twenty-fifth of the shift of 0.05 from which the shipped rules alarm."""

BATCH = 64
"""Rows of the smallest batch; fewer are drawn one by one."""

CHUNK = 1024
"""Scrapes counted at a time: bounds the memory."""

_AT_ONCE = 128
"""Groups counted at a time: what they take fits in a processor's cache, and no page of memory is
touched for the first time, for which a system takes longer than all else does."""


@dataclass
class Pool:
    """The rows of one state of the world.

    Attributes:
        bins: (POOL, k) the k elements of the service's vector to which each row adds 1.
        sums: (POOL, m) the m elements to which each row adds something else.
        values: (POOL, m) what that is.
        width: d, the length of the vector.
    """

    bins: NDArray[np.intp]
    sums: NDArray[np.intp]
    values: Floats
    width: int
    _batches: list[Floats] = field(default_factory=list)

    def draw(self, rng: np.random.Generator, sizes: NDArray[np.int64]) -> Floats:
        """(t, d) what t groups of rows add to the vector, by the (t,) numbers of their rows."""
        cuts = [*range(0, len(sizes), CHUNK), len(sizes)]
        return np.concatenate([self._draw(rng, sizes[a:b]) for a, b in pairwise(cuts)])

    def _draw(self, rng: np.random.Generator, sizes: NDArray[np.int64]) -> Floats:
        rest = sizes % BATCH
        groups = np.repeat(np.arange(len(sizes)), rest)
        added = self._count(rng.integers(POOL, size=len(groups)), groups, len(sizes))
        digits = sizes // BATCH
        for level in range(int(digits.max(initial=0)).bit_length()):
            chosen = np.flatnonzero(digits >> level & 1)
            added[chosen] += self._level(rng, level)[rng.integers(POOL // BATCH, size=len(chosen))]
        return added

    def _level(self, rng: np.random.Generator, level: int) -> Floats:
        """(POOL / BATCH, d) what batches of BATCH * 2**level rows add; each the sum of two smaller.

        Every level adds up to the pool's own distribution, each row as often as any other.
        """
        if not self._batches:
            rows = rng.permutation(POOL)
            self._batches.append(self._count(rows, np.arange(POOL) // BATCH, POOL // BATCH))
        while len(self._batches) <= level:
            smaller = rng.permutation(self._batches[-1])
            self._batches.append(smaller + np.roll(smaller, 1, axis=0))
        return self._batches[level]

    def _count(self, rows: NDArray[np.int64], groups: NDArray[np.int64], count: int) -> Floats:
        """(count, d) what (n,) rows of the pool add to the groups of each, ascending from 0 on."""
        added = np.empty((count, self.width))
        for first in range(0, count, _AT_ONCE):
            last = min(first + _AT_ONCE, count)
            here = slice(*np.searchsorted(groups, [first, last]))
            added[first:last] = self._add(rows[here], groups[here] - first, last - first)
        return added

    def _add(self, rows: NDArray[np.int64], groups: NDArray[np.int64], count: int) -> Floats:
        first, cells = groups[:, None] * self.width, count * self.width
        weights = self.values.take(rows, axis=0).ravel()
        added = np.zeros(cells)
        added += np.bincount((self.sums.take(rows, axis=0) + first).ravel(), weights, cells)
        added += np.bincount((self.bins.take(rows, axis=0) + first).ravel(), minlength=cells)
        return added.reshape(count, self.width)


def pool(
    service: VirtualService,
    x: Floats,
    latency: Floats,
    outcome: NDArray[np.uint8],
    labelled: NDArray[np.bool_],
) -> Pool:
    """A pool of (POOL, d) rows that a service answers.

    Args:
        service: Scores them.
        x: The rows, encoded as `Schema` says.
        latency: (POOL,) seconds that each takes.
        outcome: (POOL,) what comes true.
        labelled: (POOL,) whether that is ever reported.
    """
    scores = service.model.score(x)
    values = {("score",): scores, ("latency", "/predict"): latency}
    values |= {
        ("feature", name): column
        for name, column in zip(service.model.schema.names, x.T, strict=True)
    }
    bins = [service.bins(value, *key) for key, value in values.items()]
    bins.append(np.full(POOL, service.position(*PREDICT)))
    sums = [(np.full(POOL, service.positions[k].stop - 1), v) for k, v in values.items()]
    nowhere = service.width  # the element after the last, for what is not counted
    bins += [
        np.where(service.out_of_range(x, name), service.position("out of range", name), nowhere)
        for name in service.ranged
    ]
    sums.append((np.full(POOL, service.position("score squares")), scores**2))
    segments = service.model.schema.segment_numbers(x)
    by_segment, summed = np.zeros(POOL, dtype=np.intp), np.zeros(POOL, dtype=np.intp)
    for number, name in enumerate((*service.model.schema.segments, OTHER)):
        members = segments == number
        by_segment[members] = service.bins(scores[members], "segment", name)
        summed[members] = service.positions["segment", name].stop - 1
    bins.append(by_segment)
    sums.append((summed, scores))

    # What an unlabelled row adds is nowhere.
    accepted = np.where(labelled, service.position(*ACCEPTED), nowhere)
    labelled_bins, labelled_sums = np.full(POOL, nowhere), np.full(POOL, nowhere)
    for y in (0, 1):
        told = labelled & (outcome == y)
        labelled_bins[told] = service.bins(scores[told], "labelled", str(y))
        labelled_sums[told] = service.positions["labelled", str(y)].stop - 1
    sums.append((labelled_sums, scores))
    groups = service.calibration_groups(scores, segments)
    counted, positive, expected = (service.position(*key) for key in CALIBRATION)
    for group in groups:
        known = labelled & (group < len(service.model.calibration))
        bins.append(np.where(known, counted + group, nowhere))
        bins.append(np.where(known & (outcome == 1), positive + group, nowhere))
        sums.append((np.where(known, expected + group, nowhere), scores))
    elements, added = zip(*sums, strict=True)
    return Pool(
        bins=np.stack([*bins, accepted, labelled_bins], axis=1),
        sums=np.stack(elements, axis=1),
        values=np.nan_to_num(np.stack(added, axis=1), copy=False),
        width=service.width + 1,
    )
