"""What must have happened against what did: (scenario, observation) -> Verdict. Pure.

All times are seconds of production time since the scenario began; None is unknown.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import msgspec

from driftdrill.text import alert_title, short_time
from scenarios.spec import Expect, Scenario

Outcome = Literal["pass", "fail", "inconclusive"]


class Alert(msgspec.Struct, frozen=True):
    """One life of one alert instance, as Prometheus recorded it and Alertmanager delivered it."""

    alert: str
    labels: Mapping[str, str]
    pending_at: float | None
    firing_at: float | None
    resolved_at: float | None = None
    notified_at: float | None = None


class Requests(msgspec.Struct, frozen=True):
    """The traffic: how many were due, sent and failed; rates are production requests/s."""

    sent: int = 0
    failed: int = 0
    rate_target: float = 0.0
    rate_achieved: float = 0.0


class Curve(msgspec.Struct, frozen=True):
    """One drawn line: values over time. `times` and `values` are of equal length."""

    name: str
    labels: Mapping[str, str]
    times: tuple[float, ...]
    values: tuple[float, ...]


class Statistic(msgspec.Struct, frozen=True):
    """What an alert watches: the two sides of its comparison, over time."""

    alert: str
    expression: str
    values: tuple[Curve, ...]
    thresholds: tuple[Curve, ...]


class Observation(msgspec.Struct, frozen=True):
    """Everything one drill saw, whichever way it ran.

    Attributes:
        mode: How it ran.
        speed: Production seconds per second of the clock; 0 in a virtual drill, which has none.
        seed: Seed of the traffic.
        observed_s: Production seconds watched, from the scenario's start.
        rules: Names of the alerts that the loaded rules can raise.
        alerts: Every alert instance that left the inactive state.
        requests: The traffic that was delivered.
        faults: What the harness could not observe, a sentence each. Any fault is inconclusive.
        statistics: For drawing.
        traffic: For drawing; production requests/s.
        versions: Of everything that took part.
    """

    mode: Literal["live", "virtual"]
    speed: float
    seed: int
    observed_s: float
    rules: tuple[str, ...] = ()
    alerts: tuple[Alert, ...] = ()
    requests: Requests = Requests()
    faults: tuple[str, ...] = ()
    statistics: tuple[Statistic, ...] = ()
    traffic: Curve | None = None
    versions: Mapping[str, str] = {}


class Expectation(msgspec.Struct, frozen=True):
    """One line of the verdict: an alert that must fire, or must not, and what it did.

    `deadline_s` and `delay_s` count from the onset of the change that the alert is to find.
    """

    alert: str
    labels: Mapping[str, str]
    kind: Literal["fires", "silent"]
    deadline_s: float | None
    outcome: Outcome
    delay_s: float | None = None


class Verdict(msgspec.Struct, frozen=True):
    """The answer of one drill; field by field what `verdict.json` holds."""

    scenario: str
    mode: Literal["live", "virtual"]
    speed: float
    seed: int
    outcome: Outcome
    reasons: tuple[str, ...]
    expectations: tuple[Expectation, ...]
    alerts: tuple[Alert, ...]
    requests: Requests
    versions: Mapping[str, str]


def judge(scenario: Scenario, seen: Observation) -> Verdict:
    """Hold what must have happened against what did.

    An expectation passes when a matching alert began to fire after the onset and before the
    deadline, was not firing before the onset, and, in a live drill, its notification arrived. Every
    other alert that fired is a failure. What the harness could not observe makes the whole drill
    inconclusive.
    """
    faults = seen.faults if seen.rules or seen.faults else ("no alerting rule is loaded",)
    wanted = [_judge_fires(expect, seen) for expect in scenario.expects]
    silent = [_judge_silent(name, scenario, seen) for name in seen.rules]
    expectations = [*wanted, *(line for lines in silent for line in lines)]
    reasons = [reason for _, reason in expectations if reason]
    lines = tuple(line for line, _ in expectations)
    outcome: Outcome = "pass"
    if any(line.outcome == "fail" for line in lines):
        outcome = "fail"
    if faults or any(line.outcome == "inconclusive" for line in lines):
        outcome = "inconclusive"
    return Verdict(
        scenario=scenario.name,
        mode=seen.mode,
        speed=seen.speed,
        seed=seen.seed,
        outcome=outcome,
        reasons=(*faults, *reasons),
        expectations=lines,
        alerts=seen.alerts,
        requests=seen.requests,
        versions=seen.versions,
    )


_Judged = tuple[Expectation, str | None]
"""A line of the verdict, and why it is not a pass."""


def _judge_fires(expect: Expect, seen: Observation) -> _Judged:
    fired = [a for a in seen.alerts if a.firing_at is not None and matches(expect, a)]
    first = min(fired, key=lambda a: a.firing_at or 0.0, default=None)
    name = alert_title(expect.alert, expect.labels)

    def line(outcome: Outcome, delay: float | None = None) -> Expectation:
        return Expectation(expect.alert, expect.labels, "fires", expect.within, outcome, delay)

    if expect.alert not in seen.rules and not seen.faults:
        return line("fail"), f"{name} must fire, but no loaded rule has this name"
    if first is None or first.firing_at is None:
        if seen.observed_s < expect.onset + expect.within:
            return line("inconclusive"), f"{name}: the drill ended before its deadline"
        return line("fail"), f"{name} did not fire within {short_time(expect.within)} of the change"
    delay = first.firing_at - expect.onset
    if delay < 0:
        return line("fail", delay), f"{name} fired {short_time(-delay)} before the change"
    if delay > expect.within:
        late = f"{short_time(delay)} after the change, not within {short_time(expect.within)}"
        return line("fail", delay), f"{name} fired {late}"
    # Time that is virtual has no Alertmanager.
    if seen.mode == "live" and all(alert.notified_at is None for alert in fired):
        return line("fail", delay), f"{name} fired, but no notification of it arrived"
    return line("pass", delay), None


def _judge_silent(name: str, scenario: Scenario, seen: Observation) -> list[_Judged]:
    unexpected = [
        alert
        for alert in seen.alerts
        if alert.alert == name
        and alert.firing_at is not None
        and not any(matches(expect, alert) for expect in scenario.expects)
    ]
    if unexpected:
        return [
            (
                Expectation(name, alert.labels, "silent", None, "fail"),
                f"{alert_title(name, alert.labels)} fired at {short_time(alert.firing_at or 0.0)},"
                " but nothing expects it",
            )
            for alert in unexpected
        ]
    if any(expect.alert == name for expect in scenario.expects):
        return []
    outcome: Outcome = "inconclusive" if seen.faults else "pass"
    return [(Expectation(name, {}, "silent", None, outcome), None)]


def matches(expect: Expect | Expectation, alert: Alert) -> bool:
    """Whether an alert is the one that an expectation names, by name and labels."""
    return alert.alert == expect.alert and expect.labels.items() <= alert.labels.items()
