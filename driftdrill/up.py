"""Everything started, for people: choose drills in Locust's web page, one by one, and watch.

Each drill gets servers of its own, on the same ports: what the one before left in Prometheus cannot
leak into the next, and its speed can be another.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
from rich.console import Console

from driftdrill.crew import LOCUSTFILE, Crew
from driftdrill.live import LoadGenerator, fly
from driftdrill.models import service
from driftdrill.onlooker import Onlooker
from driftdrill.promapi import PrometheusError
from driftdrill.report import write_reports
from driftdrill.report.terminal import print_verdict
from driftdrill.rig import readiness
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

_POLL_S = 0.2
_START_LIMIT_S = 60.0


@dataclass(frozen=True)
class Offer:
    """What the page begins with, and how every drill is run.

    Attributes:
        scenario: The drill that is selected first.
        out: Folder that gets a folder for every drill.
        rules: Rule files, in production time.
        crew: Who sends the traffic.
    """

    scenario: Scenario
    speed: float
    seed: int
    out: Path
    rules: tuple[Path, ...]
    crew: Crew


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
                idle = Path(folder) / "idle"
                rig = rigs.enter_context(_rig(offer, idle, offer.speed, page, interruption))
                rig.start(service(offer.scenario))
                _print_addresses(web, rig, console)
                last = None
                while True:
                    run = _next_run(board, locust, last, interruption)
                    rigs.close()
                    last = _drill(offer, board, run, page, rigs, locust, interruption, console)
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
        "--web-host", "127.0.0.1",
        "--web-port", str(web.port),
        "--scenario", name,
        "--speed", repr(offer.speed),
        "--seed", str(offer.seed),
        "--board", str(board.folder),
        "--loglevel", "WARNING",
        *offer.crew.master(),
    ]  # fmt: skip
    env = {**os.environ, "DRIFTDRILL_SCENARIOS": name if own else ""}
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


def _print_addresses(web: Lease, rig: Rig, console: Console) -> None:
    console.print("Choose a drill and press Start; Ctrl-C ends everything.\n")
    for name, url in {
        "Locust": f"http://{web.address}",
        "Prometheus": rig.prometheus_url,
        "Alertmanager": rig.alertmanager_url,
        "Service": f"{rig.service_urls[0]}/metrics",
    }.items():
        console.print(f"  {name:<14}{url}")


def _next_run(
    board: Board, locust: Process, last: Onlooker | None, interruption: Interruption
) -> Run:
    """Wait until somebody starts a drill; meanwhile show how the alerts of the last one end."""
    done = board.last()
    lively = last is not None
    while (run := board.last()) == done or run is None:
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
    interruption: Interruption,
    console: Console,
) -> Onlooker:
    """One drill, from Start to its verdict; its servers stay up, for people to look at."""
    wanted = run.request
    scenario = find(wanted.scenario)
    out = offer.out / f"{time.strftime('%Y%m%d-%H%M%S')}-{scenario.name}-{run.number}"
    console.print(f"\n[bold]{scenario.name}[/] at speed {wanted.speed:g}, seed {wanted.seed}")
    settings = Settings(
        wanted.speed,
        wanted.seed,
        out,
        offer.rules,
        service(scenario),
        find_tools(),
        crew=offer.crew,
    )
    watch = Watch(scenario, settings)
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


def _stop_traffic(page: ScrapeJob) -> None:
    """A drill that failed needs no more traffic: press the page's Stop."""
    try:
        httpx.post(f"http://{page.address}/stop", trust_env=False, timeout=30)
    except httpx.HTTPError:
        return  # Locust is gone, and whoever waits for it will say so
