"""Every kind of drift by the name that scenario files use."""

from __future__ import annotations

from collections.abc import Mapping

from simulators.drifts import (
    CategoryShift,
    ConceptDrift,
    CorrelationShift,
    CovariateShift,
    Drift,
)
from simulators.faults import (
    CategoryUnseen,
    ClockShift,
    FeatureMissing,
    FeatureStuck,
    FeatureSwap,
    UnitChange,
)
from simulators.selections import DeclinedStayAway, PriorShift

KINDS: Mapping[str, type[Drift]] = {
    "covariate-shift": CovariateShift,
    "correlation-shift": CorrelationShift,
    "category-shift": CategoryShift,
    "concept-drift": ConceptDrift,
    "prior-shift": PriorShift,
    "declined-stay-away": DeclinedStayAway,
    "feature-missing": FeatureMissing,
    "feature-stuck": FeatureStuck,
    "unit-change": UnitChange,
    "feature-swap": FeatureSwap,
    "category-unseen": CategoryUnseen,
    "clock-shift": ClockShift,
}
"""In the order of the documentation: changes of rows, of who asks, and of what is sent."""
