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

WARM_UP_S = 3.0
"""Until the other one, which starts at the same time, runs as well."""

# Both on one processor, which they share to the millisecond.
os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})


def measure(environment: Environment) -> None:
    """CPU time over requests, for as long as asked for; then ends the run."""
    runner = environment.runner
    assert runner is not None
    gevent.sleep(WARM_UP_S)
    began, before = time.process_time(), posts(environment)
    gevent.sleep(float(os.environ["COST_SECONDS"]))
    spent, sent = time.process_time() - began, posts(environment) - before
    failed = runner.stats.total.num_failures
    figures = {"us_per_request": spent / sent * 1e6, "failed": failed}
    Path(os.environ["COST_REPORT"]).write_text(json.dumps(figures))
    runner.quit()


def posts(environment: Environment) -> int:
    """Requests so far."""
    assert environment.runner is not None
    entries = environment.runner.stats.entries.items()
    return sum(int(entry.num_requests) for (_, method), entry in entries if method == "POST")


def prepare(environment: Environment, **_: Any) -> None:
    """Measure once all users run."""
    environment.events.spawning_complete.add_listener(
        lambda user_count, **_: gevent.spawn(measure, environment)  # noqa: ARG005
    )


events.init.add_listener(prepare)
