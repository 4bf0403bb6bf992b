from __future__ import annotations

import re
from dataclasses import replace
from itertools import pairwise
from xml.etree.ElementTree import Element

import msgspec
import numpy as np
import pytest
from report_examples import MODEL, Drill, curve

from driftdrill.report.axis import Scale, time_ticks
from driftdrill.report.lanes import lanes
from driftdrill.report.svg import line_path
from driftdrill.report.timeline import timeline
from driftdrill.verdict import Alert, Observation, Statistic

WIDTH = 1056.0
"""Leaves the plots 1000 pixels: an hour's second is 1000/3600 of a pixel."""


def drawn(drill: Drill, **changes: object) -> Element:
    observation = msgspec.structs.replace(drill.observation, **changes)
    return timeline(drill.scenario, observation, WIDTH)


def titled(drawing: Element, title: str) -> list[Element]:
    return [element for element in drawing.iter() if element.findtext("title") == title]


def seconds(rect: Element) -> tuple[float, float]:
    left, width = float(rect.get("x", "nan")) - 46.0, float(rect.get("width", "nan"))
    return left * 3.6, (left + width) * 3.6


def points(path: Element) -> list[tuple[float, float]]:
    pairs = re.findall(r"[ML]([\d.]+) ([\d.]+)", path.get("d", ""))
    return [(float(x), float(y)) for x, y in pairs]


def test_a_firing_bar_spans_the_time_in_which_the_alert_fired(passed: Drill) -> None:
    (bar,) = titled(drawn(passed), "firing from 22m to 58m")
    assert seconds(bar) == pytest.approx((1320.0, 3480.0), abs=0.5)
    assert bar.get("class") == "firing"


def test_an_alert_that_still_fires_is_drawn_to_the_end_of_what_was_observed(passed: Drill) -> None:
    (bar,) = titled(drawn(passed), "firing from 25m to 1h")
    assert seconds(bar) == pytest.approx((1500.0, 3600.0), abs=0.5)


def test_pending_notified_and_the_window_are_drawn_at_their_times(passed: Drill) -> None:
    drawing = drawn(passed)
    (pending,) = titled(drawing, "pending from 24m to 25m")
    assert seconds(pending) == pytest.approx((1440.0, 1500.0), abs=0.5)
    (window,) = titled(drawing, "must begin to fire from 20m to 35m")
    assert seconds(window) == pytest.approx((1200.0, 2100.0), abs=0.5)
    (tick,) = titled(drawing, "notified at 25m30s")
    ((x, _),) = points(tick)
    assert (x - 46.0) * 3.6 == pytest.approx(1530.0, abs=0.5)


def test_the_stretch_in_which_the_world_drifts_is_marked_in_every_plot(passed: Drill) -> None:
    drawing = drawn(passed)
    bands = titled(drawing, "The world drifts")
    plots = [element for element in drawing.iter("rect") if element.get("class") == "plot"]
    assert len(bands) == len(plots)
    assert seconds(bands[0]) == pytest.approx((1200.0, 3000.0), abs=0.5)


def test_what_was_not_observed_is_marked(passed: Drill) -> None:
    band, *_ = titled(drawn(passed, observed_s=1800.0), "Not observed")
    assert seconds(band) == pytest.approx((1800.0, 3600.0), abs=0.5)
    assert not titled(drawn(passed), "Not observed")


def test_curves_whose_alert_was_raised_are_coloured_and_the_rest_is_grey(passed: Drill) -> None:
    paths = {
        str(path.findtext("title")).split(",")[0]: path.get("class")
        for path in drawn(passed).iter("path")
    }
    assert paths["income"] == "hue0"
    assert {paths["age"], paths["purpose"], paths["utilisation"]} == {"quiet"}


def test_without_an_alert_the_highest_curve_is_named(passed: Drill) -> None:
    drawing = drawn(passed, alerts=())
    keys = [text.text for text in drawing.iter("text") if text.get("class") == "key"]
    assert "income" in keys
    assert "9 more" in keys


def test_a_statistic_far_above_its_threshold_is_drawn_by_logarithm(passed: Drill) -> None:
    ticks = [text.text for text in drawn(passed).iter("text") if text.get("class") == "tick"]
    assert {"0.1", "1", "10"} <= set(ticks)


def test_an_alert_that_nothing_expects_is_told_in_colour_and_in_words(passed: Drill) -> None:
    surprise = Alert("TargetDown", {"job": "x"}, 60.0, 120.0, 240.0)
    drawing = drawn(passed, alerts=(surprise,))
    (bar,) = titled(drawing, "firing from 2m to 4m")
    assert bar.get("class") == "surprise"
    assert titled(drawing, 'TargetDown{job="x"} (not expected)')


def test_two_lives_of_one_alert_share_a_lane(passed: Drill) -> None:
    lives = (Alert("ScoreDrift", MODEL, 1.0, 2.0, 3.0), Alert("ScoreDrift", MODEL, 4.0, 5.0))
    observation = msgspec.structs.replace(passed.observation, alerts=lives)
    found = lanes(passed.scenario, observation)
    assert [(len(lane.lives), lane.surprise) for lane in found] == [(2, False), (0, False)]


def test_a_flood_of_alerts_does_not_make_an_endless_drawing(passed: Drill) -> None:
    flood = tuple(Alert("FeatureDrift", {"feature": str(i)}, 0.0, 1.0) for i in range(500))
    drawing = drawn(passed, alerts=flood)
    assert len([e for e in drawing.iter("text") if e.get("class") == "lane"]) == 40
    told = [text.text for text in drawing.iter("text") if text.get("class") == "empty"]
    # Two expectations that nothing met stand before the flood.
    assert told == ["and 462 more, in the table of alerts"]


def test_a_quiet_drill_says_that_nothing_was_expected_and_nothing_raised(passed: Drill) -> None:
    quiet = replace(passed.scenario, expects=())
    drawing = timeline(quiet, Observation("virtual", 0.0, 0, 3600.0), WIDTH)
    texts = [text.text for text in drawing.iter("text")]
    assert "No alert was expected, and none was raised." in texts


@pytest.mark.parametrize(
    "values", [[], [np.nan], [np.inf, -np.inf], [0.0], [-3.0, -1.0], [1e308, -1e308], [5e-324]]
)
def test_any_values_can_be_drawn(passed: Drill, values: list[float]) -> None:
    odd = Statistic("Odd", "odd > 1", (curve("odd", np.array(values)),), ())
    drawing = drawn(passed, statistics=(odd,))
    for element in drawing.iter():
        assert not re.search("nan|inf", "".join(element.get(k, "") for k in ("d", "x", "y")))


def test_nothing_of_a_narrow_drawing_stands_outside_it(passed: Drill) -> None:
    drawing = timeline(passed.scenario, passed.observation, 340.0)
    for text in drawing.iter("text"):
        x, length = float(text.get("x", "nan")), len(text.text or "")
        assert x + (length * 6.4 if text.get("text-anchor") == "start" else 0.0) <= 342.0, text.text
    for rect in drawing.iter("rect"):
        assert float(rect.get("x", "nan")) + float(rect.get("width", "nan")) <= 340.0


def test_a_line_breaks_at_nan_and_at_a_gap_in_time() -> None:
    x = np.array([0.0, 10.0, 20.0, 30.0, 40.0, 90.0, 100.0])
    y = np.array([1.0, 1.0, np.nan, 1.0, 1.0, 1.0, 1.0])
    assert line_path(x, y).count("M") == 3


def test_a_point_alone_is_a_dot() -> None:
    assert line_path(np.array([5.0]), np.array([7.0])) == "M5.0 7.0h0"


def test_a_dense_line_keeps_its_peaks_and_stays_whole() -> None:
    x, y = np.linspace(0.0, 100.0, 50_000), np.zeros(50_000)
    y[31_337] = 42.0
    path = line_path(x, y)
    assert path.count("M") == 1
    assert path.count("L") <= 2 * 101
    assert " 42.0" in path


def test_a_scale_holds_values_inside_and_keeps_nan() -> None:
    scale = Scale(0.0, 10.0, 100.0, 0.0)
    places = scale(np.array([-5.0, 5.0, np.inf, np.nan]))
    assert places.tolist()[:3] == [100.0, 50.0, 0.0]
    assert np.isnan(places[3])


def test_ticks_are_round_and_inside_their_scale() -> None:
    assert Scale(0.0, 3.3, 0.0, 1.0).ticks() == [0.0, 2.0]
    assert Scale(0.05, 300.0, 0.0, 1.0, log=True).ticks() == [0.1, 10.0]


@pytest.mark.parametrize("duration", [1.0, 59.0, 3600.0, 86_400.0, 30 * 86_400.0, 400 * 86_400.0])
def test_time_ticks_are_evenly_spaced_and_not_too_many(duration: float) -> None:
    ticks = time_ticks(duration, 12)
    assert 2 <= len(ticks) <= 13
    assert ticks[-1] <= duration
    assert len({end - start for start, end in pairwise(ticks)}) == 1
