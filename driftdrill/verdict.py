"""What must have happened against what did: (scenario, observation) -> Verdict. Pure.

All times are seconds of production time since the scenario began; None is unknown.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import msgspec

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
