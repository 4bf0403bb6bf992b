"""What the load generator tells Prometheus: the ground truth, and its own view of the traffic."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np
from locust.env import Environment

from scenarios.status import Status
from scenarios.traffic import Traffic
from simulators.kinds import KINDS

_KIND_NAMES = {kind: name for name, kind in KINDS.items()}
_QUANTILES = (0.5, 0.95, 0.99)

_HELP = {
    "driftdrill_scenario_info": "The drill under way; always 1.",
    "driftdrill_drift_intensity": "Share of the rows that come from the changed world.",
    "driftdrill_requests_due_total": "Predictions that the schedule wanted.",
    "driftdrill_requests_sent_total": "Predictions asked for.",
    "locust_users": "Requests that can be under way at once.",
    "locust_requests_total": "Requests that Locust sent.",
    "locust_failures_total": "Requests that failed.",
    "locust_response_seconds": "Response times of the run, by quantile.",
}

Sample = tuple[Mapping[str, str], float]

View = tuple[Traffic, Status]
"""The drill under way, and how much of it was sent."""


def ground_truth(view: View | None) -> str:
    """What the world does right now, which no service under drill can know."""
    if view is None:
        return _metric("driftdrill_scenario_info", ()) + _metric("driftdrill_drift_intensity", ())
    traffic, status = view
    scenario, elapsed = traffic.scenario, traffic.elapsed * traffic.speed
    phase = scenario.schedule.phase_at(elapsed)
    info = {
        "scenario": scenario.name,
        "model": scenario.model,
        "phase": phase.name,
        "speed": f"{traffic.speed:g}",
        "seed": str(traffic.seed),
    }
    shares = [
        (
            {
                "drift": str(number),
                "kind": _KIND_NAMES[type(drift)],
                "feature": str(getattr(drift, "feature", "")),
            },
            float(share[0]),
        )
        for number, (drift, share) in enumerate(scenario.schedule.intensity(np.array([elapsed])), 1)
    ]
    return (
        _metric("driftdrill_scenario_info", [(info, 1.0)])
        + _metric("driftdrill_drift_intensity", shares)
        + _metric("driftdrill_requests_due_total", [({}, float(status.due))])
        + _metric("driftdrill_requests_sent_total", [({}, float(status.sent))])
    )


def load(environment: Environment) -> str:
    """Locust's own statistics; read when asked, so that no request pays for them."""
    runner = environment.runner
    if runner is None:
        return ""
    entries = [
        ({"name": entry.name, "method": entry.method or ""}, entry)
        for entry in runner.stats.entries.values()
    ]
    latencies = [
        (
            {**labels, "quantile": str(quantile)},
            (entry.get_response_time_percentile(quantile) or 0) / 1000,
        )
        for labels, entry in entries
        for quantile in _QUANTILES
    ]
    return (
        _metric("locust_users", [({}, float(runner.user_count))])
        + _metric("locust_requests_total", [(n, float(e.num_requests)) for n, e in entries])
        + _metric("locust_failures_total", [(n, float(e.num_failures)) for n, e in entries])
        + _metric("locust_response_seconds", latencies)
    )


def _metric(name: str, samples: Iterable[Sample]) -> str:
    """One metric in Prometheus' text format."""
    kind = "counter" if name.endswith("_total") else "gauge"
    lines = [f"# HELP {name} {_HELP[name]}", f"# TYPE {name} {kind}"]
    for labels, value in samples:
        inside = ",".join(f'{key}="{_escaped(text)}"' for key, text in labels.items())
        lines.append(f"{name}{{{inside}}} {value!r}")
    return "\n".join(lines) + "\n"


def _escaped(text: str) -> str:
    return text.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
