"""What is measured: our own service beside one without metrics, or somebody's by its URL."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urljoin, urlsplit

import httpx
import msgspec

from driftdrill.exposition import TIMEOUT_S, scrape
from driftdrill.overhead.load import Load, MakeRequest
from driftdrill.rig.errors import UsageError
from driftdrill.rig.process import Process
from scenarios.spec import find

SCENARIO = "steady"
"""Where the rows for our own service come from."""

NUMBER = b"{n}"
"""In a body it stands for the number of the request."""

STRAY = 20
"""One request in so many asks for a path that no route has, each for another one."""

_ROWS = 512

CpuClock = Callable[[], float]
"""Seconds of CPU that a service has taken since it started."""


@dataclass(frozen=True)
class Target:
    """A service under measurement.

    Attributes:
        name: What reports call it.
        metrics_url: Where its metrics are.
        load: Its traffic.
        log_line: What one prediction would be as a line of a JSON log.
        cpu: None where the service does not tell.
        scrapes_at_once: How many scrapes its CPU clock is fine enough to tell.
        plain: Traffic of the same service without metrics, where there is one.
        plain_cpu: And its CPU.
    """

    name: str
    metrics_url: str
    load: Load
    log_line: bytes
    cpu: CpuClock | None
    scrapes_at_once: int
    plain: Load | None = None
    plain_cpu: CpuClock | None = None


def own_command(model: Path, port: int, *, metrics: bool) -> list[str]:
    """The command that serves one of our models."""
    command = [sys.executable, "-m", "target_service", "serve", "--model", str(model.resolve())]
    command += ["--port", str(port)]
    return command if metrics else [*command, "--without-metrics"]


def own_target(url: str, process: Process, plain_url: str, plain_process: Process) -> Target:
    """Our service and its twin without metrics, both running."""
    scenario = find(SCENARIO)
    stream = scenario.stream(0)
    rows = stream.population.schema.decode(stream.block(0).x[:_ROWS])
    bodies = [msgspec.json.encode({"rows": [row]}) for row in rows]
    return Target(
        name=f"the service of {scenario.model}",
        metrics_url=f"{url}/metrics",
        load=Load(url, request_maker(f"{url}/predict", bodies)),
        log_line=log_line(bodies[0]),
        cpu=cpu_clock(process.pid),
        scrapes_at_once=4,
        plain=Load(plain_url, request_maker(f"{plain_url}/predict", bodies)),
        plain_cpu=cpu_clock(plain_process.pid),
    )


def foreign_target(metrics_url: str, body: Path) -> Target:
    """A service that somebody else has started.

    Args:
        metrics_url: Where its metrics are.
        body: File with the JSON to POST to `/predict` beside them.

    Raises:
        UsageError: The URL is none, or the file cannot be read.
    """
    if urlsplit(metrics_url).scheme not in {"http", "https"}:
        raise UsageError(f"--target {metrics_url}: expected the http:// URL of /metrics")
    try:
        content = body.read_bytes().strip()
    except OSError as error:
        raise UsageError(f"--body {body} cannot be read: {error.strerror}") from error
    return Target(
        name=metrics_url,
        metrics_url=metrics_url,
        load=Load(metrics_url, request_maker(urljoin(metrics_url, "predict"), [content])),
        log_line=log_line(content),
        cpu=_told_cpu(metrics_url),
        scrapes_at_once=50,
    )


def request_maker(url: str, bodies: Sequence[bytes]) -> MakeRequest:
    """Requests as of a public service: each comes from another user, and a few are astray.

    What a client chooses is another one in every request: path, query, headers, and `{n}` in
    bodies. A label that takes its value from any of it gains one with every request.
    """
    parts = urlsplit(url)
    folder = parts.path.rpartition("/")[0]
    host = f"Host: {parts.netloc}\r\n".encode()

    def make(number: int) -> bytes:
        who = b"X-User-Id: user-%d\r\nX-Request-Id: %d\r\n" % (number, number)
        if number % STRAY == STRAY - 1:
            return b"GET %s/astray-%d HTTP/1.1\r\n%s%s\r\n" % (folder.encode(), number, host, who)
        body = bodies[number % len(bodies)].replace(NUMBER, b"%d" % number)
        head = b"POST %s?request=%d HTTP/1.1\r\n" % (parts.path.encode(), number)
        kind = b"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body)
        return head + host + who + kind + body

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


def _told_cpu(metrics_url: str) -> CpuClock | None:
    """What the service says of itself, as the client libraries of Prometheus do."""
    client = httpx.Client(trust_env=False, timeout=TIMEOUT_S)

    def told() -> float | None:
        return scrape(client, metrics_url).total("process_cpu_seconds_total")

    return None if told() is None else lambda: told() or 0.0
