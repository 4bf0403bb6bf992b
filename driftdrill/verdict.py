"""What must have happened against what did: (scenario, observation) -> Verdict. Pure.

All times are seconds of production time since the scenario began; None is unknown.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Literal

import msgspec

from driftdrill.text import alert_title, short_time
from scenarios.expectations import Allow, Expect, Resolve
from scenarios.spec import Scenario

Outcome = Literal["pass", "fail", "inconclusive"]

_ROUNDING_S = 1.0
"""The lengths of phases are sums and products of floats."""


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
        notes: What happened besides and does not change the outcome, a sentence each.
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
    notes: tuple[str, ...] = ()


class Expectation(msgspec.Struct, frozen=True):
    """One line of the verdict: what an alert must do, or may, and what it did.

    `deadline_s` and `delay_s` count from the onset of the change that the alert is to find; those
    of `resolves` from the end of that change, and below 0 when the alert was over before it.
    """

    alert: str
    labels: Mapping[str, str]
    kind: Literal["fires", "resolves", "may", "silent"]
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
    notes: tuple[str, ...] = ()


def judge(scenario: Scenario, seen: Observation) -> Verdict:
    """Hold what must have happened against what did.

    An expectation passes when a matching alert began to fire after the onset and before the
    deadline, was not firing before the onset, and, in a live drill, its notification arrived; where
    it must resolve, every matching alert must be over by that deadline. Every other alert that
    fired and is not allowed to is a failure. What the harness could not observe makes the whole
    drill inconclusive.
    """
    faults = seen.faults or tuple(_unknown(scenario, seen))
    wanted = [line for expect in scenario.expects for line in _judge_expect(expect, scenario, seen)]
    allowed = [_judge_may(allow, seen) for allow in scenario.allows]
    silent = [line for name in seen.rules for line in _judge_silent(name, scenario, seen)]
    expectations = [*wanted, *allowed, *silent]
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
        notes=seen.notes,
    )


def _unknown(scenario: Scenario, seen: Observation) -> Iterator[str]:
    """What silence cannot be told from, although nothing went wrong."""
    if not seen.rules:
        yield "no alerting rule is loaded"
    duration = scenario.schedule.duration
    if seen.observed_s < duration - _ROUNDING_S:
        yield f"only {short_time(seen.observed_s)} of {short_time(duration)} were watched"


_Judged = tuple[Expectation, str | None]
"""A line of the verdict, and why it is not a pass."""


def _judge_expect(expect: Expect, scenario: Scenario, seen: Observation) -> list[_Judged]:
    fires = _judge_fires(expect, scenario, seen)
    if expect.resolve is None:
        return [fires]
    return [fires, _judge_resolves(expect, expect.resolve, seen)]


def _judge_fires(expect: Expect, scenario: Scenario, seen: Observation) -> _Judged:
    earlier = [other for other in scenario.expects if other.onset < expect.onset]
    fired = [
        alert
        for alert in seen.alerts
        if alert.firing_at is not None
        and matches(expect, alert)
        and not any(_explains(other, alert, expect.onset, seen.observed_s) for other in earlier)
    ]
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
    delay = round(first.firing_at - expect.onset, 3)
    if delay < 0:
        return line("fail", delay), f"{name} fired {short_time(-delay)} before the change"
    if delay > expect.within:
        late = f"{short_time(delay)} after the change, not within {short_time(expect.within)}"
        return line("fail", delay), f"{name} fired {late}"
    # Time that is virtual has no Alertmanager.
    if seen.mode == "live" and all(alert.notified_at is None for alert in fired):
        return line("fail", delay), f"{name} fired, but no notification of it arrived"
    return line("pass", delay), None


def _explains(expect: Expect, alert: Alert, before: float, observed: float) -> bool:
    """Whether an alert that fired and was over before a time is due to an earlier expectation.

    One that still fires may be over by then, as long as that time is still to come.
    """
    over = alert.resolved_at is not None and alert.resolved_at <= before
    return (
        (over or observed < before)
        and matches(expect, alert)
        and (alert.firing_at or 0.0) >= expect.onset
    )


def _judge_resolves(expect: Expect, resolve: Resolve, seen: Observation) -> _Judged:
    fired = [a for a in seen.alerts if a.firing_at is not None and matches(expect, a)]
    over = [alert.resolved_at for alert in fired if alert.resolved_at is not None]
    deadline = resolve.end + resolve.within
    name = alert_title(expect.alert, expect.labels)

    def line(outcome: Outcome, delay: float | None = None) -> Expectation:
        within = resolve.within
        return Expectation(expect.alert, expect.labels, "resolves", within, outcome, delay)

    last = max(over, default=0.0)
    if last > deadline:
        late = f"{short_time(last - resolve.end)} after the end of the change"
        reason = f"{name} resolved {late}, not within {short_time(resolve.within)}"
        return line("fail", round(last - resolve.end, 3)), reason
    if seen.observed_s < deadline:
        return line("inconclusive"), f"{name}: the drill ended before it had to resolve"
    if not fired:
        return line("fail"), f"{name} did not fire, so it could not resolve"
    if len(over) < len(fired):
        within = short_time(resolve.within)
        return line("fail"), f"{name} did not resolve within {within} of the end of the change"
    return line("pass", round(last - resolve.end, 3)), None


def _judge_may(allow: Allow, seen: Observation) -> _Judged:
    """An allowed alert may fire as often as it is allowed to; too early, it is unexpected."""
    fired = [
        round(alert.firing_at - allow.onset, 3)
        for alert in seen.alerts
        if alert.firing_at is not None and permits(allow, alert)
    ]
    outcome: Outcome = "inconclusive" if seen.faults else "pass"
    reason = None
    if allow.at_most is not None and len(fired) > allow.at_most:
        name = alert_title(allow.alert, allow.labels)
        outcome = "fail"
        reason = f"{name} fired {len(fired)} times, and may {allow.at_most} at most"
    delay = min(fired, default=None)
    return Expectation(allow.alert, allow.labels, "may", None, outcome, delay), reason


def _judge_silent(name: str, scenario: Scenario, seen: Observation) -> list[_Judged]:
    unexpected = [
        alert
        for alert in seen.alerts
        if alert.alert == name and alert.firing_at is not None and not expected(scenario, alert)
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
    known = [e.alert for e in scenario.expects] + [a.alert for a in scenario.allows]
    if name in known:
        return []
    outcome: Outcome = "inconclusive" if seen.faults else "pass"
    return [(Expectation(name, {}, "silent", None, outcome), None)]


def expected(scenario: Scenario, alert: Alert) -> bool:
    """Whether a scenario says that an alert which fired must do so, or may."""
    return any(matches(expect, alert) for expect in scenario.expects) or any(
        permits(allow, alert) for allow in scenario.allows
    )


def permits(allow: Allow, alert: Alert) -> bool:
    """Whether an alert which fired is allowed to."""
    return matches(allow, alert) and (alert.firing_at or 0.0) >= allow.onset


def matches(expect: Expect | Allow | Expectation, alert: Alert) -> bool:
    """Whether an alert is the one that an expectation names, by name and labels."""
    return alert.alert == expect.alert and expect.labels.items() <= alert.labels.items()
