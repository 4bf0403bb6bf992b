"""Locust's side of a drill: its options, its clock, and what begins and ends with it.

A Locust that is alone sends everything; a master divides the traffic among its workers.
"""

from __future__ import annotations

import gc
import os
from argparse import Namespace
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import gevent
import msgspec
from locust import LoadTestShape, events
from locust.argument_parser import LocustArgumentParser
from locust.env import Environment
from locust.runners import STATE_SPAWNING, MasterRunner

from scenarios import crew
from scenarios.board import Board, Request, Run, Start, read_start
from scenarios.exchange import Exchange
from scenarios.spec import CATALOGUE, Scenario, find, scenario_files
from scenarios.status import Status
from scenarios.target import Target, load_target, shipped_target
from scenarios.traffic import Traffic
from scenarios.users import Applicant, Drill, help_out
from scenarios.webui.page import SPEEDS, install
from scenarios.worlds import population

__all__ = ["Applicant"]  # Locust looks for its users here

USERS = 96
"""Requests of each process that can be under way at once: 2 a second at speed 60, each of which
takes 0.7 s."""

OWN_SCENARIOS = "DRIFTDRILL_SCENARIOS"
"""Variable with the paths of scenario files to choose from, beside the catalogue."""

ONLY_MODEL = "DRIFTDRILL_MODEL"
"""Variable with the one model that somebody else's service takes the rows of; drills that do things
to a service are none to choose then, either."""


@dataclass
class Session:
    """The drill that this process takes part in; a load generator runs one at a time.

    Attributes:
        status: What is reported of it: of all workers, where this process is their master.
        greenlets: What runs beside Locust's users.
        close: Ends the connection with master or workers.
    """

    drill: Drill
    status: Callable[[], Status]
    greenlets: list[gevent.Greenlet] = field(default_factory=list)
    close: Callable[[], None] = lambda: None


session: Session | None = None

run: Run | None = None
"""What the web page asked for; a run without the page has none."""

_encode = msgspec.json.Encoder().encode


class DrillShape(LoadTestShape):
    """All users from first to last: the schedule, not their number, sets the rate."""

    def tick(self) -> tuple[int, float] | None:
        """(users, users to start a second); None ends the run."""
        # Locust asks for the first time before `test_start` has made the drill.
        if session is not None and session.drill.traffic.finished(session.status().sent):
            return None
        runner = self.runner
        workers = runner.worker_count if isinstance(runner, MasterRunner) else 1
        return USERS * max(workers, 1), 1000.0


def add_arguments(parser: LocustArgumentParser) -> None:
    """Locust draws a choice for `--scenario` in its web page, and fields for speed and seed."""
    parser.add_argument(
        "--scenario",
        choices=scenario_names(),
        default="covariate-sudden",
        help="what happens in the world",
    )
    parser.add_argument("--speed", type=float, default=60.0, help="times as fast as production")
    parser.add_argument("--seed", type=int, default=0, help="decides every row")
    parser.add_argument(
        "--scenario-file", default="", include_in_web_ui=False, help="a drill of your own"
    )
    parser.add_argument(
        "--target-file", default="", include_in_web_ui=False, help="a service of your own"
    )
    parser.add_argument(
        "--status-file", default="", include_in_web_ui=False, help="where to report progress"
    )
    parser.add_argument(
        "--start-file", default="", include_in_web_ui=False, help="wait for it; it holds the start"
    )
    parser.add_argument(
        "--board", default="", include_in_web_ui=False, help="folder shared with whoever judges"
    )
    parser.add_argument(
        "--only-speed",
        type=float,
        include_in_web_ui=False,
        help="the speed that Prometheus is configured for, where it runs already",
    )


def scenario_names() -> list[str]:
    """The catalogue as it is now, behind the drills of the user's own."""
    own = [path for path in os.environ.get(OWN_SCENARIOS, "").split(os.pathsep) if path]
    names = [*own, *(path.stem for path in scenario_files(CATALOGUE))]
    model = os.environ.get(ONLY_MODEL)
    if not model:
        return names
    scenarios = ((name, find(name)) for name in names)
    return [name for name, one in scenarios if one.model == model and not one.is_operated]


def extend_web_page(environment: Environment, **_: Any) -> None:
    """Make Locust's page one for drills, where it is for choosing them."""
    options = _options(environment)
    if environment.web_ui is not None and options.board:
        view = lambda: (session.drill.traffic, session.status()) if session else None  # noqa: E731
        speeds = SPEEDS if options.only_speed is None else (options.only_speed,) * 2
        install(environment, Board(Path(options.board)), scenario_names, speeds, view)


def handle_termination(environment: Environment, **_: Any) -> None:
    """Locust installs its own handler too late for a run that a shape drives."""
    if environment.runner is not None:
        gevent.signal_handler(15, environment.runner.quit)


def begin(environment: Environment, **_: Any) -> None:
    """Start the clock, and report on the drill until it ends."""
    if _options(environment).worker:
        take_part(environment)
    else:
        lead(environment)


def lead(environment: Environment) -> None:
    """Wait for the start, then send the traffic or, where there are workers, have them send it."""
    global session, run
    options = _options(environment)
    if options.board:
        request = Request(options.scenario, options.speed, options.seed)
        run = Board(Path(options.board)).ask(request)
        options.status_file, options.start_file = str(run.status_file), str(run.start_file)
    scenario = find(options.scenario_file or options.scenario)
    target = _target(options, scenario, environment.host or "")
    status_file = Path(options.status_file)
    status_file.touch()  # says that this load generator is ready
    runner = environment.runner
    if runner is not None:
        # Or the page, which takes a runner that waits for one that was never started, goes back.
        runner.update_state(STATE_SPAWNING)
    start = wait_for_start(Path(options.start_file))
    environment.host = start.urls[0]
    drill = prepare(options, scenario, target, start)
    if isinstance(runner, MasterRunner):
        master = crew.Master(runner, drill.traffic)
        orders = crew.Orders(start, master.roster.turns, crew.digest(options, scenario.path))
        options.orders = msgspec.to_builtins(orders)
        session = Session(drill, master.status, close=master.close)
    else:
        session = Session(drill, drill.traffic.status, help_out(environment, drill))
    session.greenlets.append(gevent.spawn(report, session.status, status_file))


def take_part(environment: Environment) -> None:
    """Send a share of the traffic, as the master's orders say."""
    global session
    options = _options(environment)
    orders = msgspec.convert(options.orders, crew.Orders)
    try:
        scenario = find(options.scenario_file or options.scenario)
        crew.require_same(options, scenario.path, orders)
        target = _target(options, scenario, orders.start.urls[0])
        drill = prepare(options, scenario, target, orders.start)
    except (ValueError, OSError) as error:
        gevent.spawn(crew.refuse, environment, orders, str(error))
        return
    worker = crew.Worker(environment, orders, drill.traffic)
    session = Session(drill, drill.traffic.status, help_out(environment, drill), close=worker.close)


def prepare(options: Namespace, scenario: Scenario, target: Target, start: Start) -> Drill:
    """The drill, and the users who are to send it."""
    scenario = replace(scenario, replicas=start.replicas)
    traffic = Traffic(scenario, options.speed, options.seed, start.t0, target.path is not None)
    exchange = Exchange(target, population(scenario.model).schema)
    drill = Drill(traffic, target, exchange, start.urls)
    Applicant.drill = drill
    # What was loaded stays: the collector, whom every block of requests wakes, need not look there.
    gc.collect()
    gc.freeze()
    return drill


def end(environment: Environment, **_: Any) -> None:
    """Say how it ended, and forget the drill: the next one draws its own."""
    global session, run
    if session:
        gevent.killall(session.greenlets)
        session.close()
        if not _options(environment).worker:
            write_status(session.status(), Path(_options(environment).status_file))
    if run:
        run.end()
    session = run = None


def leave_judgement_to_the_verdict(environment: Environment, **_: Any) -> None:
    """A failed request is the verdict's business, not the exit code's."""
    environment.process_exit_code = 0


def wait_for_start(path: Path) -> Start:
    """When and where the drill begins, once whoever watches it has written that to a file."""
    while (start := read_start(path)) is None:
        gevent.sleep(0.02)
    return start


def report(status: Callable[[], Status], path: Path) -> None:
    """Append a status line twice a second."""
    while True:
        write_status(status(), path)
        gevent.sleep(crew.REPORT_S)


def write_status(status: Status, path: Path) -> None:
    """Append one status line."""
    with path.open("ab") as file:
        file.write(_encode(status) + b"\n")


def _target(options: Namespace, scenario: Scenario, url: str) -> Target:
    if options.target_file:
        return load_target(Path(options.target_file))
    return shipped_target(url, scenario.model)


def _options(environment: Environment) -> Namespace:
    options: Namespace | None = environment.parsed_options
    if options is None:
        raise RuntimeError("this file is for Locust's command line")
    return options


events.init_command_line_parser.add_listener(add_arguments)
events.init.add_listener(handle_termination)
events.init.add_listener(extend_web_page)
events.test_start.add_listener(begin)
events.test_stop.add_listener(end)
events.quitting.add_listener(leave_judgement_to_the_verdict)
