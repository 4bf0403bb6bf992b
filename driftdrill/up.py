"""Everything started, for people: choose drills in Locust's web page, one by one, and watch.

Each drill gets servers of its own, on the same ports: what the one before left in Prometheus cannot
leak into the next, and its speed can be another. Only where they run already, as a stack of
containers does, each drill takes place under the same ones, once they are at rest.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
from rich.console import Console

from driftdrill.crew import LOCUSTFILE, Crew
from driftdrill.live import LoadGenerator, Stage, fly
from driftdrill.models import service
from driftdrill.monitoring import Monitoring
from driftdrill.onlooker import Onlooker
from driftdrill.promapi import Clock, PrometheusError
from driftdrill.report import write_reports
from driftdrill.report.terminal import print_verdict
from driftdrill.rig import readiness
from driftdrill.rig.attached import Attached
from driftdrill.rig.configs import ScrapeJob
from driftdrill.rig.errors import RigError
from driftdrill.rig.interrupts import Interrupted, Interruption
from driftdrill.rig.ports import Lease, lease_port
from driftdrill.rig.process import Process
from driftdrill.rig.rig import Rig, locust_command
from driftdrill.rig.tools import find_tools
from driftdrill.verdict import judge
from driftdrill.watch import Settings, Watch
from scenarios.board import Board, Run
from scenarios.spec import CATALOGUE, Scenario, find
from scenarios.target import Target

_POLL_S = 0.2
_START_LIMIT_S = 60.0

REST_S = 3600.0
"""Production seconds between two drills under one Prometheus: the longest window of the shipped
rules, so that nothing of the one is in the statistics of the other."""


@dataclass(frozen=True)
class Stack:
    """Servers that run already.

    Attributes:
        monitoring: The Prometheus that scrapes the target.
        target: The service.
    """

    monitoring: Monitoring
    target: Target


@dataclass(frozen=True)
class Offer:
    """What the page begins with, and how every drill is run.

    Attributes:
        scenario: The drill that is selected first.
        speed: Of the first drill; of all where the servers run already.
        out: Folder that gets a folder for every drill.
        rules: Rule files, in production time; Prometheus' own where that runs already.
        crew: Who sends the traffic.
        host: Address that the page listens on.
        stack: The servers, where they run already; None starts some for each drill.
    """

    scenario: Scenario
    speed: float
    seed: int
    out: Path
    rules: tuple[Path, ...]
    crew: Crew
    host: str = "127.0.0.1"
    stack: Stack | None = None


def stay_up(offer: Offer, interruption: Interruption, console: Console) -> None:
    """Start all servers and the web page, print their addresses, and drill until a signal comes.

    Raises:
        RigError: The page did not start, or died.
    """
    with tempfile.TemporaryDirectory(prefix="driftdrill-") as folder, lease_port(8089) as web:
        board = Board(Path(folder) / "board")
        board.folder.mkdir()
        try:
            with _locust(offer, board, web, interruption) as locust, ExitStack() as rigs:
                page = ScrapeJob("locust", web.address, "/drill/metrics")
                addresses = {"Locust": f"http://{web.address}"}
                if offer.stack:
                    addresses["Prometheus"] = offer.stack.monitoring.prometheus.url
                else:
                    idle = Path(folder) / "idle"
                    rig = rigs.enter_context(_rig(offer, idle, offer.speed, page, interruption))
                    rig.start(service(offer.scenario))
                    addresses |= _addresses(rig)
                _print_addresses(addresses, console)
                last, done = None, 0
                while True:
                    run = _next_run(board, done, locust, last, interruption)
                    rigs.close()
                    rested = last.watch if last else None
                    last = _drill(
                        offer, board, run, page, rigs, locust, rested, interruption, console
                    )
                    done = run.number
        except Interrupted:
            console.print("\nStopped.")


@contextmanager
def _locust(
    offer: Offer, board: Board, web: Lease, interruption: Interruption
) -> Iterator[Process]:
    """Locust with its page, which outlives the servers of every drill."""
    own = offer.scenario.path.parent != CATALOGUE
    name = str(offer.scenario.path.resolve()) if own else offer.scenario.name
    arguments = [
        "--locustfile", LOCUSTFILE,
        "--host", "http://127.0.0.1",  # every drill says where its service is
        "--web-host", offer.host,
        "--web-port", str(web.port),
        "--scenario", name,
        "--speed", repr(offer.speed),
        "--seed", str(offer.seed),
        "--board", str(board.folder),
        "--loglevel", "WARNING",
        *offer.crew.master(),
    ]  # fmt: skip
    env = {**os.environ, "DRIFTDRILL_SCENARIOS": name if own else ""}
    if offer.stack and offer.stack.target.path:
        file = str(offer.stack.target.path.resolve())
        arguments += ["--target-file", file, "--only-speed", repr(offer.speed)]
        env["DRIFTDRILL_MODEL"] = offer.stack.target.model
    folder = board.folder.parent
    locust = Process("locust", locust_command(arguments), env=env, log=folder / "locust.log")
    workers = [
        Process(name, locust_command(offer.crew.worker()), env=env, log=folder / f"{name}.log")
        for name in (f"worker-{number}" for number in range(1, offer.crew.workers + 1))
    ]
    try:
        answers = readiness.answers(f"http://{web.address}/drill/scenarios")
        readiness.wait([locust], answers, _START_LIMIT_S, interruption)
        yield locust
    finally:
        for process in (locust, *workers):
            process.stop()


def _rig(offer: Offer, out: Path, speed: float, page: ScrapeJob, interruption: Interruption) -> Rig:
    return Rig(out, speed, find_tools(), offer.rules, interruption, beside=[page])


def _addresses(rig: Rig) -> dict[str, str]:
    return {
        "Prometheus": rig.prometheus_url,
        "Alertmanager": rig.alertmanager_url,
        "Service": f"{rig.service_urls[0]}/metrics",
    }


def _print_addresses(addresses: Mapping[str, str], console: Console) -> None:
    console.print("Choose a drill and press Start; Ctrl-C ends everything.\n")
    for name, url in addresses.items():
        console.print(f"  {name:<14}{url}")


def _next_run(
    board: Board, done: int, locust: Process, last: Onlooker | None, interruption: Interruption
) -> Run:
    """Wait for a run after number `done`; meanwhile show how the alerts of the last one end."""
    lively = last is not None
    while (run := board.last()) is None or run.number <= done:
        interruption.check()
        if not locust.alive:
            raise RigError(locust.describe_exit())
        if lively and last is not None:
            lively = last.look_after()
        time.sleep(_POLL_S)
    return run


def _drill(
    offer: Offer,
    board: Board,
    run: Run,
    page: ScrapeJob,
    rigs: ExitStack,
    locust: Process,
    before: Watch | None,
    interruption: Interruption,
    console: Console,
) -> Onlooker:
    """One drill, from Start to its verdict; its servers stay up, for people to look at."""
    wanted = run.request
    scenario = find(wanted.scenario)
    out = offer.out / f"{time.strftime('%Y%m%d-%H%M%S')}-{scenario.name}-{run.number}"
    console.print(f"\n[bold]{scenario.name}[/] at speed {wanted.speed:g}, seed {wanted.seed}")
    stack = offer.stack
    settings = Settings(
        wanted.speed,
        wanted.seed,
        out,
        offer.rules,
        stack.target if stack else service(scenario),
        None if stack else find_tools(),
        stack.monitoring if stack else None,
        offer.crew,
    )
    watch = Watch(scenario, settings)
    rig: Stage
    if stack:
        rig = rigs.enter_context(Attached(out, stack.monitoring, wanted.speed))
    else:
        rig = rigs.enter_context(_rig(offer, out, wanted.speed, page, interruption))
    onlooker = Onlooker(board, rig, watch)
    onlooker.prepare()
    generator = LoadGenerator(
        run.status_file,
        run.start_file,
        running=lambda: locust.alive and not run.ended,
        describe_end=lambda: "somebody stopped it" if locust.alive else locust.describe_exit(),
    )
    try:
        rig.start(settings.served)
        if stack:
            _await_rest(rig, watch, before, generator, interruption)
        fly(rig, watch, generator, interruption, onlooker.follow, lambda _: None)
    except (RigError, PrometheusError) as error:
        watch.faults.append(str(error))
        _stop_traffic(page)
    seen = watch.observation()
    verdict = judge(scenario, seen)
    write_reports(scenario, seen, verdict, out)
    shutil.copyfile(out / "report.html", run.report_file)
    onlooker.conclude(verdict, f"/drill/reports/{run.number}")
    print_verdict(scenario, verdict, console)
    console.print(f"  {out / 'report.html'}", highlight=False, soft_wrap=True)
    return onlooker


def _await_rest(
    rig: Stage,
    watch: Watch,
    before: Watch | None,
    generator: LoadGenerator,
    interruption: Interruption,
) -> None:
    """Wait until alerts and windows have forgotten the drill before this one.

    Raises:
        RigError: Somebody lost patience and pressed Stop.
        PrometheusError: Prometheus did not answer.
    """
    speed, rested_at = watch.settings.speed, 0.0
    if before and before.clock:
        rested_at = Clock(before.clock.unix(before.observed_s), speed).unix(REST_S)
    prometheus = rig.prometheus()
    try:
        while time.time() < rested_at or set(prometheus.firing()) - watch.allowed_before:
            interruption.check()
            if not generator.running():
                raise RigError(f"the servers were not at rest yet: {generator.describe_end()}")
            time.sleep(_POLL_S)
    finally:
        prometheus.close()


def _stop_traffic(page: ScrapeJob) -> None:
    """A drill that failed needs no more traffic: press the page's Stop."""
    try:
        httpx.post(f"http://{page.address}/stop", trust_env=False, timeout=30)
    except httpx.HTTPError:
        return  # Locust is gone, and whoever waits for it will say so
