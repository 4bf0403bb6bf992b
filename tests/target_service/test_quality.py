from __future__ import annotations

import numpy as np
import pytest
from exposition import select

from target_service.contract import LABELLED_SCORE, LABELLED_WEIGHT, Dataset
from target_service.metrics import ModelMetrics
from target_service.model import Model
from target_service.quality import bin_weights


def from_counters(metrics: ModelMetrics, statistic: str) -> float:
    """What PromQL computes: the sum over (outcome, le) of weight times bucket."""
    weights = {
        (labels["outcome"], labels["le"]): weight
        for labels, weight in select(metrics, LABELLED_WEIGHT, statistic=statistic)
    }
    buckets = {
        (labels["outcome"], labels["le"]): count
        for labels, count in select(metrics, f"{LABELLED_SCORE}_bucket")
    }
    assert weights.keys() == buckets.keys()
    return sum(weights[key] * buckets[key] for key in buckets)


def test_weighted_buckets_give_errors_and_prior_of_the_labelled_predictions(
    credit: Model, credit_data: Dataset, metrics: ModelMetrics
) -> None:
    live = credit_data[:3000]
    scores, outcomes = credit.score(live.x), live.outcome
    metrics.observe_labels(scores, outcomes)

    wrong = (scores > credit.decision_threshold) != outcomes
    assert from_counters(metrics, "error") == pytest.approx(wrong.sum(), abs=1e-6)
    assert from_counters(metrics, "prior") == pytest.approx(outcomes.sum(), abs=1e-6)


def test_weighted_buckets_give_the_errors_beyond_those_that_the_calibration_predicts(
    credit: Model, credit_data: Dataset, metrics: ModelMetrics
) -> None:
    live = credit_data[:3000]
    scores, outcomes = credit.score(live.x), live.outcome
    metrics.observe_labels(scores, outcomes)

    positive = scores > credit.decision_threshold
    rate = np.array(credit.labelled[1]) / np.sum(credit.labelled, axis=0)
    p = rate[np.searchsorted(credit.scores.edges, scores)]
    expected = ((positive != outcomes) - np.where(positive, 1 - p, p)).sum()
    assert from_counters(metrics, "excess_error") == pytest.approx(expected, abs=1e-6)


def test_excess_error_of_the_reference_itself_is_0(credit: Model) -> None:
    weights = bin_weights(credit)["excess_error"]

    assert np.sum(weights * np.array(credit.labelled)) == pytest.approx(0, abs=1e-9)


def test_excess_error_stays_near_0_when_only_the_inputs_shift(
    credit: Model, credit_data: Dataset, metrics: ModelMetrics
) -> None:
    # Applicants with low incomes alone: a shift of P(x) that leaves P(y|x) as it is.
    income = credit_data.x[:, credit_data.schema.index("income")]
    poorer = income < np.quantile(income, 0.3)
    scores, outcomes = credit.score(credit_data.x[poorer]), credit_data.outcome[poorer]
    metrics.observe_labels(scores, outcomes)

    n = poorer.sum()
    error = from_counters(metrics, "error") / n
    usual = np.sum(bin_weights(credit)["error"] * np.array(credit.labelled)) / credit.scores.samples
    assert error - usual > 0.05
    assert abs(from_counters(metrics, "excess_error") / n) < 0.01


def test_excess_error_moves_when_the_concept_does(
    credit: Model, credit_data: Dataset, metrics: ModelMetrics
) -> None:
    scores = credit.score(credit_data.x)
    outcomes = credit_data.outcome | (np.arange(len(credit_data)) % 5 == 0)
    metrics.observe_labels(scores, outcomes)

    assert from_counters(metrics, "excess_error") / len(scores) > 0.05
