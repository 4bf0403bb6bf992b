from __future__ import annotations

import math

import numpy as np
import pytest
from exposition import select, value
from hypothesis import given
from hypothesis import strategies as st

from target_service.contract import (
    EVIDENCE,
    FEATURE,
    LABELLED_SCORE,
    SCORE,
    Dataset,
    tail_refined_edges,
)
from target_service.evidence import (
    CLIP,
    FEATURE_CHANGES,
    RUN_LENGTH,
    SCORE_CHANGES,
    Bank,
    category_bank,
    numeric_bank,
    outcome_bank,
    reference_masses,
    score_changes,
)
from target_service.metrics import ModelMetrics
from target_service.model import Model

NORMAL_COUNTS = np.diff(
    [0, *(round(1e5 * q) for q in (0.001, 0.02, 0.1, 0.3, 0.5, 0.7, 0.9, 0.98, 0.999)), 100_000]
).tolist()

COUNTS = st.lists(st.integers(0, 10**6), min_size=2, max_size=25).filter(any)


def banks(counts: list[int]) -> list[Bank]:
    return [
        numeric_bank(counts, SCORE_CHANGES, alarms=1),
        numeric_bank(counts, FEATURE_CHANGES, alarms=10),
        category_bank(counts, [f"c{i}" for i in range(len(counts))], alarms=10),
    ]


@given(COUNTS)
def test_under_the_reference_the_likelihood_ratio_has_a_mean_of_at_most_1(counts):
    masses = reference_masses(counts)
    for bank in banks(counts):
        weights = np.array(bank.weights)
        assert np.all(np.exp(weights) @ masses <= 1 + 1e-12)
        assert np.abs(weights).max() <= CLIP


@given(st.lists(st.tuples(st.integers(0, 10**5), st.integers(0, 10**5)), min_size=2, max_size=25))
def test_given_any_score_outcomes_bear_out_the_reference(pairs):
    counts = np.array(pairs).T
    bank = outcome_bank(counts.tolist(), [i > len(pairs) // 2 for i in range(len(pairs))])
    rate = (counts[1] + 0.5) / (counts.sum(axis=0) + 1)
    for row in bank.weights:
        outcome0, outcome1 = np.split(np.array(row), 2)
        mean = (1 - rate) * np.exp(outcome0) + rate * np.exp(outcome1)
        assert np.all(mean <= 1 + 1e-12)


@pytest.mark.parametrize("shift", [0.1, 0.25, 0.5, 1.0, -0.3])
def test_normal_values_that_moved_speak_for_a_mean_that_moved_as_they_did(shift):
    rng = np.random.default_rng(0)
    drawn = rng.standard_normal(100_000)
    edges = np.quantile(drawn, np.cumsum(NORMAL_COUNTS)[:-1] / 1e5)
    bank = numeric_bank(NORMAL_COUNTS, SCORE_CHANGES, alarms=1)
    moved = np.bincount(np.searchsorted(edges, rng.standard_normal(20_000) + shift), minlength=10)
    best = bank.alternatives[int(np.argmax(np.array(bank.weights) @ moved))]
    assert best.startswith("mean up" if shift > 0 else "mean down")


def of_two_classes(prior: float, apart: float) -> tuple[np.ndarray, list[list[int]]]:
    """Edges of 20 bins of 100,000 scores, and the scores in each by outcome."""
    rng = np.random.default_rng(0)
    outcome = rng.random(100_000) < prior
    scores = rng.normal(apart * outcome)
    edges = tail_refined_edges(scores)
    bins = np.searchsorted(edges, scores)
    return edges, [np.bincount(bins[outcome == y], minlength=20).tolist() for y in (0, 1)]


@pytest.mark.parametrize(("prior", "way"), [(0.3, "up"), (0.13, "down"), (0.4, "up")])
def test_scores_of_another_prior_speak_for_it_and_not_for_another_mean(prior, way):
    edges, labelled = of_two_classes(prior=0.2, apart=2.0)
    counts = np.sum(labelled, axis=0).tolist()
    bank = numeric_bank(counts, score_changes(counts, labelled), alarms=1)
    rng = np.random.default_rng(1)
    live = rng.normal(2.0 * (rng.random(20_000) < prior))
    evidence = np.array(bank.weights) @ np.bincount(np.searchsorted(edges, live), minlength=20)
    assert bank.alternatives[int(np.argmax(evidence))].startswith(f"prior {way} by")
    assert evidence.max() > bank.threshold


@pytest.mark.parametrize(("apart", "priors"), [(2.0, 4), (1.0, 2), (0.2, 0), (0.0, 0)])
def test_priors_are_watched_in_scores_as_far_as_these_tell_outcomes(apart, priors):
    _, labelled = of_two_classes(prior=0.2, apart=apart)
    changes = score_changes(np.sum(labelled, axis=0).tolist(), labelled)
    assert len(changes) == len(SCORE_CHANGES) + priors


def test_without_outcomes_no_prior_is_watched():
    assert score_changes(NORMAL_COUNTS, [[0] * 10] * 2) == SCORE_CHANGES


@given(st.lists(st.tuples(st.integers(0, 10**5), st.integers(0, 10**5)), min_size=2, max_size=25))
def test_another_prior_has_a_mean_likelihood_ratio_of_at_most_1(pairs):
    labelled = np.array(pairs).T
    counts = labelled.sum(axis=0).tolist()
    bank = numeric_bank(counts, score_changes(counts, labelled.tolist()), alarms=1)
    assert np.all(np.exp(bank.weights) @ reference_masses(counts) <= 1 + 1e-12)


@pytest.mark.parametrize("per_evaluation", [300, 10_000])
def test_a_drift_of_a_hundredth_sd_gathers_evidence_for_the_reference(per_evaluation):
    edges = np.cumsum(NORMAL_COUNTS)[:-1] / 1e5
    rng = np.random.default_rng(1)
    bank = numeric_bank(NORMAL_COUNTS, SCORE_CHANGES, alarms=1)
    cuts = np.quantile(rng.standard_normal(10**6), edges)
    for _ in range(100):
        drawn = rng.standard_normal(per_evaluation) + 0.01
        counts = np.bincount(np.searchsorted(cuts, drawn), minlength=10)
        assert np.max(np.array(bank.weights) @ counts) < bank.threshold / 2


def test_a_category_that_the_reference_did_not_hold_is_found_within_a_few_values():
    bank = category_bank([500_000, 500_000, 0], ["own", "rent", "other"], alarms=10)
    other = dict(zip(bank.alternatives, bank.weights, strict=True))["more other"]
    assert other[2] == pytest.approx(CLIP, abs=0.05)
    assert 3 * other[2] < bank.threshold < 5 * other[2]


def test_the_threshold_grows_with_alternatives_and_with_banks_that_share_an_alert():
    bank = numeric_bank(NORMAL_COUNTS, FEATURE_CHANGES, alarms=10)
    assert bank.threshold == pytest.approx(math.log(len(FEATURE_CHANGES) * 10 * RUN_LENGTH))


def test_only_changes_that_cost_right_decisions_are_watched_in_outcomes(credit: Model):
    names = credit.banks.outcomes.alternatives
    assert any("outcome 1 likelier" in name for name in names)
    assert any("scores tell" in name for name in names)
    # Nine in ten decisions are 0: fewer outcomes of 1 would make more of them right.
    assert not any("less likely" in name for name in names)


@pytest.mark.parametrize("name", ["credit", "flights"])
def test_every_model_has_a_bank_for_each_of_its_features(name, request):
    model: Model = request.getfixturevalue(name)
    for distribution, bank in zip(model.features, model.banks.features, strict=True):
        assert {len(row) for row in bank.weights} == {len(distribution.counts)}
    assert {len(row) for row in model.banks.score.weights} == {len(model.scores.counts)}


def test_a_counter_of_evidence_is_the_weighted_sum_of_its_buckets(
    credit: Model, credit_data: Dataset, metrics: ModelMetrics
) -> None:
    live = credit_data[:500]
    scores = credit.score(live.x)
    metrics.observe(live.x, scores)
    counts = np.bincount(np.searchsorted(credit.scores.edges, scores), minlength=20)
    for alternative, weights in zip(
        credit.banks.score.alternatives, credit.banks.score.weights, strict=True
    ):
        shown = value(metrics, SCORE + EVIDENCE, alternative=alternative)
        assert shown == np.dot(weights, counts) + CLIP * 500
    assert value(metrics, SCORE + EVIDENCE, alternative="none") == CLIP * 500


def test_every_counter_of_evidence_starts_at_0_and_never_falls(
    credit: Model, credit_data: Dataset, metrics: ModelMetrics
) -> None:
    def read() -> np.ndarray:
        names = (SCORE, FEATURE, LABELLED_SCORE)
        return np.array([v for name in names for _, v in select(metrics, name + EVIDENCE)])

    before = read()
    assert not before.any()
    for first in range(0, 100, 5):
        part = credit_data[first : first + 5]
        scores = credit.score(part.x)
        metrics.observe(part.x, scores)
        segments = credit.schema.segment_numbers(part.x)
        metrics.observe_labels(scores, part.outcome, segments)
        now = read()
        assert np.all(now >= before)
        before = now
    assert np.all(before > 0)


def test_missing_values_are_no_evidence(credit: Model, metrics: ModelMetrics) -> None:
    rows = np.full((3, len(credit.schema.features)), np.nan)
    metrics.observe(rows, np.full(3, 0.2))
    for _, nats in select(metrics, FEATURE + EVIDENCE):
        assert nats == 0
