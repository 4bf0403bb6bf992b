"""A scenario as a picture of its own: traffic, drifts, and when which alert must fire."""

from __future__ import annotations

from pathlib import Path
from xml.etree.ElementTree import tostring

from driftdrill.report.canvas import Canvas, Key
from driftdrill.report.svg import fitting, node
from driftdrill.report.timeline import draw_drifts, draw_traffic
from driftdrill.text import alert_title, printable, short_time
from scenarios.expectations import Expect
from scenarios.spec import Scenario

WIDTH = 1040.0
"""Pixels."""

_HEIGHT = 18.0


def poster(scenario: Scenario) -> str:
    """A whole SVG file; it brings its style with it."""
    canvas = Canvas(WIDTH, scenario.schedule.duration)
    canvas.phase_names(scenario.schedule)
    canvas.time_axis()
    draw_traffic(canvas, scenario)
    draw_drifts(canvas, scenario)
    _draw_expectations(canvas, scenario)
    canvas.time_axis()
    drawing = canvas.finish(
        scenario.schedule,
        scenario.schedule.duration,
        printable(scenario.name),
        printable(scenario.summary),
    )
    drawing.set("xmlns", "http://www.w3.org/2000/svg")
    drawing.append(node("style", Path(__file__).with_name("drawing.css").read_text()))
    return tostring(drawing, encoding="unicode") + "\n"


def _draw_expectations(canvas: Canvas, scenario: Scenario) -> None:
    keys = (
        Key("box", "window", "must begin to fire"),
        Key("box", "over", "must be over from here"),
    )
    canvas.header("Expectations", "every alert that is not named must stay silent", keys)
    for expect in scenario.expects:
        _draw_expectation(canvas, expect, scenario.schedule.duration)
    for allow in scenario.allows:
        canvas.y += 17.0
        title = f"{alert_title(allow.alert, allow.labels)} may fire from {short_time(allow.onset)}"
        canvas.text(0.0, fitting(title, WIDTH), "lane")
    if not scenario.expects and not scenario.allows:
        canvas.y += 12.0
        canvas.text(0.0, "Every alert must stay silent.", "empty")


def _draw_expectation(canvas: Canvas, expect: Expect, duration: float) -> None:
    canvas.y += 17.0
    canvas.text(0.0, fitting(alert_title(expect.alert, expect.labels), WIDTH), "lane")
    canvas.y += 6.0
    top = canvas.strip(_HEIGHT)
    end = expect.onset + expect.within
    title = f"must begin to fire from {short_time(expect.onset)} to {short_time(end)}"
    canvas.box(expect.onset, end, top + 1.5, _HEIGHT - 3, "window", title)
    if expect.resolve:
        over = expect.resolve.end + expect.resolve.within
        title = f"must be over from {short_time(over)} on"
        canvas.box(over, duration, top + 1.5, _HEIGHT - 3, "over", title)
    canvas.y += 2.0
