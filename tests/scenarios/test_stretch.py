"""Scenarios made longer."""

from __future__ import annotations

from dataclasses import replace

import pytest

from scenarios.expectations import Allow, Resolve
from scenarios.spec import find
from scenarios.stretch import DAY_S, stretch


def test_steady_phases_stretch_and_drifts_keep_their_length():
    scenario = find("covariate-sudden")
    longer = stretch(scenario, 3)
    baseline, recession = longer.schedule.phases
    assert longer.schedule.duration == 3 * DAY_S
    assert recession == scenario.schedule.phases[1]
    assert baseline.duration == 3 * DAY_S - recession.duration
    assert {phase.rate.start for phase in longer.schedule.phases} == {5.0}


def test_deadlines_move_with_the_change_they_count_from():
    scenario, longer = find("covariate-sudden"), stretch(find("covariate-sudden"), 3)
    (window,) = longer.schedule.windows()
    assert [expect.onset for expect in longer.expects] == [window.start] * 2
    assert [e.within for e in longer.expects] == [e.within for e in scenario.expects]


def test_what_must_resolve_and_what_may_fire_move_with_the_change():
    scenario = find("covariate-sudden")
    (window,) = scenario.schedule.windows()
    first = replace(scenario.expects[0], resolve=Resolve(window.end, 60))
    allow = Allow("NoTraffic", {}, window.start)
    longer = stretch(replace(scenario, expects=(first,), allows=(allow,)), 3)
    (moved,) = longer.schedule.windows()
    assert longer.expects[0].resolve == Resolve(moved.end, 60)
    assert longer.allows == (Allow("NoTraffic", {}, moved.start),)


def test_a_scenario_that_drifts_for_longer_than_asked_is_refused():
    with pytest.raises(ValueError, match=r"leaves nothing steady of 0\.01"):
        stretch(find("covariate-sudden"), 0.01)
