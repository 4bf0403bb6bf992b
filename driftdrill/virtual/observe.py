"""A virtual drill: a scenario becomes a recording, a recording becomes an observation."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from msgspec.structs import replace

from driftdrill.models import service
from driftdrill.promapi import Clock, PrometheusError, alert_lives
from driftdrill.report.progress import Progress
from driftdrill.rig.configs import DRILL_LABELS
from driftdrill.rig.errors import RigError
from driftdrill.rig.tools import Tools
from driftdrill.verdict import Observation, Requests
from driftdrill.versions import versions
from driftdrill.virtual.engine import EngineName, evaluate
from driftdrill.virtual.exposed import families
from driftdrill.virtual.recording import (
    START,
    Recording,
    read_recording,
    refuse_damage,
    write_recording,
)
from driftdrill.virtual.selectors import Wanted
from driftdrill.virtual.service import VirtualService
from driftdrill.virtual.statistics import CURVE_POINTS
from driftdrill.virtual.timelines import EngineError, Timelines
from driftdrill.virtual.world import simulate
from scenarios.spec import Scenario
from scenarios.stretch import stretch
from scenarios.values import DAY_S
from target_service.builds import BUILDS

SCRAPE_INTERVAL_S = 15.0
"""As in `prometheus/prometheus.yml`."""

SHORTEST_S = 60.0

LONG_SCRAPE_INTERVAL_S = 60.0
"""Of drills over more than a day: a quarter of the samples, and of the time to evaluate them."""


def record(
    scenario: Scenario,
    folder: Path,
    *,
    seed: int,
    days: float | None,
    wanted: Wanted,
    portable: bool,
    tools: Tools,
    show: Callable[[Progress], None],
) -> None:
    """Simulate a drill and keep its series.

    Args:
        scenario: The drill.
        folder: New or empty folder for the recording.
        seed: Of the traffic.
        days: What to stretch the drill to; None is as it is.
        wanted: Which series to keep.
        portable: Whether to keep them as text, for others to read.
        tools: Named among the versions.
        show: Called with where the simulation is.

    Raises:
        UsageError: The folder has something in it.
        ValueError: The drill cannot be stretched so.
    """
    drill = scenario if days is None else stretch(scenario, days)
    schedule = drill.schedule
    if any(phase.operation.rows > 1 for phase in schedule.phases):
        raise ValueError(f"{scenario.name} sends many rows in a request: only a live drill does")
    if schedule.duration < SHORTEST_S:
        raise ValueError(f"{scenario.name} lasts under {SHORTEST_S:g}s: too short to scrape twice")
    long = schedule.duration > DAY_S
    scrape_interval = LONG_SCRAPE_INTERVAL_S if long else SCRAPE_INTERVAL_S
    services = {
        build: VirtualService(artifact, BUILDS[build])
        for build, artifact in service(scenario).artifacts.items()
    }
    history = simulate(
        drill, services, seed, scrape_interval, lambda time: show(_progress(drill, time))
    )
    rate = round(history.sent / schedule.duration, 6)
    recording = Recording(
        scenario=scenario.name,
        seed=seed,
        duration=schedule.duration,
        scrape_interval=scrape_interval,
        days=days,
        requests=Requests(history.sent, history.failed, rate, rate),
        versions=versions(tools),
    )
    shown = families(history, drill.fleet, scenario.lost_scrapes, seed, START, wanted)
    write_recording(folder, recording, scenario, shown, portable)


def observe(
    recording: Path,
    rules: Sequence[Path],
    engine: EngineName,
    tools: Tools,
    work: Path,
    points: int = CURVE_POINTS,
) -> tuple[Observation, tuple[str, ...]]:
    """What rules would have said while a recording was made, and notes on how that was found.

    Args:
        recording: Its folder.
        rules: Rule files.
        engine: Which evaluates them.
        tools: Prometheus and promtool.
        work: New or empty folder for the engine.
        points: At how many evaluations to tell what alerts compare.

    Raises:
        UsageError: A rule file is not valid, or the folder holds no recording, or a damaged one.
    """
    about = read_recording(recording)
    refuse_damage(recording)
    try:
        found = evaluate(recording, rules, tools, work, engine, points=points)
    except (EngineError, PrometheusError, RigError) as error:
        return replace(_unseen(about, tools), faults=(str(error),)), ()
    return observation(about, found, tools), found.notes


def observation(about: Recording, found: Timelines, tools: Tools) -> Observation:
    """What an evaluation of a recording found, as a drill is judged by it."""
    clock = Clock(about.start, 1.0)
    intervals = {rule.name: rule.interval for rule in found.rules}
    return replace(
        _unseen(about, tools),
        rules=tuple(sorted({rule.name for rule in found.rules if rule.alerting})),
        alerts=alert_lives(
            found.samples, clock, intervals, clock.unix(about.duration), DRILL_LABELS
        ),
        faults=found.faults,
        statistics=found.statistics,
    )


def _unseen(about: Recording, tools: Tools) -> Observation:
    return Observation(
        mode="virtual",
        speed=0.0,
        seed=about.seed,
        observed_s=about.duration,
        requests=about.requests,
        versions={**about.versions, **versions(tools)},
    )


def _progress(scenario: Scenario, elapsed: float) -> Progress:
    schedule, at = scenario.schedule, np.array([elapsed])
    rate = float(schedule.rate_at(at)[0])
    return Progress(
        elapsed=elapsed,
        duration=schedule.duration,
        phase=schedule.phase_at(elapsed).name,
        rate_target=rate,
        rate_achieved=rate,
        intensity=max((float(share[0]) for _, share in schedule.intensity(at)), default=0.0),
    )
