"""The threshold of the formula keeps its run length, however many values an evaluation brings."""

import math

import numpy as np
import pytest

from driftdrill.certify.statistic import DENSE_WINDOWS, evidence
from target_service.evidence import SCORE_CHANGES, numeric_bank

NOMINAL = 200
"""Evaluations between two false alarms by the formula: few, so that there are some to count."""
STREAMS, EVALUATIONS = 20, 2000
COUNTS = [1000, 4000, 15_000, 30_000, 50_000, 50_000, 30_000, 15_000, 4000, 1000]


@pytest.mark.parametrize(("values_per_evaluation", "some"), [(5, 10), (300, 5), (10_000, 0)])
def test_false_alarms_are_no_more_than_the_formula_says(values_per_evaluation, some):
    rng = np.random.default_rng(1)
    weights = np.array(numeric_bank(COUNTS, SCORE_CHANGES, alarms=1).weights)
    # From the first evaluations on that fill the longest window.
    size = (STREAMS, DENSE_WINDOWS[-1] + EVALUATIONS)
    arrived = rng.multinomial(values_per_evaluation, np.array(COUNTS) / sum(COUNTS), size)
    nats = np.moveaxis(arrived @ weights.T, -1, 0)
    values = np.full(size, float(values_per_evaluation))
    level = evidence(nats, values, DENSE_WINDOWS)[:, DENSE_WINDOWS[-1] :]

    crossed = level >= math.log(len(weights) * NOMINAL)
    alarms = crossed.any(axis=1)
    watched = np.where(alarms, crossed.argmax(axis=1) + 1, EVALUATIONS).sum()
    assert watched >= NOMINAL * alarms.sum()
    # So low a threshold is reached, or the bound would say nothing.
    assert alarms.sum() >= some
