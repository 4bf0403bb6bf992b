"""Every kind of drift with parameters that fit the credit population, and help for its tests."""

import numpy as np
from hypothesis import strategies as st

from simulators.credit import CREDIT
from simulators.drifts import CategoryShift, ConceptDrift, CorrelationShift, CovariateShift, Drift
from simulators.faults import (
    CategoryUnseen,
    ClockShift,
    FeatureMissing,
    FeatureStuck,
    FeatureSwap,
    UnitChange,
)
from simulators.population import RecordedPopulation, Rows
from simulators.selections import DeclinedStayAway, PriorShift
from target_service.contract import Dataset

NUMERIC = [numeric.name for numeric in CREDIT.numeric]
NULLABLE = sorted(CREDIT.nullable)
SIZES = st.floats(-3, 3, allow_nan=False)
WHERE = st.sampled_from([{}, {"region": ("north", "west")}, {"home": ("rent",)}])


def kind(drift, *parameters):
    return st.builds(drift, *parameters, where=WHERE)


DRIFTS = {
    CovariateShift: kind(CovariateShift, st.sampled_from(NUMERIC), SIZES, st.floats(0.1, 3)),
    CorrelationShift: kind(CorrelationShift, st.just("income"), st.just("age"), st.floats(-1, 1)),
    CategoryShift: kind(CategoryShift, st.just("channel"), st.sampled_from(["web", "unseen"])),
    ConceptDrift: kind(ConceptDrift, SIZES, st.dictionaries(st.sampled_from(NUMERIC), SIZES)),
    PriorShift: kind(PriorShift, st.floats(0.02, 0.9)),
    DeclinedStayAway: kind(DeclinedStayAway, st.floats(0.01, 0.9)),
    FeatureMissing: kind(FeatureMissing, st.sampled_from(NULLABLE)),
    FeatureStuck: kind(FeatureStuck, st.just("home"), st.sampled_from(["own", "unseen"])),
    UnitChange: kind(UnitChange, st.sampled_from(NUMERIC), SIZES),
    FeatureSwap: kind(FeatureSwap, st.just("income"), st.just("loan_amount")),
    CategoryUnseen: kind(CategoryUnseen, st.sampled_from(["home", "region"])),
    ClockShift: kind(ClockShift, st.just("age"), SIZES),
}


def draw(seed: int, count: int = 200) -> Rows:
    return CREDIT.draw(np.random.default_rng(seed), count)


def everyone(drift: Drift, rows: Rows, seed: int = 2) -> Rows:
    """The rows after a drift that may affect all of them."""
    return drift.apply(rows, np.ones(len(rows)), CREDIT, np.random.default_rng(seed))


def column(rows: Rows, feature: str):
    return rows.x[:, CREDIT.schema.index(feature)]


def recorded(count: int = 200) -> RecordedPopulation:
    """A data set of rows of the credit population, every fifth of outcome 1."""
    outcome, time = (np.arange(count) % 5 == 0).astype(np.uint8), np.arange(count)
    return RecordedPopulation(Dataset(CREDIT.schema, draw(1, count).x, outcome, time, time))
