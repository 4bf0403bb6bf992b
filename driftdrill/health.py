"""What a live drill could not observe: gaps, errors and traffic that was not delivered.

Each finding is a sentence, and makes the drill inconclusive: silence during a gap is no silence.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from driftdrill.promapi import Clock, Prometheus
from driftdrill.rig.configs import ALERTMANAGER_JOB, HEARTBEAT, JOB, STARTED
from driftdrill.text import short_time
from driftdrill.verdict import Requests
from scenarios.spec import Scenario
from scenarios.status import Status
from simulators.fleet import Fleet
from simulators.hostile import Scan
from target_service.builds import BUILDS

MAX_GAP_S = 120.0
"""Production seconds that evaluations, scrapes or requests may lag: a fifth of the shortest window
of the shipped rules, and less than moves any of their statistics by a tenth of its threshold."""

MAX_RATE_ERROR = 0.03
MAX_FAILED_SHARE = 0.01

HOSTILE_UNDER_WAY = 10
"""Hostile requests that may be between being due and being counted when the drill ends."""

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


def prometheus_faults(prometheus: Prometheus, before: Baseline) -> list[str]:
    """What Prometheus says itself of what went wrong since its `baseline`."""
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
    return faults


def evaluation_faults(
    evaluated: Mapping[tuple[str, float], Iterable[float]], clock: Clock, until: float
) -> list[str]:
    """Gaps in the unix times at which rule groups, (name, interval) each, were evaluated."""
    return [
        fault
        for (group, interval), times in evaluated.items()
        for fault in _gaps(
            f"{group} was not evaluated", times, clock, 0.0, until, max(MAX_GAP_S, 2.5 * interval)
        )
    ]


def heartbeat_faults(prometheus: Prometheus, clock: Clock, until: float) -> list[str]:
    """Gaps in what a Prometheus that has the harness' own rule recorded of its evaluations."""
    found = prometheus.samples(HEARTBEAT, clock.t0, clock.unix(until))
    times = [time for series in found for time in series.times]
    return _gaps("the rules were not evaluated", times, clock, 0.0, until)


def monitoring_faults(
    prometheus: Prometheus,
    before: Baseline,
    clock: Clock,
    fleet: Fleet,
    addresses: Sequence[str],
) -> list[str]:
    """What Prometheus missed between the drill's start and its end.

    Args:
        prometheus: Of the drill.
        before: Its `baseline`.
        clock: Of the drill.
        fleet: Which replica was to be there when: another one is not missed.
        addresses: Of its places.
    """
    until = fleet.schedule.duration
    start, end = clock.t0, clock.unix(until)
    faults = prometheus_faults(prometheus, before)
    faults += heartbeat_faults(prometheus, clock, until)
    scrapes = {
        target.labels.get("instance", ""): [time for time, up in target.samples if up]
        for target in prometheus.samples(f'up{{job="{JOB}"}}', start, end)
    }
    for life in fleet.lives:
        address = addresses[life.replica]
        # A build that outgrows what Prometheus takes from a target is one that it does not scrape.
        if not BUILDS[life.build].user_label:
            faults += _gaps(
                f"{address} was not scraped", scrapes.get(address, ()), clock, life.start, life.end
            )
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
    faults = _gaps("Alertmanager did not answer", answers, clock, 0.0, until)
    starts = {
        value
        for series in prometheus.samples(f"{STARTED}{job}", start, end)
        for _, value in series.samples
    }
    if len(starts) > 1:
        faults.append("Alertmanager was restarted during the drill")
    return faults


def _gaps(
    what: str,
    times: Iterable[float],
    clock: Clock,
    start: float,
    until: float,
    limit: float = MAX_GAP_S,
) -> list[str]:
    """Stretches of a time without any of the unix `times` that are too long."""
    moments = sorted(clock.production(time) for time in times)
    seen = [start, *(moment for moment in moments if start <= moment <= until), until]
    return [
        f"{what} for {short_time(later - earlier)} from {short_time(earlier)} on"
        for earlier, later in pairwise(seen)
        if later - earlier > limit
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


def refusals(statuses: Sequence[Status]) -> Iterator[str]:
    """How many requests somebody's service failed while the scenario differed, where it did."""
    if statuses and (last := statuses[-1]).excused:
        yield (
            f"{last.excused} of {last.sent} requests failed while something in the scenario"
            f" differed, at last with {last.excuse}: that is for the rules to judge"
        )


def traffic_faults(
    scenario: Scenario, delivered: Requests, clock: Clock, statuses: Sequence[Status]
) -> list[str]:
    """How the traffic differed from what the scenario says."""
    target, achieved = delivered.rate_target, delivered.rate_achieved
    faults = []
    if not delivered.sent:
        return ["no traffic was sent"]
    if abs(achieved - target) > MAX_RATE_ERROR * target:
        faults.append(
            f"the traffic was not delivered: {achieved:.3g} requests/s, not {target:.3g}"
            f" ({achieved * clock.speed:.0f} instead of {target * clock.speed:.0f} a real second)"
        )
    last = statuses[-1]
    if (failed := last.failed - last.excused) > MAX_FAILED_SHARE * delivered.sent:
        why = f", at last with {last.failure}" if last.failure else ""
        faults.append(f"{failed} of {delivered.sent} requests failed{why}")
    outcomes = last.told + last.untold
    if last.untold > MAX_FAILED_SHARE * outcomes:
        faults.append(f"the service did not take {last.untold} of {outcomes} outcomes")
    if last.odd > MAX_FAILED_SHARE * last.hostile:
        faults.append(f"{last.odd} of {last.hostile} hostile requests got an unexpected answer")
    wanted = Scan(scenario.schedule, 0).until(last.elapsed * clock.speed)
    if abs(last.hostile - wanted) > max(MAX_RATE_ERROR * wanted, HOSTILE_UNDER_WAY):
        faults.append(f"the scan was not delivered: {last.hostile} of {wanted:.0f} requests")
    late = max(status.late for status in statuses) * clock.speed
    if late > MAX_GAP_S:
        faults.append(
            f"requests were up to {short_time(late)} late: this machine or the service is too slow"
            f" for speed {clock.speed:g}"
        )
    return faults
