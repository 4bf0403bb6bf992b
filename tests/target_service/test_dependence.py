"""Evidence of rows that are like their neighbours counts for as much less as they are fewer."""

import numpy as np
import pytest

from driftdrill.certify.statistic import DENSE_WINDOWS, evidence
from target_service.contract import Dataset, Feature, Schema
from target_service.dependence import for_dependent_rows, inflation
from target_service.measuring import measure
from target_service.model import Reference, bucket_numbers

ROWS, PER_EVALUATION = 40_000, 20
LIKENESS = 0.8


def scores_of(rng: np.random.Generator, likeness: float, rows: int = ROWS) -> np.ndarray:
    """Normal scores, each like the one before it; the chart is the same for any monotone scale."""
    noise = rng.normal(size=rows) * np.sqrt(1 - likeness**2)
    found = np.empty(rows)
    last = rng.normal()
    for number, part in enumerate(noise.tolist()):
        last = likeness * last + part
        found[number] = last
    return found


def reference_of(scores: np.ndarray, in_order: bool) -> Reference:
    rng = np.random.default_rng(5)
    outcome = (rng.random(len(scores)) < 0.3).astype(np.uint8)
    x = rng.normal(size=(len(scores), 1)).astype(np.float32)
    schema = Schema((Feature("size"),))
    dataset = Dataset(schema, x, outcome, np.arange(len(scores)), np.arange(len(scores)))
    reference = measure(dataset, scores, "m", "1", 0.9)
    return for_dependent_rows(reference, dataset, scores) if in_order else reference


def test_independent_rows_keep_their_evidence():
    scores = scores_of(np.random.default_rng(1), likeness=0.0)
    plain, ordered = reference_of(scores, in_order=False), reference_of(scores, in_order=True)
    assert ordered.banks == plain.banks


@pytest.mark.parametrize("likeness", [0.5, 0.8])
def test_the_inflation_of_an_autoregression_is_that_of_its_sums(likeness):
    """(1 + ρ) / (1 - ρ) for evidence that is linear in the values."""
    values = scores_of(np.random.default_rng(2), likeness, 200_000)
    assert inflation(values[None]) == pytest.approx((1 + likeness) / (1 - likeness), rel=0.15)


def test_rows_like_their_neighbours_do_not_alarm_but_a_change_of_theirs_does():
    before = scores_of(np.random.default_rng(3), LIKENESS)
    calm = scores_of(np.random.default_rng(4), LIKENESS)
    changed = calm + 0.8

    def alarms(reference: Reference, scores: np.ndarray) -> bool:
        bank = reference.banks.score
        numbers = bucket_numbers(reference.scores.edges, scores)
        each = np.array(bank.weights)[:, numbers]
        nats = each.reshape(len(each), -1, PER_EVALUATION).sum(axis=2)
        level = evidence(nats, np.full(nats.shape[1], float(PER_EVALUATION)), DENSE_WINDOWS)
        return bool((level > bank.threshold).any())

    plain, ordered = reference_of(before, in_order=False), reference_of(before, in_order=True)
    assert alarms(plain, calm)
    assert not alarms(ordered, calm)
    assert alarms(ordered, changed)
