"""Quality from counters alone: per-prediction statistics as weights on labelled-score buckets.

A statistic that gives every labelled prediction a weight w by its outcome and its score's bucket
sums to `Σ_b w_b (C_b - C_{b-1})` over the cumulative bucket counters C that Prometheus keeps. By
Abel summation that is `Σ_b (w_b - w_{b+1}) C_b`, with w past the last bucket taken as 0: one
multiplication per series, which PromQL can do.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from target_service.contract import Floats
from target_service.model import Reference


def bin_weights(model: Reference) -> Mapping[str, Floats]:
    """Each statistic's (2, bins) weight of one labelled prediction, by outcome and score bin.

    - `error`: 1 where the decision, score above the threshold, and the outcome disagree.
    - `excess_error`: the error less the chance of one that the reference calibration gives to this
      very bin. Its mean is 0 while P(y|x) holds, however the inputs shift.
    - `prior`: 1 for outcome 1.
    """
    counts = np.array(model.labelled, dtype=np.float64)
    total = counts.sum(axis=0)
    # A bin that the reference left empty says nothing: the overall rate stands in.
    overall = np.full_like(total, counts[1].sum() / total.sum())
    positive_rate = np.divide(counts[1], total, out=overall, where=total > 0)

    # Bin b holds scores above edge b-1, so the first positive bin follows the threshold's own.
    positive = np.arange(len(total)) > model.scores.edges.index(model.decision_threshold)
    error = np.array([positive, ~positive], dtype=np.float64)
    expected = np.where(positive, 1 - positive_rate, positive_rate)
    prior = np.array([np.zeros_like(total), np.ones_like(total)])
    return {"error": error, "excess_error": error - expected, "prior": prior}


def edge_weights(weights: Floats) -> Floats:
    """(…, bins) weights of bins to the equivalent weights of cumulative buckets.

    >>> edge_weights(np.array([3.0, 1.0, 0.5])).tolist()
    [2.0, 0.5, 0.5]
    """
    following = np.zeros_like(weights)
    following[..., :-1] = weights[..., 1:]
    return weights - following
