"""The schedule: traffic, ground truth, and the clock that it does not read."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulators.drifts import CovariateShift
from simulators.schedule import ActiveDrift, Phase, Ramp, Schedule, Window

rates = st.floats(0, 50).map(lambda rate: round(rate, 3))
schedules = (
    st.lists(st.tuples(st.floats(1, 500), rates, rates), min_size=1, max_size=5)
    .map(
        lambda phases: Schedule(
            tuple(
                Phase(f"p{i}", duration, Ramp(start, end))
                for i, (duration, start, end) in enumerate(phases)
            )
        )
    )
    .filter(lambda schedule: 0 < schedule.total_arrivals < 20_000)
)


@given(schedules)
def test_request_k_is_due_when_the_integral_of_the_rate_reaches_k(schedule: Schedule):
    total = schedule.total_arrivals
    times = schedule.arrival_times(0, total + 3)
    assert np.isfinite(times[:total]).all()
    assert np.isinf(times[total:]).all()
    assert (np.diff(times[:total]) >= -1e-9).all()
    for k in {0, total // 3, total // 2, total - 1}:
        assert schedule.arrivals_until(times[k]) == pytest.approx(k, abs=1e-4)


@given(schedules, st.integers(0, 100))
def test_any_part_of_the_arrivals_can_be_asked_for_alone(schedule: Schedule, first: int):
    whole = schedule.arrival_times(0, first + 50)
    np.testing.assert_array_equal(schedule.arrival_times(first, 50), whole[first:])


def test_adjacent_drifting_phases_make_one_window_of_ground_truth():
    drift = ActiveDrift(CovariateShift("age", 1.0), Ramp(0, 1))
    calm, moving = Ramp(1, 1), (drift,)
    schedule = Schedule(
        (
            Phase("before", 10, calm),
            Phase("onset", 20, calm, moving),
            Phase("full", 30, calm, moving),
            Phase("after", 40, calm),
            Phase("again", 50, calm, moving),
        )
    )
    assert schedule.windows() == (Window("onset", 10, 60), Window("again", 100, 150))
    assert schedule.phase_start("after") == 60
    with pytest.raises(ValueError, match="no phase 'never'; known: before, onset"):
        schedule.phase_start("never")


def test_intensity_ramps_inside_its_phase_and_is_zero_outside():
    drift = CovariateShift("age", 1.0)
    schedule = Schedule(
        (
            Phase("before", 10, Ramp(1, 1)),
            Phase("ramp", 10, Ramp(1, 1), (ActiveDrift(drift, Ramp(0, 1)),)),
            Phase("after", 10, Ramp(1, 1)),
        )
    )
    ((found, shares),) = schedule.intensity(np.array([5.0, 10.0, 15.0, 25.0]))
    assert found == drift
    np.testing.assert_allclose(shares, [0, 0, 0.5, 0])


def test_the_rate_is_nothing_outside_the_schedule():
    schedule = Schedule((Phase("ramp", 10, Ramp(0, 10)),))
    np.testing.assert_allclose(schedule.rate_at(np.array([-1.0, 0.0, 5.0, 10.0])), [0, 0, 5, 0])
