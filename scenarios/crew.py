"""Several load generators for one drill, over Locust's own connection of a master with its workers.

The master knows when the drill begins and who takes part; the workers send the traffic, and report.
"""

from __future__ import annotations

import hashlib
import time
from argparse import Namespace
from pathlib import Path
from typing import Any

import gevent
import msgspec
from locust.env import Environment
from locust.runners import MasterRunner, WorkerRunner

from scenarios.board import Start
from scenarios.roster import Roster
from scenarios.status import Status
from scenarios.traffic import Traffic
from scenarios.turns import Turns

_STATUS, _TURNS = "driftdrill-status", "driftdrill-turns"

NOBODY = ""

REPORT_S = 0.5
"""Real seconds between two reports of a worker."""


class Orders(msgspec.Struct, frozen=True):
    """What the master tells a worker that begins, among the options that Locust sends.

    Attributes:
        turns: Who takes part; who joins later is told the turns once it has reported.
        files: Digest of the files that say what is sent, which each worker reads itself.
    """

    start: Start
    turns: Turns
    files: str


def digest(options: Namespace, scenario: Path) -> str:
    """Of the scenario's file and of the target's."""
    texts = [path.read_bytes() for path in (scenario, Path(options.target_file)) if path.is_file()]
    return hashlib.sha256(b"\0".join(texts)).hexdigest()


def require_same(options: Namespace, scenario: Path, orders: Orders) -> None:
    """ValueError where this machine's files are not those of the master."""
    if digest(options, scenario) != orders.files:
        raise ValueError(f"its {scenario.name} or target file is not the master's")


class Master:
    """Keeps the book of who sends what, and tells the workers."""

    def __init__(self, runner: MasterRunner, traffic: Traffic) -> None:
        members = sorted(worker.id for worker in runner.clients.all)
        self._runner = runner
        self._traffic = traffic
        self.roster = Roster(members, traffic.t0, traffic.speed)
        runner.register_message(_STATUS, self._hear)
        self._keeper = gevent.spawn(self._keep)

    def _hear(self, msg: Any, **_: Any) -> None:
        self.roster.hear(msg.node_id, msgspec.convert(msg.data, Status), time.time())

    def _keep(self) -> None:
        while True:
            gevent.sleep(REPORT_S / 2)
            if self.roster.review(time.time()):
                turns = msgspec.to_builtins(self.roster.turns)
                self._runner.send_message(_TURNS, {"t0": self._traffic.t0, "turns": turns})

    def status(self) -> Status:
        """What all workers have sent."""
        return self.roster.total(self._traffic.status())

    def close(self) -> None:
        """Look no longer for who comes and goes."""
        self._keeper.kill()
        del self._runner.custom_messages[_STATUS]  # the next drill's master is another


class Worker:
    """Sends its share of one drill, and reports to the master twice a second.

    Args:
        environment: Locust's; where a worker joins late, its runner is still being made.
        orders: The master's.
        traffic: The drill's, of which nothing is sent until the master is connected.
    """

    def __init__(self, environment: Environment, orders: Orders, traffic: Traffic) -> None:
        self._environment = environment
        self._orders = orders
        self._traffic = traffic
        traffic.divide(orders.turns, NOBODY)
        self._reporter = gevent.spawn(self._take_part)

    def _take_part(self) -> None:
        runner = _runner(self._environment)
        runner.register_message(_TURNS, self._turn)
        self._traffic.divide(self._orders.turns, runner.client_id)
        while True:
            _report(runner, self._traffic.status())
            gevent.sleep(REPORT_S)

    def _turn(self, msg: Any, **_: Any) -> None:
        if msg.data["t0"] == self._traffic.t0:
            turns = msgspec.convert(msg.data["turns"], Turns)
            self._traffic.divide(turns, _runner(self._environment).client_id)

    def close(self) -> None:
        """Report for the last time."""
        self._reporter.kill()
        runner = _runner(self._environment)
        runner.custom_messages.pop(_TURNS, None)  # there is none where it ended before it began
        _report(runner, self._traffic.status())


def refuse(environment: Environment, orders: Orders, why: str) -> None:
    """Tell the master that this worker cannot take part."""
    runner = _runner(environment)
    problem = f"worker {runner.client_id.rpartition('_')[0]} cannot take part: {why}"
    _report(runner, Status(orders.start.t0, 0.0, 0, 0, 0, 0.0, problem=problem))


def _report(runner: WorkerRunner, status: Status) -> None:
    runner.send_message(_STATUS, msgspec.to_builtins(status))


def _runner(environment: Environment) -> WorkerRunner:
    while not isinstance(environment.runner, WorkerRunner):
        gevent.sleep(0.01)
    return environment.runner
