"""What is measured: our own service beside one without metrics, or somebody's as its file says."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import msgspec
import numpy as np

from driftdrill.exposition import TIMEOUT_S, scrape
from driftdrill.overhead.load import Load, MakeRequest
from driftdrill.rig.process import Process
from scenarios.exchange import DRILL_HEADER, Exchange
from scenarios.target import Target, shipped_target
from scenarios.worlds import population

MODEL = "credit"
"""What our own service serves."""

STRAY = 20
"""One request in so many asks for a path that no route has, each for another one."""

_ROWS = 512
_NAME = "overhead"

_TOLD_STEP_S = 0.01
"""In which client libraries tell the CPU time: that of Linux' clock ticks."""

CpuClock = Callable[[], float]
"""Seconds of CPU that a service has taken since it started."""


@dataclass(frozen=True)
class Running:
    """A service of ours that has been started."""

    url: str
    process: Process


@dataclass(frozen=True)
class Twin:
    """A service like the one under measurement, in one way another.

    Attributes:
        url: Of its metrics.
        load: Its traffic.
        cpu: Its clock.
    """

    url: str
    load: Load
    cpu: CpuClock


@dataclass(frozen=True)
class Subject:
    """A service under measurement.

    Attributes:
        name: What reports call it.
        target: Where it is, and how it is asked.
        load: Its traffic.
        log_line: What one prediction would be as a line of a JSON log.
        cpu: None where the service does not tell.
        cpu_step_s: Seconds of CPU that the clock cannot tell apart.
        plain: The same service without metrics, where there is one.
        calm: The same service, to get no more traffic than the first step, where there is one.
    """

    name: str
    target: Target
    load: Load
    log_line: bytes
    cpu: CpuClock | None
    cpu_step_s: float
    plain: Twin | None = None
    calm: Twin | None = None

    def client(self) -> httpx.Client:
        """A client that may scrape it, for the caller to close."""
        return scraper(self.target)


def own_command(model: Path, port: int, *, metrics: bool) -> list[str]:
    """The command that serves one of our models."""
    command = [sys.executable, "-m", "target_service", "serve", "--model", str(model.resolve())]
    command += ["--port", str(port)]
    return command if metrics else [*command, "--without-metrics"]


def own_subject(service: Running, plain: Running, calm: Running) -> Subject:
    """Our service and its twins, all running."""
    target = shipped_target(service.url, MODEL)
    found = bodies(target)
    return Subject(
        name=f"the service of {MODEL}",
        target=target,
        load=Load(target.url, request_maker(target, found)),
        log_line=log_line(found[0]),
        cpu=cpu_clock(service.process.pid),
        cpu_step_s=0.0,
        plain=_twin(plain, found),
        calm=_twin(calm, found),
    )


def _twin(running: Running, found: Sequence[bytes]) -> Twin:
    target = shipped_target(running.url, MODEL)
    load = Load(target.url, request_maker(target, found))
    return Twin(target.scraped, load, cpu_clock(running.process.pid))


def foreign_subject(target: Target) -> Subject:
    """A service that somebody else has started; RigError where it answers no metrics."""
    found = bodies(target)
    return Subject(
        name=target.url,
        target=target,
        load=Load(target.url, request_maker(target, found), target.tls.context()),
        log_line=log_line(found[0]),
        cpu=_told_cpu(target),
        cpu_step_s=_TOLD_STEP_S,
    )


def scraper(target: Target) -> httpx.Client:
    """A client that may scrape a target, for the caller to close."""
    headers = {"Authorization": target.authorization} if target.authorization else {}
    return httpx.Client(
        verify=target.tls.context(), headers=headers, trust_env=False, timeout=TIMEOUT_S
    )


def bodies(target: Target) -> list[bytes]:
    """Bodies of requests for predictions, on rows in which nothing drifts."""
    world = population(target.model)
    rows = world.schema.decode(world.draw(np.random.default_rng(0), _ROWS).x)
    exchange = Exchange(target, world.schema)
    return [exchange.body([row]) for row in rows]


def request_maker(target: Target, found: Sequence[bytes], stray: int = STRAY) -> MakeRequest:
    """Requests as of a public service: each comes from another user, and a few are astray.

    Whatever a client chooses is another one in every request: path, query, headers. A label that
    takes its value from any of it gains one with every request.

    Args:
        target: Who is asked.
        found: Bodies, sent in turns.
        stray: One request in so many is astray; 0 for none.
    """
    parts = urlsplit(target.url + target.predict.path)
    folder = parts.path.rpartition("/")[0]
    named = {"Host": parts.netloc, DRILL_HEADER: _NAME, **target.headers}
    common = "".join(f"{name}: {value}\r\n" for name, value in named.items()).encode("latin-1")

    def make(number: int) -> bytes:
        who = b"X-User-Id: user-%d\r\nX-Request-Id: %d\r\n" % (number, number)
        if stray and number % stray == stray - 1:
            head = b"GET %s/astray-%d HTTP/1.1\r\n" % (folder.encode(), number)
            return head + common + who + b"\r\n"
        body = found[number % len(found)]
        head = b"POST %s?request=%d HTTP/1.1\r\n" % (parts.path.encode(), number)
        kind = b"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body)
        return head + common + who + kind + body

    return make


def log_line(body: bytes) -> bytes:
    """One prediction as services log it: when, which request, which model, inputs and score."""
    told = {
        "time": "2025-01-01T00:00:00.000000Z",
        "level": "info",
        "request_id": "01234567-89ab-cdef-0123-456789abcdef",
        "model": "credit",
        "version": "1.0.0",
        "score": 0.123456789,
        "seconds": 0.001234,
        "input": msgspec.Raw(body),
    }
    return msgspec.json.encode(told) + b"\n"


def cpu_clock(pid: int) -> CpuClock:
    """The CPU time of a process of ours, in nanoseconds' resolution.

    The clock's id is what clock_getcpuclockid(3) makes of a process id on Linux.
    """
    clock = (~pid << 3) | 2
    return lambda: time.clock_gettime(clock)


def _told_cpu(target: Target) -> CpuClock | None:
    """What the service says of itself, as the client libraries of Prometheus do."""

    def told() -> float | None:
        with scraper(target) as client:
            return scrape(client, target.scraped).total("process_cpu_seconds_total")

    return None if told() is None else lambda: told() or 0.0
