"""Small drills for the tests."""

from pathlib import Path

from scenarios.spec import Scenario
from simulators.drifts import ConceptDrift, CovariateShift
from simulators.schedule import ActiveDrift, Phase, Ramp, Schedule

SHIFT = CovariateShift("income", -1.0)
TURN = ConceptDrift(weights={"income": 1.6})


def scenario(*phases: Phase, delay: float = 300.0, coverage: float = 1.0) -> Scenario:
    return Scenario(
        "made-up", "For a test.", "credit", Schedule(phases), delay, coverage, (), Path("x.yaml")
    )


def steady(seconds: float, rate: float) -> Phase:
    return Phase("steady", seconds, Ramp(rate, rate))


FULL = Ramp(1.0, 1.0)


def drifting(seconds: float, rate: float, *drifts, intensity: Ramp = FULL) -> Phase:
    return Phase(
        "drifting", seconds, Ramp(rate, rate), tuple(ActiveDrift(d, intensity) for d in drifts)
    )
