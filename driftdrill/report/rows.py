"""The lines of the expectations table, as the terminal and the page both show them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from driftdrill.text import UNKNOWN, alert_title, short_time
from driftdrill.verdict import Alert, Expectation, Outcome, Verdict, matches
from scenarios.expectations import Expect
from scenarios.spec import Scenario

COLUMNS = ("Alert", "Expected", "Within", "Fired", "Notified", "Resolved")

COLOURS: Mapping[Outcome, str] = {"pass": "green", "fail": "red", "inconclusive": "yellow"}
"""Of an outcome in the terminal."""

HEADLINES: Mapping[Outcome, str] = {"pass": "PASS", "fail": "FAIL", "inconclusive": "INCONCLUSIVE"}


@dataclass(frozen=True)
class Row:
    """One expectation in words; times count from the onset of the change, or from its end.

    `cells` are the texts of `COLUMNS`.
    """

    cells: tuple[str, str, str, str, str, str]
    outcome: Outcome


def rows(scenario: Scenario, verdict: Verdict) -> tuple[Row, ...]:
    """A row per expectation of the verdict, in its order."""
    left = list(scenario.expects)
    found = []
    for expectation in verdict.expectations:
        if expectation.kind == "fires":
            found.append(_fires(expectation, _take(left, expectation), verdict.alerts))
        elif expectation.kind == "resolves":
            found.append(_resolves(expectation))
        else:
            found.append(_unasked(expectation, verdict.alerts))
    return tuple(found)


def headline(verdict: Verdict) -> str:
    """One sentence: how many expectations held.

    Says nothing about a verdict's reasons, which are sentences of their own.
    """
    fires = [e.outcome == "pass" for e in verdict.expectations if e.kind == "fires"]
    silent = [e.outcome == "pass" for e in verdict.expectations if e.kind == "silent"]
    resolves = [e.outcome == "pass" for e in verdict.expectations if e.kind == "resolves"]
    parts = []
    if fires:
        parts.append(f"{sum(fires)} of {len(fires)} expected alerts fired in time")
    if resolves:
        parts.append(f"{sum(resolves)} of {len(resolves)} resolved in time")
    if silent:
        parts.append(f"{sum(silent)} of {len(silent)} others stayed silent")
    unknown = sum(e.outcome == "inconclusive" for e in verdict.expectations)
    if unknown:
        parts.append(f"{unknown} could not be known")
    return "; ".join(parts) or "no expectation could be judged"


def run_again(verdict: Verdict) -> str:
    """The command that repeats the drill."""
    way = f"--live --speed {verdict.speed:g}" if verdict.mode == "live" else "--virtual"
    return f"driftdrill run {verdict.scenario} {way} --seed {verdict.seed}"


def _take(left: list[Expect], expectation: Expectation) -> Expect | None:
    """The scenario's line behind an expectation; taken once, so equal lines pair in order."""
    for i, expect in enumerate(left):
        if (expect.alert, expect.labels) == (expectation.alert, expectation.labels):
            return left.pop(i)
    return None


def _fires(expectation: Expectation, expect: Expect | None, alerts: tuple[Alert, ...]) -> Row:
    onset = expect.onset if expect else 0.0
    life = _first_life(expectation, alerts, onset) if expectation.delay_s is not None else None
    return Row(
        (
            alert_title(expectation.alert, expectation.labels),
            "fires",
            short_time(expectation.deadline_s),
            short_time(expectation.delay_s),
            _after(onset, life.notified_at if life else None),
            _resolved(onset, life),
        ),
        expectation.outcome,
    )


def _resolves(expectation: Expectation) -> Row:
    title = alert_title(expectation.alert, expectation.labels)
    within, took = short_time(expectation.deadline_s), short_time(expectation.delay_s)
    cells = (title, "resolves", within, UNKNOWN, UNKNOWN, took)
    return Row(cells, expectation.outcome)


def _unasked(expectation: Expectation, alerts: tuple[Alert, ...]) -> Row:
    """An alert that must stay silent, or may fire."""
    life = _first_life(expectation, alerts, 0.0)
    # Nothing was due, so there is no onset to count from: the scenario's start is all there is.
    times = (life.firing_at, life.notified_at, life.resolved_at) if life else (None, None, None)
    fired, notified, resolved = (
        UNKNOWN if time is None else f"at {short_time(time)}" for time in times
    )
    title = alert_title(expectation.alert, expectation.labels)
    said = "may fire" if expectation.kind == "may" else "silent"
    return Row((title, said, UNKNOWN, fired, notified, resolved), expectation.outcome)


def _first_life(expectation: Expectation, alerts: tuple[Alert, ...], since: float) -> Alert | None:
    lives = [
        (life.firing_at, i)
        for i, life in enumerate(alerts)
        if matches(expectation, life) and life.firing_at is not None and life.firing_at >= since
    ]
    return alerts[min(lives)[1]] if lives else None


def _after(onset: float, at: float | None) -> str:
    return UNKNOWN if at is None else short_time(at - onset)


def _resolved(onset: float, life: Alert | None) -> str:
    if life is None:
        return UNKNOWN
    return "still firing" if life.resolved_at is None else _after(onset, life.resolved_at)
