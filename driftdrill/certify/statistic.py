"""What the shipped rules compute from evidence, in numpy: for studies over millions of evaluations.

A test holds it to the rules on Prometheus, evaluation by evaluation.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from target_service.contract import Floats

DENSE_WINDOWS = (1, 2, 3, 5, 8, 13, 21, 34, 55, 89, 144, 233, 377)
"""Evaluations that `drift:score_llr` and `quality:llr` look back over."""

SPARSE_WINDOWS = tuple(4**k for k in range(5))
"""Those of `drift:feature_llr`."""

MOST_VALUES = 6000
"""A window of more values than that does not count, but for the shortest."""

LARGEST = 700.0
"""Nats for or against an alternative in one window at most, so that exponentials are finite."""


def evidence(nats: Floats, values: Floats, windows: Sequence[int]) -> Floats:
    """The evidence for a change that the rules hold against the threshold.

    It is Shiryaev and Roberts' statistic, with the beginnings of a change gathered in windows.

    Args:
        nats: (alternatives, …, t) nats for each alternative that each evaluation brings.
        values: (…, t) how many values it brings.
        windows: Evaluations, ascending. Before the first evaluation there was nothing.

    Returns:
        (…, t) nats: the logarithm of the sum over windows of the largest likelihood ratio of an
        alternative, times the beginnings for which a window stands.
    """
    sums, counts = _cumulated(nats), _cumulated(values)
    total = np.full(values.shape, -np.inf)
    for shorter, window in zip((0, *windows), windows, strict=False):
        ratio = _over(sums, window).max(axis=0) + np.log(window - shorter)
        allowed = (window == 1) | (_over(counts, window) <= MOST_VALUES)
        np.logaddexp(total, np.clip(ratio, -LARGEST, LARGEST), out=total, where=allowed)
    return total


def _cumulated(increments: Floats) -> Floats:
    """Their sum up to each evaluation, and 0 before the first."""
    before = np.zeros((*increments.shape[:-1], 1))
    return np.concatenate([before, np.cumsum(increments, axis=-1)], axis=-1)


def _over(cumulated: Floats, window: int) -> Floats:
    """The sum over the last `window` evaluations, at each."""
    last = cumulated.shape[-1] - 1
    begin = np.maximum(np.arange(1, last + 1) - window, 0)
    return np.asarray(cumulated[..., 1:] - cumulated[..., begin], dtype=np.float64)
