"""Locust's side of a drill: users that send what `Traffic` says is due.

Arrivals keep to an absolute schedule: when the service stalls, requests pile up as real ones would,
and the `SCHED` entry of the statistics counts their waiting, which the plain entry hides.
"""

from __future__ import annotations

import os
import time
from argparse import Namespace
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import gevent
import msgspec
from locust import FastHttpUser, LoadTestShape, events, task
from locust.argument_parser import LocustArgumentParser
from locust.env import Environment
from locust.runners import STATE_SPAWNING

from scenarios.board import Board, Request, Run, Start, read_start
from scenarios.exchange import DRILL_HEADER, Exchange
from scenarios.spec import CATALOGUE, find, scenario_files
from scenarios.target import Target, load_target, shipped_target
from scenarios.traffic import Traffic
from scenarios.webui.page import install
from scenarios.worlds import population
from target_service.contract import DRILL_TIME

USERS = 96
"""Requests that can be under way at once: 2 a second at speed 60, each of which takes 0.7 s."""

LABEL_BATCH = 1000
LABEL_INTERVAL_S = 15.0
"""Ground truth is sent in batches, this many production seconds apart."""

OWN_SCENARIOS = "DRIFTDRILL_SCENARIOS"
"""Variable with the paths of scenario files to choose from, beside the catalogue."""


class Drill(NamedTuple):
    """The drill under way.

    Attributes:
        urls: Where the replicas of the service are.
    """

    traffic: Traffic
    target: Target
    exchange: Exchange
    urls: tuple[str, ...]


drill: Drill | None = None
"""A load generator runs one at a time."""

run: Run | None = None
"""What the web page asked for; a run without the page has none."""

_encode = msgspec.json.Encoder().encode


class Applicant(FastHttpUser):
    """Takes the next request of the drill, waits until it is due, and asks for a prediction."""

    @task
    def predict(self) -> None:
        """One request."""
        arrival = drill.traffic.next_arrival() if drill else None
        if drill is None or arrival is None:
            gevent.sleep(0.1)
            return
        traffic, target, exchange, urls = drill
        gevent.sleep(max(arrival.due - time.time(), 0.0))
        sent_at = time.time()
        with self.client.post(
            urls[arrival.replica] + target.predict.path,
            name=target.predict.path,
            data=exchange.body(arrival.rows).decode(),
            headers={DRILL_TIME: f"{arrival.time:.0f}"},
            catch_response=True,
        ) as response:
            try:
                _, token = exchange.read(response.status_code, response.content)
            except ValueError as error:
                response.failure(error)
                traffic.failed_on(arrival, sent_at, str(error))
            else:
                traffic.answered(arrival, sent_at, token)
        events.request.fire(
            request_type="SCHED",
            name=target.predict.path,
            response_time=(time.time() - arrival.due) * 1000,
            response_length=0,
            exception=None,
            context={},
        )


class Clerk(FastHttpUser):
    """Reports the ground truth of past predictions as it becomes known."""

    fixed_count = 1

    @task
    def feedback(self) -> None:
        """One batch, when there is one."""
        if drill is None or drill.target.feedback is None:
            gevent.sleep(0.1)
            return
        traffic, told = drill.traffic, drill.target.feedback
        labels = traffic.due_labels(LABEL_BATCH if told.label is not None else 1)
        if not labels:
            gevent.sleep(LABEL_INTERVAL_S / traffic.speed)
            return
        for replica, known in labels.items():
            body = told.body([(label.token, label.outcome) for label in known])
            self.client.post(drill.urls[replica] + told.path, name=told.path, data=body.decode())


class Intruder(FastHttpUser):
    """Sends what somebody who looks for holes sends, where the drill has one."""

    fixed_count = 4

    @task
    def scan(self) -> None:
        """One request."""
        arrival = drill.traffic.next_hostile() if drill else None
        if drill is None or arrival is None:
            gevent.sleep(0.1)
            return
        gevent.sleep(max(arrival.due - time.time(), 0.0))
        sent_at, request = time.time(), arrival.request
        with self.client.request(
            request.method,
            drill.urls[arrival.replica] + request.path,
            name="hostile",
            data=request.body,
            headers={"Content-Type": request.content_type},
            catch_response=True,
        ) as response:
            if response.status_code == request.status:
                response.success()
            drill.traffic.repelled(arrival, sent_at, response.status_code)


class DrillShape(LoadTestShape):
    """All users from first to last: the schedule, not their number, sets the rate."""

    def tick(self) -> tuple[int, float] | None:
        """(users, users to start a second); None ends the run."""
        # Locust asks for the first time before `test_start` has made the drill.
        if drill is not None and drill.traffic.finished:
            return None
        return USERS + Clerk.fixed_count + Intruder.fixed_count, 1000.0


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


def scenario_names() -> list[str]:
    """The catalogue as it is now, behind the drills of the user's own."""
    own = [path for path in os.environ.get(OWN_SCENARIOS, "").split(os.pathsep) if path]
    return [*own, *(path.stem for path in scenario_files(CATALOGUE))]


def extend_web_page(environment: Environment, **_: Any) -> None:
    """Make Locust's page one for drills, where it is for choosing them."""
    if environment.web_ui is not None and (board := _options(environment).board):
        traffic = lambda: drill.traffic if drill else None  # noqa: E731
        install(environment, Board(Path(board)), scenario_names, traffic)


def handle_termination(environment: Environment, **_: Any) -> None:
    """Locust installs its own handler too late for a run that a shape drives."""
    if environment.runner is not None:
        gevent.signal_handler(15, environment.runner.quit)


def begin(environment: Environment, **_: Any) -> None:
    """Start the clock, and report on the drill until it ends."""
    global drill, run
    options = _options(environment)
    scenario = find(options.scenario_file or options.scenario)
    if options.board:
        request = Request(options.scenario, options.speed, options.seed)
        run = Board(Path(options.board)).ask(request)
        options.status_file, options.start_file = str(run.status_file), str(run.start_file)
    if options.target_file:
        target = load_target(Path(options.target_file))
    else:
        target = shipped_target(environment.host or "", scenario.model)
    introduce(target, scenario.name)
    exchange = Exchange(target, population(scenario.model).schema)
    status_file = Path(options.status_file)
    status_file.touch()  # says that this load generator is ready
    if environment.runner is not None:
        # Or the page, which takes a runner that waits for one that was never started, goes back.
        environment.runner.update_state(STATE_SPAWNING)
    start = wait_for_start(Path(options.start_file))
    environment.host = start.urls[0]
    scenario = replace(scenario, replicas=start.replicas)
    traffic = Traffic(scenario, options.speed, options.seed, start.t0, target.path is not None)
    drill = Drill(traffic, target, exchange, start.urls)
    gevent.spawn(report, traffic, status_file)


def introduce(target: Target, scenario: str) -> None:
    """Set what users that are yet to start say of themselves: the target's secrets among it."""
    for user in (Applicant, Clerk):
        user.default_headers = {
            "Content-Type": "application/json",
            DRILL_HEADER: scenario,
            **target.headers,
        }
        user.ssl_context_factory = staticmethod(target.tls.context)


def end(environment: Environment, **_: Any) -> None:
    """Say how it ended, and forget the drill: the next one draws its own."""
    global drill, run
    if drill:
        write_status(drill.traffic, Path(_options(environment).status_file))
    if run:
        run.end()
    drill = run = None


def leave_judgement_to_the_verdict(environment: Environment, **_: Any) -> None:
    """A failed request is the verdict's business, not the exit code's."""
    environment.process_exit_code = 0


def wait_for_start(path: Path) -> Start:
    """When and where the drill begins, once whoever watches it has written that to a file."""
    while (start := read_start(path)) is None:
        gevent.sleep(0.02)
    return start


def report(reported: Traffic, path: Path) -> None:
    """Append a status line twice a second until the drill ends."""
    while drill is not None and drill.traffic is reported:
        write_status(reported, path)
        gevent.sleep(0.5)


def write_status(reported: Traffic, path: Path) -> None:
    """Append one status line."""
    with path.open("ab") as file:
        file.write(_encode(reported.status()) + b"\n")


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
