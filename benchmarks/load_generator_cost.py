"""Given to Locust beside a locustfile: writes what its requests cost once all users run."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

import gevent
from locust import events
from locust.env import Environment
from locust.runners import MasterRunner, WorkerRunner

WARM_UP_S = 3.0
"""Until the others, which start at the same time, run as well."""

# All on one processor, which they share to the millisecond.
os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})

sent = failed = 0
"""Requests of this process; the statistics of one with a master are emptied into its reports."""


def count(exception: Exception | None, **_: Any) -> None:
    """One request."""
    global sent, failed
    sent += 1
    failed += exception is not None


def measure(environment: Environment) -> None:
    """CPU time and requests, for as long as asked for; then ends the run."""
    runner = environment.runner
    assert runner is not None
    gevent.sleep(WARM_UP_S)
    began, before = time.process_time(), sent
    gevent.sleep(float(os.environ["COST_SECONDS"]))
    if not isinstance(runner, MasterRunner):
        figures = {"cpu_s": time.process_time() - began, "sent": sent - before, "failed": failed}
        (Path(os.environ["COST_REPORTS"]) / f"{os.getpid()}.json").write_text(json.dumps(figures))
    if isinstance(runner, WorkerRunner):
        return
    if isinstance(runner, MasterRunner):
        gevent.sleep(1.0)  # for its workers to get there, too
    runner.quit()


def prepare(environment: Environment, **_: Any) -> None:
    """Measure once all users run."""
    environment.events.spawning_complete.add_listener(
        lambda user_count, **_: gevent.spawn(measure, environment)  # noqa: ARG005
    )


events.request.add_listener(count)
events.init.add_listener(prepare)
