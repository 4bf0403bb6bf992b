"""Broken data: what is sent changes, what is true does not."""

import numpy as np
import pytest
from drift_examples import DRIFTS, column, draw, everyone, recorded
from hypothesis import given
from hypothesis import strategies as st

from simulators.credit import CREDIT
from simulators.drifts import CovariateShift, Drift, ParameterError
from simulators.faults import (
    CategoryUnseen,
    ClockShift,
    DataFault,
    FeatureMissing,
    FeatureStuck,
    FeatureSwap,
    UnitChange,
)
from simulators.schedule import ActiveDrift, Phase, Ramp, Schedule
from simulators.stream import Stream

ROWS = draw(1)
FAULTS = st.one_of(*(drift for kind, drift in DRIFTS.items() if issubclass(kind, DataFault)))


@given(FAULTS)
def test_no_fault_touches_the_truth(fault: Drift):
    np.testing.assert_array_equal(everyone(fault, ROWS).p, ROWS.p)


def test_a_missing_feature_is_null_on_the_wire():
    after = everyone(FeatureMissing("payment_delay"), ROWS)
    assert {row["payment_delay"] for row in CREDIT.schema.decode(after.x)} == {None}


@pytest.mark.parametrize(("feature", "value"), [("age", 40.0), ("home", "rent")])
def test_a_stuck_feature_has_one_value(feature, value):
    after = everyone(FeatureStuck(feature, value), ROWS)
    assert {row[feature] for row in CREDIT.schema.decode(after.x)} == {value}


def test_another_unit_multiplies():
    after = everyone(UnitChange("income", 100.0), ROWS)
    np.testing.assert_allclose(column(after, "income"), 100 * column(ROWS, "income"))


def test_swapped_features_hold_each_others_values():
    after = everyone(FeatureSwap("income", "loan_amount"), ROWS)
    np.testing.assert_array_equal(column(after, "income"), column(ROWS, "loan_amount"))
    np.testing.assert_array_equal(column(after, "loan_amount"), column(ROWS, "income"))


def test_a_renamed_category_is_unseen_and_the_others_stay():
    after = everyone(CategoryUnseen("home", where={"home": ("rent",)}), ROWS)
    sent = [row["home"] for row in CREDIT.schema.decode(after.x)]
    true = [row["home"] for row in CREDIT.schema.decode(ROWS.x)]
    assert sent == ["unseen" if home == "rent" else home for home in true]


def test_another_time_zone_begins_the_day_again():
    x = ROWS.x.copy()
    x[:3, 0] = [0.0, 18.5, 23.0]
    after = everyone(ClockShift("age", 5.0), CREDIT.with_inputs(ROWS, x))
    np.testing.assert_allclose(column(after, "age")[:3], [5.0, 23.5, 4.0])


def test_the_world_changes_before_its_data_break():
    """Named first or last, a fault befalls what is sent: the outcomes follow the true income."""
    shift, fault = CovariateShift("income", -1.0), UnitChange("income", 100.0)
    broken, true = (
        Stream(
            Schedule(
                (Phase("all", 100, Ramp(10, 10), tuple(ActiveDrift(d, Ramp(1, 1)) for d in named)),)
            ),
            CREDIT,
            seed=0,
        ).block(0)
        for named in ((fault, shift), (shift,))
    )
    income = CREDIT.schema.index("income")
    np.testing.assert_allclose(broken.x[:, income], 100 * true.x[:, income])


BAD = {
    "refused": (FeatureMissing("age"), "feature", "nullable: employment_years, payment_delay"),
    "a word": (FeatureStuck("age", "old"), "value", "expected a number"),
    "a number": (FeatureStuck("home", 1.0), "value", "one of its categories"),
    "no such category": (FeatureStuck("home", "boat"), "value", "no category 'boat'"),
    "no such feature": (FeatureStuck("shoe", 1.0), "feature", "no feature 'shoe'"),
    "same unit": (UnitChange("age", 1.0), "factor", "neither 0 nor 1"),
    "itself": (FeatureSwap("age", "age"), "other", "another feature"),
    "nulls": (FeatureSwap("age", "payment_delay"), "other", "both allow null or neither"),
    "no categories": (CategoryUnseen("age"), "feature", "not categorical"),
    "a whole day": (ClockShift("age", 48.0), "offset", "another time"),
    "no day": (ClockShift("age", 1.0, 0.0), "period", "more than 0"),
}


@pytest.mark.parametrize(("fault", "parameter", "hint"), BAD.values(), ids=BAD)
def test_a_fault_that_cannot_be_is_said_of_its_parameter(fault: Drift, parameter: str, hint: str):
    with pytest.raises(ParameterError, match=hint) as caught:
        fault.check(CREDIT)
    assert caught.value.parameter == parameter


def test_recorded_rows_break_as_drawn_ones_do():
    UnitChange("income", 100.0).check(recorded())
