"""The study without a live service: an hour of traffic up to any rate, counted, scraped, stored.

What needs a process, its CPU per request and its memory, is left to the live study.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import yaml
from msgspec.structs import replace

from driftdrill.exposition import Exposition, parse
from driftdrill.models import service
from driftdrill.overhead.bench import chunk_bytes
from driftdrill.overhead.claims import Step
from driftdrill.overhead.queries import Span, query_seconds, shipped_queries
from driftdrill.overhead.remote_write import push
from driftdrill.overhead.seen import Seen
from driftdrill.overhead.subject import MODEL, bodies, log_line
from driftdrill.overhead.timing import least_of
from driftdrill.promapi import Prometheus
from driftdrill.rig.interrupts import Interruption
from driftdrill.rig.tools import Tools
from driftdrill.virtual.exposed import families
from driftdrill.virtual.gotext import labels
from driftdrill.virtual.observe import SCRAPE_INTERVAL_S
from driftdrill.virtual.recording import START
from driftdrill.virtual.samples import Family
from driftdrill.virtual.selectors import everything
from driftdrill.virtual.server import serve
from driftdrill.virtual.service import VirtualService
from driftdrill.virtual.world import simulate
from scenarios.spec import Scenario, load
from scenarios.target import shipped_target
from target_service.builds import BUILDS
from target_service.contract import Floats

BASE_RATE = 1.0
"""Requests/s at factor 1."""

_HOUR_S = 3600.0
_ASKED_FROM_S = 1800.0
"""Queries are asked over the second half hour, where most of their windows are full."""

_SCRAPE_ROUNDS, _QUERY_ROUNDS = 151, 31


@dataclass(frozen=True)
class _World:
    """An hour under one rate, in a Prometheus of its own."""

    step: Step
    expose: Callable[[], object]
    exposition: Exposition
    prometheus: Prometheus


def study_virtual(
    factors: Sequence[float],
    out: Path,
    tools: Tools,
    interruption: Interruption,
    show: Callable[[str], None],
) -> Seen:
    """Measure our own service's counting and storing.

    Args:
        factors: Multiples of `BASE_RATE`, ascending.
        out: Folder for rules, samples and logs.
        tools: Prometheus and promtool.
        interruption: Ends the study early.
        show: Called with what is being done.
    """
    with ExitStack() as stack:
        worlds = []
        for number, factor in enumerate(factors):
            interruption.check()
            show(f"an hour of {factor * BASE_RATE:,.0f} requests/s")
            folder = out / f"step-{number}"
            worlds.append(_world(factor, folder, tools, interruption, stack))
        show("asking what alerts ask")
        queries = shipped_queries(tools.promtool, out, speed=1.0)
        steps = _timed(worlds, queries, interruption)
    name = f"the counting of {MODEL}"
    return Seen(name, steps, worlds[0].exposition, worlds[-1].exposition)


def _world(
    factor: float, folder: Path, tools: Tools, interruption: Interruption, stack: ExitStack
) -> _World:
    rate = factor * BASE_RATE
    folder.mkdir(parents=True)
    scenario = _scenario(rate, folder)
    services = {
        build: VirtualService(model, BUILDS[build])
        for build, model in service(scenario).artifacts.items()
    }
    history = simulate(scenario, services, 0, SCRAPE_INTERVAL_S, lambda _time: interruption.check())
    times = START + history.scrapes
    shown = families(history, scenario.fleet, scenario.lost_scrapes, 0, START, everything)
    work = folder / "prometheus"
    takes_samples = ("--web.enable-remote-write-receiver", "--web.enable-admin-api")
    served = serve(work / "data", tools, work, interruption, *takes_samples)
    prometheus = stack.enter_context(closing(Prometheus(stack.enter_context(served))))
    push(prometheus.url, (series for family in shown for series in _dense(family, times)))

    (process,) = history.processes
    metrics = process.service.start()
    metrics.restore(process.counted[:, -1])
    content, content_type = metrics.expose()
    exposition = parse(content.decode(), content_type, "ModelMetrics")
    line = log_line(bodies(shipped_target("", MODEL))[0])
    step = Step(
        factor=factor,
        rate=rate,
        requests=history.sent,
        failed=0,
        due=history.sent,
        costs={
            "series": (float(len(exposition.series)),),
            "head_series": (_head_series(prometheus),),
            "samples_per_scrape": (float(sum(len(f.samples) for f in exposition.families)),),
            "scrape_bytes": (float(exposition.size),),
            "tsdb_bytes_per_hour": (float(chunk_bytes(prometheus, work / "data")),),
            "log_bytes_per_hour": (len(line) * rate * _HOUR_S,),
        },
    )
    return _World(step, metrics.expose, exposition, prometheus)


def _scenario(rate: float, folder: Path) -> Scenario:
    path = folder / "overhead.yaml"
    document = {
        "name": "overhead",
        "summary": "Nothing drifts.",
        "model": MODEL,
        "traffic": {"rate": rate},
        "phases": [{"name": "steady", "duration": f"{_HOUR_S:.0f}s"}],
    }
    path.write_text(yaml.safe_dump(document))
    return load(path)


def _dense(family: Family, times: Floats) -> Iterator[tuple[dict[str, str], Floats, Floats]]:
    """A family's series, each with a sample at every scrape: of what never changes it has fewer."""
    for name, own, values in family.series:
        every = values if len(own) == len(times) else np.full(len(times), values[0])
        yield labels(name), times, every


def _head_series(prometheus: Prometheus) -> float:
    """The series that are stored."""
    (found,) = prometheus.curves(
        'count({__name__!=""})', START + _ASKED_FROM_S, START + _ASKED_FROM_S, 1.0
    )
    return found.samples[0][1]


def _timed(
    worlds: Sequence[_World], queries: Sequence[str], interruption: Interruption
) -> tuple[Step, ...]:
    """The steps with the times of scrapes and queries, measured turn by turn."""
    start, end = START + _ASKED_FROM_S, START + _HOUR_S
    scrapes: list[list[float]] = [[] for _ in worlds]
    for _ in range(_SCRAPE_ROUNDS):
        interruption.check()
        for world, cpu in zip(worlds, scrapes, strict=True):
            cpu.append(least_of(partial(_scrape_cpu, world)))
    spans = [Span(world.prometheus, start, end) for world in worlds]
    asked: list[tuple[float, ...]] = []
    for _ in range(_QUERY_ROUNDS):
        interruption.check()
        asked.append(query_seconds(spans, queries))
    return tuple(
        replace(
            world.step,
            costs={
                **world.step.costs,
                "scrape_cpu_seconds": tuple(cpu),
                "query_seconds": seconds,
            },
        )
        for world, cpu, seconds in zip(worlds, scrapes, zip(*asked, strict=True), strict=True)
    )


def _scrape_cpu(world: _World) -> float:
    began = time.process_time()
    world.expose()
    return time.process_time() - began
