"""Does one threshold keep its run length, however many values an evaluation brings?"""

from __future__ import annotations

import math

import numpy as np
from scipy.stats import norm

from driftdrill.certify.statistic import DENSE_WINDOWS, evidence
from target_service.contract import tail_refined_edges
from target_service.evidence import SCORE_CHANGES, numeric_bank

VOLUMES = (5, 25, 100, 1000, 10_000)
"""Values per evaluation."""

NOMINAL = 1000
"""Evaluations between two false alarms by the formula: few, so that there are some to count."""

STREAMS, EVALUATIONS, REFERENCE = 100, 5000, 200_000
FULL = DENSE_WINDOWS[-1]
"""Evaluations from which on all windows are full: a service has run for a while."""


def run_length_at(volume: int) -> float:
    """How many times the nominal run length one threshold has at a volume.

    Without any alarm it is what was watched: the least that it can be.
    """
    rng = np.random.default_rng(5)
    drawn = rng.normal(size=REFERENCE)
    edges = tail_refined_edges(drawn)
    counts = np.bincount(np.searchsorted(edges, drawn), minlength=len(edges) + 1)
    weights = np.array(numeric_bank(counts.tolist(), SCORE_CHANGES, alarms=1).weights)
    shares = np.diff(norm.cdf(edges), prepend=0.0, append=1.0)
    threshold = math.log(len(weights) * NOMINAL)
    watched = alarms = 0
    for _ in range(STREAMS):
        arrived = rng.multinomial(volume, shares, size=EVALUATIONS)
        values = np.full(EVALUATIONS, float(volume))
        crossed = evidence(weights @ arrived.T, values, DENSE_WINDOWS)[FULL:] >= threshold
        alarms += bool(crossed.any())
        watched += int(crossed.argmax()) + 1 if crossed.any() else len(crossed)
    return watched / max(alarms, 1) / NOMINAL
