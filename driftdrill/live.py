"""A drill on real servers and the real clock: start them, drive them, watch, tell what was seen.

A live drill at speed S divides every duration by S and multiplies the request rate by S.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from driftdrill import crew, health
from driftdrill.promapi import Clock, Prometheus, PrometheusError
from driftdrill.report.progress import Progress
from driftdrill.rig.attached import Attached
from driftdrill.rig.configs import HEARTBEAT
from driftdrill.rig.errors import RigError, UsageError
from driftdrill.rig.interrupts import Interrupted, Interruption
from driftdrill.rig.rig import Rig
from driftdrill.rig.tools import find_tools
from driftdrill.verdict import Observation
from driftdrill.watch import Settings, Watch
from scenarios.board import Start, announce
from scenarios.spec import CATALOGUE, Scenario
from scenarios.status import read_statuses
from scenarios.target import Target
from scenarios.traffic import GRACE

POLL_S = 0.25
LOCUST_START_LIMIT_S = 60.0
START_LEAD_S = 0.3
DIVIDED_START_LEAD_S = 1.5
"""Real seconds from the go-ahead to the drill's start: workers have to hear of it first."""

_DEATH_LIMIT_S = 1.0
"""Real seconds until a server that was killed is known to have died."""

NOTIFICATION_LIMIT_S = 10.0
"""Real seconds that a notification may take after the drill: Alertmanager groups and Prometheus
resends on clocks of their own."""


@dataclass(frozen=True)
class LoadGenerator:
    """Whatever sends the traffic of one drill, as the harness sees it.

    Attributes:
        status_file: Exists once it is ready, and gets lines of `Status`.
        start_file: Tells it to begin.
        running: Whether it has not ended yet.
        describe_end: How it ended, for an error message.
    """

    status_file: Path
    start_file: Path
    running: Callable[[], bool]
    describe_end: Callable[[], str]


def observe_live(
    scenario: Scenario,
    settings: Settings,
    interruption: Interruption,
    show: Callable[[Progress], None],
    ready: Callable[[Stage], None] = lambda _: None,
) -> Observation:
    """Run a drill live.

    Args:
        scenario: The drill.
        settings: How to run it.
        interruption: Ends the drill early when a signal has arrived.
        show: Called with where the drill is, several times a second.
        ready: Called once, when all servers work together and traffic is about to begin.

    Returns:
        What was seen. When a server dies or a signal arrives that is what was seen until then,
        with the reason among the faults.

    Raises:
        UsageError: The output folder or a rule file cannot be used.
    """
    if isinstance(settings.served, Target) and scenario.is_operated:
        raise UsageError(f"{scenario.name} is about how a service is run: this one is not ours")
    watch = Watch(scenario, settings)
    try:
        with _stage(settings, interruption) as rig:
            _drill(rig, watch, interruption, show, ready)
    except (RigError, Interrupted, PrometheusError) as error:
        watch.faults.append(str(error))
    return watch.observation()


Stage = Rig | Attached
"""Where a drill takes place: on servers of its own, or on somebody's."""


def _stage(settings: Settings, interruption: Interruption) -> Stage:
    if settings.monitoring is not None:
        return Attached(settings.out, settings.monitoring, settings.speed)
    tools = settings.tools or find_tools()
    return Rig(settings.out, settings.speed, tools, settings.rules, interruption)


def _drill(
    rig: Stage,
    watch: Watch,
    interruption: Interruption,
    show: Callable[[Progress], None],
    ready: Callable[[Stage], None],
) -> None:
    """The drill itself, on a rig that whoever calls will stop."""
    rig.start(watch.settings.served)
    if isinstance(rig, Attached):
        watch.versions = rig.versions
    # Locust takes seconds to start: long enough for a service without traffic to alarm.
    generator = _start_locust(rig, watch)
    fly(rig, watch, generator, interruption, show, ready)


def fly(
    rig: Stage,
    watch: Watch,
    generator: LoadGenerator,
    interruption: Interruption,
    show: Callable[[Progress], None],
    ready: Callable[[Stage], None],
) -> None:
    """Drive a rig that was started, from when it is ready to the last notification.

    Raises:
        RigError: Something died, or ended early.
        Interrupted: A signal arrived.
        PrometheusError: Prometheus did not answer.
    """
    _await_generator(generator, interruption)
    prometheus = rig.prometheus()
    try:
        rig.watch()
        ready(rig)
        watch.rules, watch.added_labels = prometheus.rules(), rig.added_labels
        if already := [n for n in prometheus.firing() if n not in watch.allowed_before]:
            raise RigError(f"not quiet before the drill: {', '.join(already)} fires already")
        before = health.baseline(prometheus)
        watch.clock = _begin(rig, watch, generator)
        rig.conduct(watch.clock)
        _follow(rig, generator, prometheus, watch, interruption, show)
        _settle(rig, prometheus, watch, interruption)
        watch.faults += _monitoring_faults(rig, watch, prometheus, before, watch.clock)
        watch.draw(prometheus)
    except PrometheusError as error:
        raise _cause(rig, error) from error
    finally:
        prometheus.close()


def _cause(rig: Stage, error: PrometheusError) -> Exception:
    """What is behind an answer that did not come: a server that died, where one did."""
    deadline = time.monotonic() + _DEATH_LIMIT_S
    while time.monotonic() < deadline:
        if (dead := rig.dead()) is not None:
            return RigError(dead.describe_exit())
        time.sleep(POLL_S / 10)
    return error


def _monitoring_faults(
    rig: Stage, watch: Watch, prometheus: Prometheus, before: health.Baseline, clock: Clock
) -> list[str]:
    if isinstance(rig, Attached):
        until = watch.scenario.schedule.duration
        if any(rule.name == HEARTBEAT for rule in watch.rules):
            evaluation = health.heartbeat_faults(prometheus, clock, until)
        else:
            evaluation = health.evaluation_faults(rig.evaluated, clock, until)
        return [*health.prometheus_faults(prometheus, before), *evaluation]
    return health.monitoring_faults(prometheus, before, clock, watch.scenario.fleet, rig.addresses)


def _start_locust(rig: Stage, watch: Watch) -> LoadGenerator:
    settings, scenario = watch.settings, watch.scenario.path
    status_file = settings.out.resolve() / "traffic.jsonl"
    start_file = settings.out.resolve() / "start"
    arguments = [
        "--locustfile", crew.LOCUSTFILE,
        "--headless",
        "--host", rig.service_urls[0],
        "--speed", repr(settings.speed),
        "--seed", str(settings.seed),
        "--status-file", str(status_file),
        "--start-file", str(start_file),
        "--loglevel", "WARNING",
        "--only-summary",
    ]  # fmt: skip
    if isinstance(settings.served, Target) and settings.served.path:
        arguments += ["--target-file", str(settings.served.path.resolve())]
    if scenario.parent == CATALOGUE:  # which another machine has elsewhere
        arguments += ["--scenario", scenario.stem]
    else:
        arguments += ["--scenario-file", str(scenario.resolve())]
    arguments += settings.crew.master()
    for number in range(1, settings.crew.workers + 1):
        rig.locust(settings.crew.worker(), {}, f"worker-{number}")
    locust = rig.locust(arguments, {})
    return LoadGenerator(status_file, start_file, lambda: locust.alive, locust.describe_exit)


def _await_generator(generator: LoadGenerator, interruption: Interruption) -> None:
    deadline = time.monotonic() + LOCUST_START_LIMIT_S
    while not generator.status_file.exists():
        interruption.check()
        if not generator.running() or time.monotonic() > deadline:
            raise RigError(f"Locust was not ready: {generator.describe_end()}")
        time.sleep(POLL_S / 10)


def _begin(rig: Stage, watch: Watch, generator: LoadGenerator) -> Clock:
    """Tell the load generator, and so everyone, when the drill begins."""
    lead = DIVIDED_START_LEAD_S if watch.settings.crew.is_divided else START_LEAD_S
    t0 = time.time() + lead
    announce(generator.start_file, Start(t0, rig.service_urls, watch.scenario.replicas))
    return Clock(t0, watch.settings.speed)


def _follow(
    rig: Stage,
    generator: LoadGenerator,
    prometheus: Prometheus,
    watch: Watch,
    interruption: Interruption,
    show: Callable[[Progress], None],
) -> None:
    """Watch until the schedule has ended; RigError when something dies before."""
    clock, duration = watch.clock or Clock(0, 1), watch.scenario.schedule.duration
    end = clock.unix(duration)
    while True:
        interruption.check()
        now, running = time.time(), generator.running()
        watch.statuses = read_statuses(generator.status_file)
        if (dead := rig.dead()) is not None:
            raise RigError(dead.describe_exit())
        if watch.statuses and (problem := crew.problem(watch.statuses[-1])):
            raise RigError(problem)
        if not running and now < end:
            raise RigError(f"the load generator ended early: {generator.describe_end()}")
        if now > clock.t0:
            watch.look(
                prometheus, rig.receiver.notifications(), min(clock.production(now), duration)
            )
        show(watch.progress(min(max(clock.production(now), 0.0), duration)))
        if not running:
            return
        if now > end + GRACE + LOCUST_START_LIMIT_S / 2:
            raise RigError("the load generator did not end with the schedule")
        time.sleep(POLL_S)


def _settle(rig: Stage, prometheus: Prometheus, watch: Watch, interruption: Interruption) -> None:
    """Give what fired near the end the time to be delivered."""
    deadline = time.monotonic() + NOTIFICATION_LIMIT_S
    while True:
        interruption.check()
        watch.look(prometheus, rig.receiver.notifications(), watch.scenario.schedule.duration)
        waiting = any(a.firing_at is not None and a.notified_at is None for a in watch.alerts)
        if not waiting or time.monotonic() > deadline:
            return
        if (dead := rig.dead()) is not None:
            raise RigError(dead.describe_exit())
        time.sleep(POLL_S)
