"""Drifts that change who asks."""

import numpy as np
import pytest
from drift_examples import column, draw, everyone, recorded

from simulators.credit import CREDIT
from simulators.drifts import ParameterError
from simulators.selections import DeclinedStayAway, PriorShift

COUNT = 100_000
ROWS = draw(1, COUNT)


def outcomes(rows, seed: int = 5):
    return np.random.default_rng(seed).random(len(rows)) < rows.p


@pytest.mark.parametrize("prior", [0.05, 0.35, 0.8])
def test_a_prior_shift_gives_the_prior_that_it_names(prior):
    after = everyone(PriorShift(prior), ROWS)
    assert after.p.mean() == pytest.approx(prior, abs=0.005)
    assert outcomes(after).mean() == pytest.approx(prior, abs=0.005)


@pytest.mark.parametrize("outcome", [False, True])
@pytest.mark.parametrize("feature", ["income", "payment_delay", "home"])
def test_a_prior_shift_keeps_the_inputs_of_each_outcome(feature, outcome):
    """P(x|y) is kept: the inputs of those who default are distributed as before."""
    after = everyone(PriorShift(0.4), ROWS)
    before, now = (column(rows, feature)[outcomes(rows) == outcome] for rows in (ROWS, after))
    edges = np.quantile(before, np.linspace(0.05, 0.95, 19))
    distance = np.abs(
        np.searchsorted(np.sort(before), edges, "right") / len(before)
        - np.searchsorted(np.sort(now), edges, "right") / len(now)
    ).max()
    assert distance < 1.63 * np.sqrt(1 / len(before) + 1 / len(now))  # 1 % of the time by chance


def test_a_prior_shift_of_recorded_rows_takes_them_as_often_as_it_says():
    population = recorded(5000)
    rows = population.draw(np.random.default_rng(0), 20_000)
    after = PriorShift(0.5).apply(rows, np.ones(20_000), population, np.random.default_rng(1))
    assert set(after.p.tolist()) == {0.0, 1.0}
    assert after.p.mean() == pytest.approx(0.5, abs=0.015)


def test_a_prior_shift_within_a_segment_keeps_the_segments_shares():
    after = everyone(PriorShift(0.5, where={"region": ("west",)}), ROWS)
    np.testing.assert_array_equal(column(after, "region"), column(ROWS, "region"))
    west = column(after, "region") == 3
    assert after.p[west].mean() > after.p[~west].mean() + 0.2


def test_those_who_are_declined_stay_away_and_the_others_come_as_before():
    after = everyone(DeclinedStayAway(0.1), ROWS)
    threshold = CREDIT.risk(0.9)
    assert (ROWS.p > threshold).mean() == pytest.approx(0.1, abs=0.005)
    assert after.p.max() <= threshold
    kept = ROWS.p[ROWS.p <= threshold]
    quantiles = np.linspace(0.1, 0.9, 9)
    np.testing.assert_allclose(
        np.quantile(after.p, quantiles), np.quantile(kept, quantiles), rtol=0.03
    )


def test_selections_say_what_they_need():
    with pytest.raises(ParameterError, match="between 0 and 1, got 1") as caught:
        PriorShift(1.0).check(CREDIT)
    assert caught.value.parameter == "prior"
    with pytest.raises(ParameterError, match="between 0 and 1"):
        DeclinedStayAway(0.0).check(CREDIT)
    with pytest.raises(ParameterError, match="not known"):
        DeclinedStayAway(0.1).check(recorded())
