"""What a live drill could not observe: gaps, errors and traffic that was not delivered.

Each finding is a sentence, and makes the drill inconclusive: silence during a gap is no silence.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from driftdrill.promapi import Clock, Prometheus
from driftdrill.rig.configs import ALERTMANAGER_JOB, HEARTBEAT, JOB, STARTED
from driftdrill.text import short_time
from driftdrill.verdict import Requests
from scenarios.spec import Scenario
from scenarios.traffic import Status

MAX_GAP_S = 120.0
"""Production seconds that evaluations, scrapes or requests may lag: a fifth of the shortest window
of the shipped rules, and less than moves any of their statistics by a tenth of its threshold."""

MAX_RATE_ERROR = 0.03
MAX_FAILED_SHARE = 0.01

_COUNTERS = {
    "prometheus_rule_evaluation_failures_total": "rule evaluations failed",
    "prometheus_notifications_dropped_total": "notifications never reached Alertmanager",
}


@dataclass(frozen=True)
class Baseline:
    """What must not change from when the drill begins.

    Attributes:
        counters: Prometheus' own, of what went wrong.
        started: Unix time of Prometheus' start.
    """

    counters: tuple[float, ...]
    started: float


def baseline(prometheus: Prometheus) -> Baseline:
    """Prometheus as it is now."""
    counters = tuple(prometheus.counter(name) for name in _COUNTERS)
    return Baseline(counters, prometheus.counter(STARTED))


def monitoring_faults(
    prometheus: Prometheus, before: Baseline, clock: Clock, until: float
) -> list[str]:
    """What Prometheus missed between the drill's start and `until`, production seconds."""
    start, end = clock.t0, clock.unix(until)
    faults = [
        f"{after - earlier:.0f} {what}"
        for (name, what), earlier in zip(_COUNTERS.items(), before.counters, strict=True)
        if (after := prometheus.counter(name)) > earlier
    ]
    if prometheus.counter(STARTED) != before.started:
        faults.append("Prometheus was restarted during the drill")
    faults += [
        f"rule {rule.name} cannot be evaluated: {rule.error}"
        for rule in prometheus.rules()
        if rule.error
    ]
    evaluations = [time for s in prometheus.samples(HEARTBEAT, start, end) for time in s.times]
    faults += _gaps("the rules were not evaluated", evaluations, clock, until)
    targets = prometheus.samples(f'up{{job="{JOB}"}}', start, end)
    if not targets:
        faults.append("the service was never scraped")
    for target in targets:
        scrapes = [time for time, up in target.samples if up]
        instance = target.labels.get("instance", JOB)
        faults += _gaps(f"{instance} was not scraped", scrapes, clock, until)
    faults += _alertmanager_faults(prometheus, clock, until)
    return faults


def _alertmanager_faults(prometheus: Prometheus, clock: Clock, until: float) -> list[str]:
    """Alertmanager is scraped, too: so that its silence is not taken for that of the alerts."""
    start, end, job = clock.t0, clock.unix(until), f'{{job="{ALERTMANAGER_JOB}"}}'
    answers = [
        time
        for series in prometheus.samples(f"up{job}", start, end)
        for time, up in series.samples
        if up
    ]
    faults = _gaps("Alertmanager did not answer", answers, clock, until)
    starts = {
        value
        for series in prometheus.samples(f"{STARTED}{job}", start, end)
        for _, value in series.samples
    }
    if len(starts) > 1:
        faults.append("Alertmanager was restarted during the drill")
    return faults


def _gaps(what: str, times: Iterable[float], clock: Clock, until: float) -> list[str]:
    seen = [0.0, *sorted(clock.production(time) for time in times), until]
    return [
        f"{what} for {short_time(later - earlier)} from {short_time(earlier)} on"
        for earlier, later in pairwise(seen)
        if later - earlier > MAX_GAP_S
    ]


def requests(scenario: Scenario, status: Status | None, speed: float) -> Requests:
    """The traffic that the load generator reported last."""
    if status is None or status.elapsed <= 0:
        return Requests()
    until = min(status.elapsed * speed, scenario.schedule.duration)
    due = scenario.schedule.arrivals_until(until)
    return Requests(
        sent=status.sent,
        failed=status.failed,
        rate_target=round(due / until, 6),
        rate_achieved=round(status.sent / until, 6),
    )


def traffic_faults(delivered: Requests, clock: Clock, statuses: Sequence[Status]) -> list[str]:
    """How the traffic differed from the schedule."""
    target, achieved = delivered.rate_target, delivered.rate_achieved
    faults = []
    if not delivered.sent:
        return ["no traffic was sent"]
    if abs(achieved - target) > MAX_RATE_ERROR * target:
        faults.append(
            f"the traffic was not delivered: {achieved:.3g} requests/s, not {target:.3g}"
            f" ({achieved * clock.speed:.0f} instead of {target * clock.speed:.0f} a real second)"
        )
    if delivered.failed > MAX_FAILED_SHARE * delivered.sent:
        why = f", at last with {statuses[-1].failure}" if statuses[-1].failure else ""
        faults.append(f"{delivered.failed} of {delivered.sent} requests failed{why}")
    late = max(status.late for status in statuses) * clock.speed
    if late > MAX_GAP_S:
        faults.append(
            f"requests were up to {short_time(late)} late: this machine or the service is too slow"
            f" for speed {clock.speed:g}"
        )
    return faults
