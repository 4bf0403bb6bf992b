"""The study on real servers: traffic in steps, and what monitoring costs at each of them."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from msgspec.structs import replace

from driftdrill.models import artifact
from driftdrill.overhead.bench import Bench
from driftdrill.overhead.claims import REQUEST_CPU, Step
from driftdrill.overhead.meter import Meter, Taken
from driftdrill.overhead.queries import REACH_S, Span, queries_of, query_seconds
from driftdrill.overhead.seen import Seen
from driftdrill.overhead.subject import (
    MODEL,
    Running,
    Subject,
    foreign_subject,
    own_command,
    own_subject,
)
from driftdrill.probe import probe
from driftdrill.rig import readiness
from driftdrill.rig.interrupts import Interruption
from driftdrill.rig.ports import lease_port
from driftdrill.rig.process import Process
from driftdrill.rig.tools import Tools
from scenarios.target import Target

BASE_RATE = 10.0
"""Requests/s at factor 1."""

_WARM_UP_STEPS = 2.5
"""How long the first traffic runs ahead of the first step. With steps of 20 s that is as far as
queries look back, so that they find as much to read over each step."""

_COMPARED_STEPS = 4.0
"""How many steps' time the service without metrics takes turns with the one that has them."""

_LEAST_ROUNDS, _MOST_ROUNDS = 21, 101
_QUERYING_S = 30.0
"""How long to ask the queries again and again, within these rounds."""

_START_LIMIT_S = 30.0


@dataclass(frozen=True)
class Plan:
    """How to measure.

    Attributes:
        factors: Multiples of `BASE_RATE`, ascending.
        step_s: Seconds of traffic per step.
        out: Folder for configuration, data and logs.
    """

    factors: Sequence[float]
    step_s: float
    out: Path
    tools: Tools
    interruption: Interruption
    show: Callable[[str], None]


def study_own(plan: Plan) -> Seen:
    """Measure our own service, and beside it the same without metrics.

    Raises:
        RigError: A server died or was not ready in time.
        PrometheusError: Prometheus did not answer.
        Interrupted: A signal arrived.
    """
    model = artifact(MODEL)
    with ExitStack() as stack:
        service = _serve(plan, stack, model, "service", metrics=True)
        plain = _serve(plan, stack, model, "service-without-metrics", metrics=False)
        calm = _serve(plan, stack, model, "service-with-little-traffic", metrics=True)
        return _measure(plan, own_subject(service, plain, calm))


def study_foreign(plan: Plan, target: Target) -> Seen:
    """Measure a service that runs already.

    Raises what `study_own` does, and UsageError where the target's file does not fit it.
    """
    for _ in probe(target):
        pass
    return _measure(plan, foreign_subject(target))


def _serve(plan: Plan, stack: ExitStack, model: Path, name: str, *, metrics: bool) -> Running:
    port = stack.enter_context(lease_port(8000))
    command = own_command(model, port.port, metrics=metrics)
    process = Process(name, command, log=plan.out / f"{name}.log")
    stack.callback(process.stop)
    url = f"http://{port.address}"
    ready = readiness.answers(f"{url}/healthz")
    readiness.wait([process], ready, _START_LIMIT_S, plan.interruption)
    return Running(url, process)


def _measure(plan: Plan, subject: Subject) -> Seen:
    folder = plan.out / "prometheus"
    with (
        subject.client() as client,
        Bench(subject.target, plan.tools.prometheus, folder, plan.interruption) as bench,
    ):
        meter = Meter(subject, bench, client, plan.out, plan.interruption)
        first = plan.factors[0] * BASE_RATE
        plan.show(f"warming up with {first:g} requests/s")
        meter.warm_up(first, plan.step_s, _WARM_UP_STEPS * plan.step_s)
        taken = []
        for factor in plan.factors:
            plan.show(f"{factor:g} times the traffic: {factor * BASE_RATE:g} requests/s")
            taken.append(meter.step(factor, factor * BASE_RATE, plan.step_s))
        plan.show("asking what dashboards and alerts ask")
        queries = queries_of(taken[0].exposition, plan.tools.promtool, plan.out)
        steps = _with_query_times(plan, taken, queries, bench)
        if subject.plain:
            plan.show("beside the same service without metrics, in turns")
            compared = {
                REQUEST_CPU.key: meter.request_cpu(steps[-1].rate, _COMPARED_STEPS * plan.step_s)
            }
            ratios = {**steps[-1].ratios, **compared}
            steps = (*steps[:-1], replace(steps[-1], ratios=ratios))
        return Seen(subject.name, steps, taken[0].exposition, taken[-1].exposition)


def _with_query_times(
    plan: Plan, taken: Sequence[Taken], queries: Sequence[str], bench: Bench
) -> tuple[Step, ...]:
    """The steps with the time that the queries take over each of them, turn by turn."""
    spans = [Span(bench.prometheus, one.start + REACH_S, one.end) for one in taken]
    times: list[tuple[float, ...]] = []
    began = time.monotonic()
    while len(times) < _LEAST_ROUNDS or (
        len(times) < _MOST_ROUNDS and time.monotonic() - began < _QUERYING_S
    ):
        plan.interruption.check()
        times.append(query_seconds(spans, queries))
    return tuple(
        replace(one.step, costs={**one.step.costs, "query_seconds": found})
        for one, found in zip(taken, zip(*times, strict=True), strict=True)
    )
