"""How live drills are run here: through the real command, as a user would."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from scenarios.status import read_statuses

LIMIT_S = 240.0


class Drill:
    """A `driftdrill run` under way, with its output and the processes that it started."""

    def __init__(self, out: Path, *arguments: str, env: Mapping[str, str] | None = None) -> None:
        self.out = out
        self.log = out.with_suffix(".log")
        self._children: set[psutil.Process] = set()
        command = [sys.executable, "-m", "driftdrill", "run", *arguments, "--out", str(out)]
        with self.log.open("wb") as log:
            self._popen = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env={**os.environ, "COLUMNS": "160", **(env or {})},
            )

    @property
    def said(self) -> str:
        """What it has printed so far."""
        return self.log.read_text()

    def wait_for(self, condition: Callable[[], bool], what: str, must_run: bool = True) -> None:
        """Return once something is so; it must run until then."""
        deadline = time.monotonic() + LIMIT_S
        while not condition():
            if (code := self._popen.poll()) is None:
                self._children.update(psutil.Process(self._popen.pid).children(recursive=True))
            assert code is None or not must_run, f"ended before {what}: {self.said}"
            assert time.monotonic() < deadline, f"no {what}: {self.said}"
            time.sleep(0.05)

    def wait_until_running(self) -> None:
        """Return once traffic flows."""
        self.wait_for(lambda: self._sent() > 100, "traffic")

    def wait_until_scraped(self, job: str) -> None:
        """Return once its Prometheus has scraped a job again."""
        query = f'timestamp(up{{job="{job}"}}) > {time.time()}'
        self.wait_for(lambda: bool(self.asked(query)), f"scrape of {job}")

    def asked(self, query: str) -> list[dict[str, Any]]:
        """What its Prometheus answers to a query now."""
        url = f"{self.prometheus_url()}/api/v1/query"
        answer = httpx.get(url, params={"query": query}, trust_env=False, timeout=30).json()
        found: list[dict[str, Any]] = answer["data"]["result"]
        return found

    def prometheus_url(self) -> str:
        """Where its Prometheus answers."""
        found = re.search(r"Prometheus +(http://127\.0\.0\.1:\d+)", self.said)
        assert found, self.said
        return found[1]

    def signal(self, number: signal.Signals) -> None:
        """Send the harness a signal."""
        self._popen.send_signal(number)

    def process(self, word: str) -> int:
        """The id of the one process of this drill whose command line holds a word."""
        (found,) = [c.pid for c in self.children() if word in _command(c)]
        return found

    def children(self) -> list[psutil.Process]:
        """Everything that it has started and that still runs."""
        return [child for child in self._children if _runs(child)]

    def ended(self) -> int:
        """Exit code, once it has ended; nothing of it may run any longer."""
        self.wait_for(lambda: self._popen.poll() is not None, "end", must_run=False)
        assert not self.children(), "processes were left behind"
        return self._popen.wait()

    def finish(self) -> tuple[int, dict[str, Any]]:
        """Exit code and verdict, once it has ended."""
        code = self.ended()
        return code, json.loads((self.out / "verdict.json").read_text())

    def stop(self) -> None:
        """End it if it still runs."""
        if self._popen.poll() is None:
            self._popen.terminate()
            self._popen.wait(60)

    def _sent(self) -> int:
        statuses = read_statuses(self.out / "traffic.jsonl")
        return statuses[-1].sent if statuses else 0


def _runs(process: psutil.Process) -> bool:
    """Whether it runs; what ended and was left for init to bury does not."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _command(process: psutil.Process) -> str:
    """Its command line; nothing of one that has just ended."""
    try:
        return " ".join(process.cmdline())
    except psutil.NoSuchProcess:
        return ""


Start = Callable[..., Drill]
"""Starts a drill with these arguments, in a folder of its own."""


@contextmanager
def _starting(folder: Path) -> Iterator[Start]:
    drills: list[Drill] = []
    numbers = count()  # threads may start drills at the same time

    def start(*arguments: str, env: Mapping[str, str] | None = None) -> Drill:
        drill = Drill(folder / f"drill-{next(numbers)}", *arguments, env=env)
        drills.append(drill)
        return drill

    yield start
    for drill in drills:
        drill.stop()


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Start]:
    """Start a drill; each gets a folder of its own."""
    with _starting(tmp_path) as start:
        yield start


@pytest.fixture(scope="module")
def run_shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Start]:
    """The same for drills that several tests look at."""
    with _starting(tmp_path_factory.mktemp("drills")) as start:
        yield start


Ended = tuple[Drill, int, dict[str, Any]]
"""A drill that has ended, its exit code and its verdict."""

AtOnce = Callable[[Callable[[str], Ended], Iterable[str]], dict[str, Ended]]


@pytest.fixture(scope="session")
def at_once() -> AtOnce:
    """Have something happen to drills at the same time, one for each case; what became of each."""

    def suffer_all(suffer: Callable[[str], Ended], cases: Iterable[str]) -> dict[str, Ended]:
        named = list(cases)
        with ThreadPoolExecutor(len(named)) as pool:
            return dict(zip(named, pool.map(suffer, named), strict=True))

    return suffer_all


CALM = """\
name: calm
summary: Nothing happens for a while.
model: credit
traffic: {rate: 1}
phases:
  - {name: calm, duration: 14m}
"""


@pytest.fixture(scope="session")
def calm(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A scenario file in which nothing happens, for 14 minutes."""
    path = tmp_path_factory.mktemp("scenarios") / "calm.yaml"
    path.write_text(CALM)
    return str(path)
