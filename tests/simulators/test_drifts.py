"""The contract of every drift, and what each kind of change leaves alone."""

import numpy as np
import pytest
from drift_examples import DRIFTS, column, draw, everyone, recorded
from hypothesis import given
from hypothesis import strategies as st

from simulators.credit import CREDIT
from simulators.drifts import (
    CategoryShift,
    ConceptDrift,
    CorrelationShift,
    CovariateShift,
    Drift,
    ParameterError,
)
from simulators.kinds import KINDS
from simulators.population import Rows

drifts = st.one_of(*DRIFTS.values())


def test_every_kind_is_tried_here():
    assert set(KINDS.values()) == set(DRIFTS)


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


@given(drifts, st.integers(0, 2**32))
def test_rows_outside_of_where_stay_as_they_are(drift: Drift, seed: int):
    rows = draw(seed)
    after, selected = everyone(drift, rows), drift.selects(rows, CREDIT.schema)
    assert drift.where or selected.all()
    np.testing.assert_array_equal(after.x[~selected], rows.x[~selected])
    np.testing.assert_array_equal(after.p[~selected], rows.p[~selected])


# --- Inputs move, and outcomes follow them -----------------------------------------------------


def test_a_covariate_shift_moves_one_feature_by_its_size_and_no_other():
    rows = draw(1, 20_000)
    after = everyone(CovariateShift("income", -1.0), rows)
    moved = column(after, "income") - column(rows, "income")
    np.testing.assert_allclose(moved, -CREDIT.sd("income"))
    income = CREDIT.schema.index("income")
    np.testing.assert_array_equal(np.delete(after.x, income, 1), np.delete(rows.x, income, 1))


def test_a_covariate_shift_leaves_the_concept_as_it_is():
    rows = draw(1, 2_000)
    after = everyone(CovariateShift("income", -1.0), rows)
    same_people = after.x.copy()
    same_people[:, CREDIT.schema.index("income")] += CREDIT.sd("income")
    back = CREDIT.with_inputs(after, same_people)
    np.testing.assert_allclose(back.p, rows.p, rtol=1e-9)
    assert after.p.mean() > rows.p.mean()  # the poorer default more, as they always did


def test_a_change_of_spread_keeps_the_mean():
    rows = draw(1, 200_000)
    after = column(everyone(CovariateShift("utilisation", spread=0.5), rows), "utilisation")
    assert after.mean() == pytest.approx(CREDIT.mean("utilisation"), rel=0.01)
    assert after.std() == pytest.approx(0.5 * CREDIT.sd("utilisation"), rel=0.02)


def test_a_gradual_drift_is_a_mixture_of_the_old_world_and_the_new():
    rows = draw(1, 20_000)
    after = CovariateShift("age", 2.0).apply(
        rows, np.full(20_000, 0.3), CREDIT, np.random.default_rng(2)
    )
    moved = (after.x != rows.x).any(axis=1).mean()
    assert moved == pytest.approx(0.3, abs=0.015)


@given(st.floats(-1, 1), st.integers(0, 2**32), st.floats(0, 1))
def test_a_correlation_shift_keeps_every_feature_s_own_values(correlation, seed, share):
    rows = draw(seed)
    drift = CorrelationShift("debt_ratio", "income", correlation)
    after = drift.apply(rows, np.full(200, share), CREDIT, np.random.default_rng(seed))
    np.testing.assert_array_equal(np.sort(after.x, axis=0), np.sort(rows.x, axis=0))


@pytest.mark.parametrize("correlation", [-0.9, 0.0, 0.6])
def test_a_correlation_shift_sets_the_correlation_of_the_normal_scores(correlation):
    rows = draw(1, 50_000)
    after = everyone(CorrelationShift("debt_ratio", "income", correlation), rows)
    floors = {n.name: n.floor for n in CREDIT.numeric}
    scores = [np.log(column(after, name) - floors[name]) for name in ("debt_ratio", "income")]
    assert np.corrcoef(scores)[0, 1] == pytest.approx(correlation, abs=0.02)
    assert (after.p != rows.p).mean() > 0.99  # outcomes follow the new inputs


def test_missing_values_stay_where_they_are_when_others_change_places():
    rows = draw(1)
    x = rows.x.copy()
    x[::7, CREDIT.schema.index("payment_delay")] = np.nan
    after = everyone(CorrelationShift("payment_delay", "income", 1.0), CREDIT.with_inputs(rows, x))
    np.testing.assert_array_equal(np.isnan(after.x), np.isnan(x))
    assert np.isfinite(after.p).all()


def test_a_category_shift_can_bring_a_category_that_further_drifts_select():
    rows = draw(1, 20_000)
    campaign = CategoryShift("channel", "unseen").apply(
        rows, np.full(20_000, 0.3), CREDIT, np.random.default_rng(2)
    )
    new = column(campaign, "channel") == 3
    assert new.mean() == pytest.approx(0.3, abs=0.015)
    younger = everyone(CovariateShift("age", -1.0, where={"channel": ("unseen",)}), campaign)
    assert ((column(younger, "age") < column(campaign, "age")) == new).all()


# --- Outcomes move, and inputs do not ------------------------------------------------------------


def test_a_concept_drift_moves_outcomes_and_no_input():
    rows = draw(1, 20_000)
    after = everyone(ConceptDrift(weights={"income": 1.6}), rows)
    np.testing.assert_array_equal(after.x, rows.x)
    assert np.abs(after.p - rows.p).mean() > 0.05


def test_a_concept_drift_moves_the_log_odds_by_its_terms():
    rows = draw(1)
    after = everyone(ConceptDrift(0.4, {"income": 1.6}), rows)
    z = (column(rows, "income") - CREDIT.mean("income")) / CREDIT.sd("income")
    np.testing.assert_allclose(CREDIT.log_odds(after) - CREDIT.log_odds(rows), 0.4 + 1.6 * z)


def test_rows_whose_truth_is_moved_may_lack_a_weighted_feature():
    x = draw(1).x.copy()
    x[:, CREDIT.schema.index("payment_delay")] = np.nan
    rows = CREDIT.with_inputs(draw(1), x)
    after = everyone(ConceptDrift(weights={"payment_delay": 1.0}), rows)
    np.testing.assert_allclose(after.p, rows.p)


# --- What does not fit ---------------------------------------------------------------------------

BAD = {
    "shape": (CovariateShift("shoe_size", 1.0), "feature", "known: age, income"),
    "category as a number": (CovariateShift("home", 1.0), "feature", "no numeric feature 'home'"),
    "no change": (CovariateShift("age"), "shift", "nothing moves"),
    "no spread": (CovariateShift("age", spread=0.0), "spread", "more than 0"),
    "itself": (CorrelationShift("age", "age", 0.5), "follows", "another feature"),
    "impossible": (CorrelationShift("age", "income", 1.5), "correlation", "from -1 to 1"),
    "no such category": (CategoryShift("home", "boat"), "category", "known: own, mortgage, rent"),
    "not categorical": (CategoryShift("age", "unseen"), "feature", "not categorical"),
    "weight": (ConceptDrift(weights={"shoe": 1.0}), "weights.shoe", "no numeric feature 'shoe'"),
    "where": (ConceptDrift(1.0, where={"region": ("moon",)}), "where", "no category 'moon'"),
}


@pytest.mark.parametrize(("drift", "parameter", "hint"), BAD.values(), ids=BAD)
def test_what_does_not_fit_is_said_of_its_parameter(drift: Drift, parameter: str, hint: str):
    with pytest.raises(ParameterError, match=hint) as caught:
        drift.check(CREDIT)
    assert caught.value.parameter == parameter


def test_recorded_inputs_can_move_but_their_concept_cannot():
    CovariateShift("age", 1.0).check(recorded())
    with pytest.raises(ParameterError, match="of recorded data is not known"):
        ConceptDrift(1.0).check(recorded())


def test_outcomes_of_recorded_rows_stay_as_recorded_when_inputs_move():
    rows = recorded().draw(np.random.default_rng(0), 50)
    drift = CovariateShift("age", 1.0)
    after = drift.apply(rows, np.ones(50), recorded(), np.random.default_rng(1))
    assert isinstance(after, Rows)
    np.testing.assert_array_equal(after.p, rows.p)
