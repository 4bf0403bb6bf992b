"""Locust's side of a drill: users that send what `Traffic` says is due.

Arrivals keep to an absolute schedule: when the service stalls, requests pile up as real ones would,
and the `SCHED` entry of the statistics counts their waiting, which the plain entry hides.
"""

from __future__ import annotations

import time
from argparse import Namespace
from pathlib import Path
from typing import Any

import gevent
import msgspec
from locust import FastHttpUser, LoadTestShape, events, task
from locust.argument_parser import LocustArgumentParser
from locust.env import Environment

from scenarios.spec import catalogue, find
from scenarios.traffic import Traffic

USERS = 32
"""Requests that can be under way at once."""

LABEL_BATCH = 1000
LABEL_INTERVAL_S = 15.0
"""Ground truth is sent in batches, this many production seconds apart."""

HEADERS = {"Content-Type": "application/json"}

traffic: Traffic | None = None
"""The drill under way; a load generator runs one at a time."""


class _Prediction(msgspec.Struct):
    score: float
    token: str


class _Answer(msgspec.Struct):
    predictions: list[_Prediction]


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(_Answer).decode


class Applicant(FastHttpUser):
    """Takes the next request of the drill, waits until it is due, and asks for a prediction."""

    @task
    def predict(self) -> None:
        """One request."""
        arrival = traffic.next_arrival() if traffic else None
        if traffic is None or arrival is None:
            gevent.sleep(0.1)
            return
        gevent.sleep(max(arrival.due - time.time(), 0.0))
        sent_at = time.time()
        body = _encode({"rows": [arrival.row]})
        token = None
        with self.client.post(
            "/predict", data=body.decode(), headers=HEADERS, catch_response=True
        ) as response:
            try:
                if response.status_code == 200:
                    token = _decode(response.content).predictions[0].token
            except (msgspec.DecodeError, IndexError) as error:
                response.failure(f"answer not understood: {error}")
        traffic.answered(arrival, sent_at, token)
        events.request.fire(
            request_type="SCHED",
            name="/predict",
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
        if traffic is None:
            gevent.sleep(0.1)
            return
        labels = traffic.due_labels(LABEL_BATCH)
        if not labels:
            gevent.sleep(LABEL_INTERVAL_S / traffic.speed)
            return
        body = {"labels": [{"token": label.token, "outcome": label.outcome} for label in labels]}
        self.client.post("/feedback", data=_encode(body).decode(), headers=HEADERS)


class DrillShape(LoadTestShape):
    """All users from first to last: the schedule, not their number, sets the rate."""

    def tick(self) -> tuple[int, float] | None:
        """(users, users to start a second); None ends the run."""
        # Locust asks for the first time before `test_start` has made the traffic.
        if traffic is not None and traffic.finished:
            return None
        return USERS + Clerk.fixed_count, 1000.0


def add_arguments(parser: LocustArgumentParser) -> None:
    """Locust draws a choice for `--scenario` in its web page, and fields for speed and seed."""
    parser.add_argument(
        "--scenario",
        choices=[scenario.name for scenario in catalogue() if not scenario.is_operated],
        default="covariate-sudden",
        help="the drill to run",
    )
    parser.add_argument("--speed", type=float, default=60.0, help="production seconds per second")
    parser.add_argument("--seed", type=int, default=0, help="seed of the traffic")
    parser.add_argument(
        "--scenario-file", default="", include_in_web_ui=False, help="a drill of your own"
    )
    parser.add_argument(
        "--status-file", default="", include_in_web_ui=False, help="where to report progress"
    )
    parser.add_argument(
        "--start-file", default="", include_in_web_ui=False, help="wait for it; it holds the start"
    )


def handle_termination(environment: Environment, **_: Any) -> None:
    """Locust installs its own handler too late for a run that a shape drives."""
    if environment.runner is not None:
        gevent.signal_handler(15, environment.runner.quit)


def begin(environment: Environment, **_: Any) -> None:
    """Start the clock, and report on the drill until it ends."""
    global traffic
    options = _options(environment)
    scenario = find(options.scenario_file or options.scenario)
    status_file = Path(options.status_file) if options.status_file else None
    if status_file:
        status_file.touch()  # says that this load generator is ready
    t0 = wait_for_start(Path(options.start_file)) if options.start_file else time.time() + 1.0
    traffic = Traffic(scenario, options.speed, options.seed, t0)
    if status_file:
        gevent.spawn(report, traffic, status_file)


def end(environment: Environment, **_: Any) -> None:
    """Say how it ended, and forget the drill: the next one draws its own."""
    global traffic
    if traffic and _options(environment).status_file:
        write_status(traffic, Path(_options(environment).status_file))
    traffic = None


def leave_judgement_to_the_verdict(environment: Environment, **_: Any) -> None:
    """A failed request is the verdict's business, not the exit code's."""
    environment.process_exit_code = 0


def wait_for_start(path: Path) -> float:
    """The moment at which the drill begins, once whoever watches it has written it to a file."""
    while not path.exists():
        gevent.sleep(0.02)
    return float(path.read_text())


def report(reported: Traffic, path: Path) -> None:
    """Append a status line twice a second until the drill ends."""
    while traffic is reported:
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
events.test_start.add_listener(begin)
events.test_stop.add_listener(end)
events.quitting.add_listener(leave_judgement_to_the_verdict)
