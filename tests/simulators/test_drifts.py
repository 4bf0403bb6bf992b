"""The contract of every drift, and what each kind of change leaves alone."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulators.credit import CREDIT
from simulators.drifts import KINDS, ConceptDrift, CovariateShift, Drift
from simulators.population import RecordedPopulation
from target_service.contract import Dataset

NUMERIC = [numeric.name for numeric in CREDIT.numeric]
SIZES = st.floats(-3, 3, allow_nan=False)

drifts = st.one_of(
    st.builds(CovariateShift, st.sampled_from(NUMERIC), SIZES),
    st.builds(ConceptDrift, SIZES, st.dictionaries(st.sampled_from(NUMERIC), SIZES)),
)


def draw(seed: int, count: int = 200):
    return CREDIT.draw(np.random.default_rng(seed), count)


def test_every_kind_is_tried_here():
    assert set(KINDS.values()) == {CovariateShift, ConceptDrift}


@given(drifts, st.integers(0, 2**32), st.floats(0, 1))
def test_the_same_seed_gives_the_same_rows(drift: Drift, seed: int, share: float):
    rows, intensity = draw(seed), np.full(200, share)
    first = drift.apply(rows, intensity, CREDIT, np.random.default_rng(seed))
    again = drift.apply(rows, intensity, CREDIT, np.random.default_rng(seed))
    np.testing.assert_array_equal(first.x, again.x)
    np.testing.assert_array_equal(first.p, again.p)


@given(drifts, st.integers(0, 2**32))
def test_zero_intensity_changes_nothing(drift: Drift, seed: int):
    rows = draw(seed)
    after = drift.apply(rows, np.zeros(200), CREDIT, np.random.default_rng(seed))
    np.testing.assert_array_equal(after.x, rows.x)
    np.testing.assert_array_equal(after.p, rows.p)


@given(drifts, st.integers(0, 2**32), st.floats(0, 1))
def test_the_schema_is_kept_and_the_input_is_untouched(drift: Drift, seed: int, share: float):
    rows, untouched = draw(seed), draw(seed)
    after = drift.apply(rows, np.full(200, share), CREDIT, np.random.default_rng(seed))
    np.testing.assert_array_equal(rows.x, untouched.x)
    np.testing.assert_array_equal(rows.p, untouched.p)
    assert after.x.shape == rows.x.shape
    assert ((after.p > 0) & (after.p < 1)).all()
    assert CREDIT.schema.decode(after.x)[0].keys() == CREDIT.schema.decode(rows.x)[0].keys()


def test_a_covariate_shift_moves_one_feature_by_its_size_and_no_other():
    rows = draw(1, 20_000)
    after = CovariateShift("income", -1.0).apply(
        rows, np.ones(20_000), CREDIT, np.random.default_rng(2)
    )
    column = CREDIT.schema.index("income")
    np.testing.assert_allclose(after.x[:, column] - rows.x[:, column], -CREDIT.sd("income"))
    others = np.delete(after.x, column, axis=1)
    np.testing.assert_array_equal(others, np.delete(rows.x, column, axis=1))


def test_a_covariate_shift_leaves_the_concept_as_it_is():
    rows = draw(1, 2_000)
    after = CovariateShift("income", -1.0).apply(
        rows, np.ones(2_000), CREDIT, np.random.default_rng(2)
    )
    column = CREDIT.schema.index("income")
    same_people = after.x.copy()
    same_people[:, column] += CREDIT.sd("income")
    back = CREDIT.with_inputs(after, same_people)
    np.testing.assert_allclose(back.p, rows.p, rtol=1e-9)
    assert after.p.mean() > rows.p.mean()  # the poorer default more, as they always did


def test_a_concept_drift_moves_outcomes_and_no_input():
    rows = draw(1, 20_000)
    after = ConceptDrift(weights={"income": 1.6}).apply(
        rows, np.ones(20_000), CREDIT, np.random.default_rng(2)
    )
    np.testing.assert_array_equal(after.x, rows.x)
    assert np.abs(after.p - rows.p).mean() > 0.05


def test_a_gradual_drift_is_a_mixture_of_the_old_world_and_the_new():
    rows = draw(1, 20_000)
    after = CovariateShift("age", 2.0).apply(
        rows, np.full(20_000, 0.3), CREDIT, np.random.default_rng(2)
    )
    moved = (after.x != rows.x).any(axis=1).mean()
    assert moved == pytest.approx(0.3, abs=0.015)


def test_a_drift_says_what_it_needs():
    with pytest.raises(ValueError, match="no numeric feature 'shoe_size'; known: age, income"):
        CovariateShift("shoe_size", 1.0).check(CREDIT)
    recorded = RecordedPopulation(
        Dataset(CREDIT.schema, draw(1).x, np.ones(200, np.uint8), np.arange(200), np.arange(200))
    )
    CovariateShift("age", 1.0).check(recorded)
    with pytest.raises(ValueError, match="its concept cannot be moved"):
        ConceptDrift(1.0).check(recorded)
