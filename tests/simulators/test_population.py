"""The populations: known probabilities, true units."""

import numpy as np
import pytest

from simulators.credit import CREDIT
from simulators.population import RecordedPopulation
from target_service.contract import Dataset

ROWS = CREDIT.draw(np.random.default_rng(0), 200_000)


@pytest.mark.parametrize("numeric", CREDIT.numeric, ids=lambda numeric: numeric.name)
def test_means_and_standard_deviations_are_those_of_the_rows(numeric):
    column = ROWS.x[:, CREDIT.schema.index(numeric.name)]
    assert column.mean() == pytest.approx(numeric.mean, abs=0.01 * numeric.sd)
    assert column.std() == pytest.approx(numeric.sd, rel=0.02)


@pytest.mark.parametrize("category", CREDIT.categories, ids=lambda category: category.name)
def test_categories_have_their_shares(category):
    column = ROWS.x[:, CREDIT.schema.index(category.name)].astype(int)
    shares = np.bincount(column, minlength=len(category.shares)) / len(column)
    np.testing.assert_allclose(shares, [share for _, share, _ in category.shares], atol=0.005)


def test_correlated_features_are_correlated():
    income, loan = (CREDIT.schema.index(name) for name in ("income", "loan_amount"))
    assert np.corrcoef(ROWS.x[:, income], ROWS.x[:, loan])[0, 1] == pytest.approx(0.5, abs=0.05)


def test_a_missing_value_and_an_unseen_category_say_nothing_about_the_outcome():
    x = ROWS.x[:1000].copy()
    x[:, CREDIT.schema.index("payment_delay")] = np.nan
    x[:, CREDIT.schema.index("channel")] = 3
    rows = CREDIT.with_inputs(CREDIT.draw(np.random.default_rng(0), 1000), x)
    assert np.isfinite(rows.p).all()


def test_recorded_rows_come_with_their_recorded_outcome():
    outcome = (np.arange(1000) % 3 == 0).astype(np.uint8)
    dataset = Dataset(CREDIT.schema, ROWS.x[:1000], outcome, np.arange(1000), np.arange(1000))
    drawn = RecordedPopulation(dataset).draw(np.random.default_rng(1), 500)
    by_row = {tuple(row): label for row, label in zip(dataset.x, outcome, strict=True)}
    assert [by_row[tuple(row)] for row in drawn.x] == drawn.p.tolist()


def test_a_replayed_record_comes_in_its_order_and_again_when_it_ends():
    time = np.arange(1000)
    dataset = Dataset(CREDIT.schema, ROWS.x[:1000], (time % 3 == 0).astype(np.uint8), time, time)
    replayed = RecordedPopulation(dataset, in_order=True)
    rows = replayed.draw(np.random.default_rng(1), 200, 900)
    np.testing.assert_array_equal(rows.x, np.roll(dataset.x, -900, axis=0)[:200])
    np.testing.assert_array_equal(rows.p, np.roll(dataset.outcome, -900)[:200])


def test_only_a_replayed_record_has_an_order():
    dataset = Dataset(CREDIT.schema, ROWS.x[:9], np.ones(9, np.uint8), np.arange(9), np.arange(9))
    worlds = (CREDIT, RecordedPopulation(dataset), RecordedPopulation(dataset, True))
    assert [world.in_order for world in worlds] == [False, False, True]


def test_the_prior_and_the_risk_are_those_of_the_rows():
    assert CREDIT.prior == pytest.approx(ROWS.p.mean(), abs=0.003)
    assert (ROWS.p <= CREDIT.risk(0.9)).mean() == pytest.approx(0.9, abs=0.004)
    outcome = (np.arange(1000) % 4 == 0).astype(np.uint8)
    dataset = Dataset(CREDIT.schema, ROWS.x[:1000], outcome, np.arange(1000), np.arange(1000))
    assert RecordedPopulation(dataset).prior == 0.25
