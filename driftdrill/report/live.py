"""A drill under way -> the fragment of HTML that the live page shows, new each second."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal
from xml.etree.ElementTree import Element, tostring

from markupsafe import Markup

from driftdrill.report.html import NARROW, PAGES, WIDE
from driftdrill.report.rows import HEADLINES, headline
from driftdrill.report.shares import Share, distances, draw_distances, draw_shares
from driftdrill.report.timeline import timeline
from driftdrill.text import (
    UNKNOWN,
    alert_title,
    printable,
    printable_lines,
    short_number,
    short_time,
)
from driftdrill.verdict import (
    Alert,
    Expectation,
    Observation,
    Outcome,
    Statistic,
    Verdict,
    judge,
    matches,
)
from scenarios.expectations import Expect
from scenarios.spec import Scenario

Stage = Literal["preparing", "running", "over"]
State = Literal["inactive", "pending", "firing", "resolved"]

COLUMNS = ("Alert", "State", "Since", "Value", "Threshold", "Expected", "Deadline", "So far")
_SMALL = 500.0


@dataclass(frozen=True)
class LiveView:
    """What is known of a drill right now.

    Attributes:
        servers: Name -> URL, to look further.
        shares: The scores' distribution; empty while there are none.
        verdict: Once the drill has been judged.
        report: Where the full report is served then.
    """

    scenario: Scenario
    observation: Observation
    stage: Stage
    servers: tuple[tuple[str, str], ...]
    shares: tuple[Share, ...] = ()
    verdict: Verdict | None = None
    report: str = ""


@dataclass(frozen=True)
class LiveRow:
    """One alert in words, cell by cell as `COLUMNS`, and what styles it."""

    cells: tuple[str, ...]
    state: State
    outcome: Outcome


def live_html(view: LiveView) -> str:
    """The page's fragment; equal views give equal text."""
    seen, scenario = view.observation, view.scenario
    ranked, duration = distances(seen.statistics), scenario.schedule.duration
    return PAGES.get_template("live.html.j2").render(
        name=printable(scenario.name),
        summary=printable(scenario.summary),
        stage=view.stage,
        clock=f"{short_time(round(min(seen.observed_s, duration)))} of {short_time(duration)}",
        since=short_time(round(seen.observed_s - duration)) if seen.observed_s > duration else "",
        phase=printable(scenario.schedule.phase_at(seen.observed_s).name),
        speed=f"{seen.speed:g}",
        seed=seen.seed,
        verdict=view.verdict,
        outcome_title=HEADLINES[view.verdict.outcome] if view.verdict else "",
        headline=headline(view.verdict) if view.verdict else "",
        reasons=[printable_lines(reason) for reason in view.verdict.reasons]
        if view.verdict
        else [],
        report=view.report,
        columns=COLUMNS,
        unknown=UNKNOWN,
        rows=live_rows(scenario, seen, view.verdict),
        shares=_markup(draw_shares(view.shares, _SMALL)) if view.shares else "",
        distances=_markup(draw_distances(ranked, _SMALL)) if ranked else "",
        drawings=[
            (kind, _markup(timeline(scenario, seen, width)))
            for kind, width in (("wide", WIDE), ("narrow", NARROW))
        ],
        servers=view.servers,
    )


def live_rows(scenario: Scenario, seen: Observation, verdict: Verdict | None) -> list[LiveRow]:
    """A row per expectation, as things stand; an alert that fired unasked, and again, is one.

    Args:
        scenario: The drill.
        seen: What has been seen of it.
        verdict: Once it has been judged; what an alert still waits for is told until then.
    """
    judged = verdict or judge(scenario, seen)
    asked = (expect for expect in scenario.expects for _ in range(1 + bool(expect.resolve)))
    rows, unasked = [], {}
    for line in judged.expectations:
        if line.kind in ("fires", "resolves"):
            rows.append(_row(line, _Task.of(line, next(asked)), seen, verdict is not None))
        else:
            row = _row(line, None, seen, verdict is not None)
            unasked[row.cells[0], line.kind] = row
    return [*rows, *unasked.values()]


@dataclass(frozen=True)
class _Task:
    """From when an alert is waited for, and for how long; seconds of production time."""

    since: float
    within: float

    @classmethod
    def of(cls, line: Expectation, expect: Expect) -> _Task:
        if line.kind == "resolves" and expect.resolve is not None:
            return cls(expect.resolve.end, expect.resolve.within)
        return cls(expect.onset, expect.within)


def _row(line: Expectation, task: _Task | None, seen: Observation, is_judged: bool) -> LiveRow:
    lives = [alert for alert in seen.alerts if matches(line, alert)]
    life = max(lives, key=lambda alert: alert.firing_at or alert.pending_at or 0.0, default=None)
    state, since = _state(life)
    value, threshold = _latest(line, seen.statistics)
    expected = "may fire" if line.kind == "may" else "silent"
    deadline, outcome, waiting = UNKNOWN, line.outcome, None
    if task is not None:
        expected = f"{line.kind} within {short_time(task.within)}"
        left = task.since + task.within - seen.observed_s
        waiting = None if is_judged else _waiting(line, task, seen.observed_s)
        if line.delay_s is not None:
            deadline = f"took {short_time(line.delay_s)}"
        elif waiting is not None:
            deadline = f"{short_time(round(left))} left"
    if waiting is not None:
        outcome = "inconclusive"
    return LiveRow(
        (
            alert_title(line.alert, line.labels),
            state,
            UNKNOWN if since is None else f"at {short_time(since)}",
            short_number(value),
            short_number(threshold),
            expected,
            deadline,
            waiting or outcome,
        ),
        state,
        outcome,
    )


def _waiting(line: Expectation, task: _Task, now: float) -> str | None:
    """What would have to come for an expectation to hold, while it still can; else None."""
    if line.outcome == "inconclusive" and now < task.since + task.within:
        return "not due yet" if now < task.since else "due"
    in_time = line.delay_s is not None and 0 <= line.delay_s <= task.within
    if line.kind == "fires" and line.outcome == "fail" and in_time:
        return "notification under way"
    return None


def _state(life: Alert | None) -> tuple[State, float | None]:
    if life is None or (life.firing_at is None and life.resolved_at is not None):
        return "inactive", None  # what only waited, and went away, has nothing to resolve
    if life.resolved_at is not None:
        return "resolved", life.resolved_at
    if life.firing_at is not None:
        return "firing", life.firing_at
    return "pending", life.pending_at


def _latest(
    line: Expectation, statistics: Sequence[Statistic]
) -> tuple[float | None, float | None]:
    """What the alert compares right now: its farthest value, and the threshold."""
    for statistic in statistics:
        if statistic.alert != line.alert:
            continue
        values = [
            curve.values[-1]
            for curve in statistic.values
            if curve.values
            and all(curve.labels.get(name, value) == value for name, value in line.labels.items())
        ]
        limits = [curve.values[-1] for curve in statistic.thresholds if curve.values]
        return max(values, default=None), min(limits, default=None)
    return None, None


def _markup(drawing: Element) -> Markup:
    # ElementTree has escaped every text and attribute of the drawing.
    return Markup(tostring(drawing, encoding="unicode"))  # noqa: S704
