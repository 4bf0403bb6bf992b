"""What the shipped rules compute from evidence, in numpy: for studies over millions of evaluations.

A test holds it to the rules on Prometheus, evaluation by evaluation.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from target_service.contract import Floats

SCORE_WINDOWS = tuple(2**k for k in range(10))
"""Evaluations that `drift:score_llr` looks back over."""

SPARSE_WINDOWS = tuple(4**k for k in range(5))
"""Those of `drift:feature_llr` and `quality:llr`."""

MOST_VALUES = 6000
"""A window of more values than that does not count, but for the shortest."""


def likelihood_ratios(evidence: Floats, values: Floats, windows: Sequence[int]) -> Floats:
    """The log-likelihood ratio that the rules hold against the threshold.

    Args:
        evidence: (alternatives, …, t) nats for each alternative that each evaluation brings.
        values: (…, t) how many values it brings.
        windows: Evaluations, ascending. Before the first evaluation there was nothing.

    Returns:
        (…, t) the largest over alternatives and windows; ln(k) is added to a window that stands for
        k beginnings of a change.
    """
    nats, counts = _cumulated(evidence), _cumulated(values)
    best = np.full(values.shape, -np.inf)
    for shorter, window in zip((0, *windows), windows, strict=False):
        ratio = _over(nats, window).max(axis=0) + np.log(window - shorter)
        allowed = (window == 1) | (_over(counts, window) <= MOST_VALUES)
        np.maximum(best, ratio, out=best, where=allowed)
    return best


def _cumulated(increments: Floats) -> Floats:
    """Their sum up to each evaluation, and 0 before the first."""
    before = np.zeros((*increments.shape[:-1], 1))
    return np.concatenate([before, np.cumsum(increments, axis=-1)], axis=-1)


def _over(cumulated: Floats, window: int) -> Floats:
    """The sum over the last `window` evaluations, at each."""
    last = cumulated.shape[-1] - 1
    begin = np.maximum(np.arange(1, last + 1) - window, 0)
    return np.asarray(cumulated[..., 1:] - cumulated[..., begin], dtype=np.float64)
