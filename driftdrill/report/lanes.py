"""The drawing's last panel: a lane per alert instance, its states as bars over time."""

from __future__ import annotations

from dataclasses import dataclass

from driftdrill.report.canvas import Canvas, Key
from driftdrill.report.svg import fitting, node, titled
from driftdrill.text import alert_title, short_time
from driftdrill.verdict import Alert, Observation, expected, matches
from scenarios.expectations import Expect
from scenarios.spec import Scenario

_MOST = 40
_HEIGHT, _BAR = 22.0, 12.0


@dataclass(frozen=True)
class Lane:
    """One alert instance: its lives, the expectations that it may meet.

    Attributes:
        surprise: Whether it fired although nothing expects or allows it.
    """

    title: str
    lives: tuple[Alert, ...]
    expects: tuple[Expect, ...]
    surprise: bool = False


def lanes(scenario: Scenario, observation: Observation) -> list[Lane]:
    """A lane per instance that was raised, and per expectation that none met; expected first."""
    lives: dict[str, list[Alert]] = {}
    for alert in observation.alerts:
        lives.setdefault(alert_title(alert.alert, alert.labels), []).append(alert)
    raised = [
        Lane(
            title,
            tuple(own),
            tuple(e for e in scenario.expects if matches(e, own[0])),
            any(life.firing_at is not None and not expected(scenario, life) for life in own),
        )
        for title, own in lives.items()
    ]
    missed = [
        Lane(alert_title(expect.alert, expect.labels), (), (expect,))
        for expect in scenario.expects
        if not any(matches(expect, alert) for alert in observation.alerts)
    ]
    return sorted(raised + missed, key=lambda lane: not lane.expects)


def draw_alerts(canvas: Canvas, scenario: Scenario, observation: Observation) -> None:
    """Draw every lane: pending, firing, notified, and the window in which it must begin."""
    keys = (
        Key("box", "pending", "pending"),
        Key("box", "firing", "firing, expected"),
        Key("box", "surprise", "firing, not expected"),
        Key("line", "notified", "notified"),
        Key("box", "window", "must begin to fire in here"),
    )
    canvas.header("Alerts", "states over time", keys)
    found = lanes(scenario, observation)
    for lane in found[:_MOST]:
        _draw(canvas, lane, observation.observed_s)
    if len(found) > _MOST:
        canvas.y += 20.0
        canvas.text(0.0, f"and {len(found) - _MOST} more, in the table of alerts", "empty")
    if not found:
        canvas.y += 12.0
        canvas.text(0.0, "No alert was expected, and none was raised.", "empty")


def _draw(canvas: Canvas, lane: Lane, observed: float) -> None:
    canvas.y += 17.0
    note = " (not expected)" if lane.surprise else "" if lane.lives else " (never raised)"
    shown = fitting(lane.title, canvas.width - len(note) * 7) + note
    label = node("text", shown, x=0.0, y=canvas.y, class_="lane")
    canvas.add(titled(label, lane.title + note))
    canvas.y += 6.0
    top = canvas.strip(_HEIGHT)
    for expect in lane.expects:
        end = expect.onset + expect.within
        title = f"must begin to fire from {short_time(expect.onset)} to {short_time(end)}"
        canvas.box(expect.onset, end, top + 1.5, _HEIGHT - 3, "window", title)
    for life in lane.lives:
        _life(canvas, life, top + (_HEIGHT - _BAR) / 2, observed, lane.surprise)
    canvas.y += 2.0


def _life(canvas: Canvas, life: Alert, top: float, observed: float, surprise: bool) -> None:
    end = observed if life.resolved_at is None else life.resolved_at
    if life.pending_at is not None:
        until = end if life.firing_at is None else life.firing_at
        title = f"pending from {short_time(life.pending_at)} to {short_time(until)}"
        canvas.box(life.pending_at, until, top, _BAR, "pending", title)
    if life.firing_at is not None:
        title = f"firing from {short_time(life.firing_at)} to {short_time(end)}"
        style = "surprise" if surprise else "firing"
        canvas.box(life.firing_at, end, top, _BAR, style, title)
    if life.notified_at is not None:
        x = canvas.x.at(life.notified_at)
        d = f"M{x:.1f} {top - 4:.1f}v{_BAR + 8:.1f}"
        canvas.path(d, "notified", f"notified at {short_time(life.notified_at)}")
