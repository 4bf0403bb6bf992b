"""What has been seen of a live drill so far, kept outside its servers: their end loses nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

import msgspec
import numpy as np

from driftdrill import health
from driftdrill.crew import ALONE, Crew, notes
from driftdrill.monitoring import Monitoring
from driftdrill.promapi import (
    Clock,
    Prometheus,
    Rule,
    alert_lives,
    to_curve,
    watched,
)
from driftdrill.report.progress import Progress
from driftdrill.rig.configs import DRILL_LABELS
from driftdrill.rig.replicas import Service
from driftdrill.rig.tools import Tools
from driftdrill.rig.webhook import Notification
from driftdrill.text import alert_title
from driftdrill.verdict import Alert, Curve, Observation, Statistic
from driftdrill.versions import versions
from scenarios.spec import Scenario
from scenarios.status import Status
from scenarios.target import Target

CURVE_POINTS = 240

STARTUP_S = 60.0
"""Real seconds before the drill in which alerts are looked for, too: one that was on its way before
the first request says nothing about the drill."""

IDLE_ALERTS = frozenset({"NoTraffic"})
"""What the shipped rules say of a service that nobody asks yet; the first requests end it."""

_CONTEXT_LABELS = {"model", "version", "severity", "job", "instance", "app_name", *DRILL_LABELS}


@dataclass(frozen=True)
class Settings:
    """How one live drill is run.

    Attributes:
        speed: Production seconds per real second.
        out: New or empty folder for everything that the drill leaves.
        rules: Rule files, in production time.
        served: What our replicas are to be, or a service that runs elsewhere.
        tools: The programs; None where all servers run already.
        monitoring: Somebody's Prometheus, which has its own rules; None starts one.
        crew: Who sends the traffic.
    """

    speed: float
    seed: int
    out: Path
    rules: tuple[Path, ...]
    served: Service | Target
    tools: Tools | None
    monitoring: Monitoring | None = None
    crew: Crew = ALONE


@dataclass
class Watch:
    """What has been seen so far; kept outside the servers, so that their end does not lose it."""

    scenario: Scenario
    settings: Settings
    clock: Clock | None = None
    observed_s: float = 0.0
    rules: list[Rule] = field(default_factory=list)
    added_labels: Mapping[str, str] = field(default_factory=dict)
    alerts: tuple[Alert, ...] = ()
    statuses: list[Status] = field(default_factory=list)
    statistics: tuple[Statistic, ...] = ()
    faults: list[str] = field(default_factory=list)
    versions: Mapping[str, str] = field(default_factory=dict)

    @property
    def allowed_before(self) -> frozenset[str]:
        """Alerts whose firing before the drill says nothing about it."""
        idle = IDLE_ALERTS if self.settings.monitoring is not None else frozenset()
        return idle | {allow.alert for allow in self.scenario.allows}

    def look(
        self, prometheus: Prometheus, notifications: Sequence[Notification], until: float
    ) -> None:
        """Read the alerts up to a time, production seconds, and which of them were delivered."""
        if self.clock is None:
            return
        before = self.clock.t0 - STARTUP_S
        samples = prometheus.samples("ALERTS", before, self.clock.unix(until))
        intervals = {rule.name: rule.interval for rule in self.rules}
        lives = alert_lives(
            samples, self.clock, intervals, self.clock.unix(until), self.added_labels
        )
        self.alerts = notified(self._ours(lives), notifications, self.clock)
        self.observed_s = until

    def observation(self) -> Observation:
        """What was seen, as one value."""
        clock = self.clock or Clock(0.0, self.settings.speed)
        status = self.statuses[-1] if self.statuses else None
        delivered = health.requests(self.scenario, status, self.settings.speed)
        faults = [*self.faults]
        faults += [
            f"{alert_title(alert.alert, alert.labels)} was on its way before the drill began:"
            f" this machine starts too slowly for speed {self.settings.speed:g}"
            for alert in self.alerts
            if alert.firing_at is not None and (alert.pending_at or alert.firing_at) < 0
        ]
        if self.clock:
            faults += health.traffic_faults(self.scenario, delivered, clock, self.statuses)
        foreign = isinstance(self.settings.served, Target)
        refused = health.refusals(self.statuses) if foreign else ()
        return Observation(
            mode="live",
            speed=self.settings.speed,
            seed=self.settings.seed,
            observed_s=self.observed_s,
            rules=tuple(sorted({rule.name for rule in self.rules if rule.alerting})),
            alerts=self.alerts,
            requests=delivered,
            faults=tuple(faults),
            statistics=self.statistics,
            traffic=achieved_rate(self.statuses, self.settings.speed),
            versions={**versions(self.settings.tools), **self.versions},
            notes=(*notes(self.statuses, self.settings.speed), *refused),
        )

    def _ours(self, alerts: Sequence[Alert]) -> tuple[Alert, ...]:
        """Without those that may fire before the drill, in a Prometheus that runs already."""
        if self.settings.monitoring is None:
            return tuple(alerts)
        allowed = self.allowed_before
        return tuple(
            alert
            for alert in alerts
            if alert.alert not in allowed or (alert.pending_at or alert.firing_at or 0.0) >= 0
        )

    def draw(self, prometheus: Prometheus) -> None:
        """Read what each alert compared, over the whole drill."""
        if self.clock is None:
            return
        clock, duration = self.clock, self.scenario.schedule.duration
        step = max(duration / clock.speed / CURVE_POINTS, 0.05)

        def curves(expression: str) -> tuple[Curve, ...]:
            found = prometheus.curves(expression, clock.t0, clock.unix(duration), step)
            name = " ".join(expression.split())
            return tuple(to_curve(series, clock, name) for series in found)

        self.statistics = tuple(
            Statistic(rule.name, " ".join(statistic.split()), curves(statistic), curves(threshold))
            for rule in self.rules
            if rule.alerting
            for statistic, threshold in watched(rule.expression)
        )

    def progress(self, elapsed: float) -> Progress:
        """Where the drill is, at production seconds since its start."""
        schedule = self.scenario.schedule
        at = np.array([elapsed])
        rates = achieved_rate(self.statuses[-5:], self.settings.speed)
        return Progress(
            elapsed=elapsed,
            duration=schedule.duration,
            phase=schedule.phase_at(elapsed).name,
            rate_target=float(schedule.rate_at(at)[0]),
            rate_achieved=sum(rates.values) / len(rates.values) if rates else 0.0,
            intensity=max((float(share[0]) for _, share in schedule.intensity(at)), default=0.0),
            alerts=tuple(_phrase(alert) for alert in self.alerts if alert.resolved_at is None),
        )


def notified(
    alerts: Sequence[Alert], notifications: Sequence[Notification], clock: Clock
) -> tuple[Alert, ...]:
    """The alerts, each with the time at which its first notification arrived.

    Prometheus says since when an alert has been active; a life's notification is the first one
    that arrived after it began to fire and before the same instance's next life did.
    """
    found = []
    for alert in alerts:
        later = [
            other.firing_at
            for other in alerts
            if other.firing_at is not None
            and (other.alert, other.labels) == (alert.alert, alert.labels)
            and other.firing_at > (alert.firing_at or 0.0)
        ]
        arrivals = [
            arrived
            for note in notifications
            if note.status == "firing" and (note.alert, note.labels) == (alert.alert, alert.labels)
            if (arrived := clock.production(note.received_at)) >= (alert.firing_at or 0.0)
            and arrived < min(later, default=float("inf"))
        ]
        when = min(arrivals, default=None) if alert.firing_at is not None else None
        found.append(msgspec.structs.replace(alert, notified_at=when))
    return tuple(found)


def achieved_rate(statuses: Sequence[Status], speed: float) -> Curve | None:
    """Production requests/s that were sent, over production time; None before there are two."""
    times, values = [], []
    for earlier, later in pairwise(statuses):
        span = (later.elapsed - earlier.elapsed) * speed
        if span > 0:
            times.append(round(later.elapsed * speed, 3))
            values.append((later.sent - earlier.sent) / span)
    return Curve("achieved", {}, tuple(times), tuple(values)) if times else None


def _phrase(alert: Alert) -> str:
    labels = {name: value for name, value in alert.labels.items() if name not in _CONTEXT_LABELS}
    state = "pending" if alert.firing_at is None else "firing"
    return f"{alert_title(alert.alert, labels)} {state}"
