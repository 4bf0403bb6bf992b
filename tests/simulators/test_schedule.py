"""The schedule: traffic, ground truth, and the clock that it does not read."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulators.drifts import CovariateShift
from simulators.schedule import ActiveDrift, Phase, Ramp, Schedule, Season, Window

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


def test_a_season_multiplies_the_rate_hour_by_hour():
    night_and_day = Season((0.5, 2.0))
    schedule = Schedule((Phase("a", 5400, Ramp(1, 1)), Phase("b", 9000, Ramp(4, 4))), night_and_day)
    times = np.array([0.0, 3599.0, 3600.0, 5400.0, 7200.0, 14_399.0])
    np.testing.assert_allclose(schedule.rate_at(times), [0.5, 0.5, 2.0, 8.0, 2.0, 8.0])
    hours = 0.5 * 3600, 2 * 1800 + 8 * 1800, 2 * 3600, 8 * 3600
    assert [schedule.arrivals_until(3600.0 * hour) for hour in (1, 2, 3, 4)] == pytest.approx(
        np.cumsum(hours)
    )
    assert schedule.total_arrivals == sum(hours)


seasons = st.lists(st.floats(0, 3), min_size=2, max_size=24).map(lambda f: Season(tuple(f)))


@given(schedules, seasons)
def test_request_k_is_due_when_the_integral_of_the_seasonal_rate_reaches_k(schedule, season):
    slow = tuple(replace(phase, duration=60 * phase.duration) for phase in schedule.phases)
    seasonal = Schedule(slow, season)
    total = min(seasonal.total_arrivals, 20_000)
    times = seasonal.arrival_times(0, total)
    assert np.isfinite(times).all()
    assert (np.diff(times) >= -1e-9).all()
    for k in {0, total // 2, total - 1} & set(range(total)):
        assert seasonal.arrivals_until(times[k]) == pytest.approx(k, abs=1e-3)


def test_the_share_of_changed_rows_follows_its_own_season():
    drift = CovariateShift("age", 1.0)
    active = ActiveDrift(drift, Ramp(0, 1), Season((0.0, 0.5)), harmless=True)
    schedule = Schedule((Phase("a", 4 * 3600, Ramp(1, 1), (active,)),))
    ((_, shares),) = schedule.intensity(np.array([1800.0, 5400.0, 9000.0, 12_600.0]))
    np.testing.assert_allclose(shares, [0, 0.5 * 0.375, 0, 0.5 * 0.875])


def test_what_is_harmless_is_no_ground_truth():
    harmless = ActiveDrift(CovariateShift("age", 1.0), Ramp(1, 1), harmless=True)
    calm = Phase("calm", 10, Ramp(1, 1), (harmless,))
    both = (harmless, ActiveDrift(CovariateShift("income", 1.0), Ramp(1, 1)))
    assert Schedule((calm,)).windows() == ()
    assert Schedule((calm, Phase("moves", 10, Ramp(1, 1), both))).windows() == (
        Window("moves", 10, 20),
    )
