"""The service under a long siege: is its memory flat, and does it count to the last request?

    python benchmarks/soak.py [--requests 1000000] [--hostile 0.2] [--json FILE]

Predictions and hostile requests go to the real process as fast as it answers, over kept connections
with several requests under way on each. Every answer is held against the one that its request
deserves, and at the end what the service counted, label by label, against what was sent. Exits with
1 where one differs, an answer is a 5xx, series were added, or memory grew by more than a tenth from
the first quarter on.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import tempfile
import time
from collections import Counter, deque
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

import httptools
import httpx
import psutil
from prometheus_client.parser import text_string_to_metric_families

from driftdrill.models import artifact
from driftdrill.overhead.subject import bodies, own_command
from driftdrill.rig.ports import lease_port
from driftdrill.rig.process import Process
from scenarios.target import shipped_target
from simulators.hostile import Scan
from simulators.schedule import Phase, Ramp, Schedule

CONNECTIONS = 4
UNDER_WAY = 16
"""Requests on each connection that are not yet answered."""

CHECKS = 20
"""How often memory is looked at."""

MAX_GROWTH = 0.10
_START_S = 60.0
_STALL_S = 60.0

Counted = tuple[str, str, str]
"""Method, endpoint and status, as the service's labels name them."""


class Request(NamedTuple):
    """What is sent, and how it is to be counted."""

    sent: bytes
    counted: Counted


def requests(total: int, hostile: float, url: str) -> Iterator[Request]:
    """The requests of a soak: every so-manieth is hostile, and none of these is like another."""
    rows = [_encoded("POST", "/predict", body) for body in bodies(shipped_target(url, "credit"))]
    scan = Scan(Schedule((Phase("siege", 3600.0, Ramp(1.0, 1.0)),)), 0)
    sent = 0
    for number in range(total):
        if int((number + 1) * hostile) == sent:
            yield Request(rows[number % len(rows)], ("POST", "/predict", "200"))
            continue
        bad = scan.request(sent)
        sent += 1
        counted = (bad.method_counted, bad.endpoint, str(bad.status))
        yield Request(_encoded(bad.method, bad.path, bad.body.encode(), bad.content_type), counted)


def _encoded(method: str, path: str, body: bytes, kind: str = "application/json") -> bytes:
    head = f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: {kind}\r\n"
    return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body


class _Connection(asyncio.Protocol):
    """Sends what comes next whenever an answer has come; tallies what was answered."""

    def __init__(self, source: Iterator[Request], answered: Counter[Counted]) -> None:
        self._source = source
        self._answered = answered
        self._awaited: deque[Counted] = deque()
        self._parser = httptools.HttpResponseParser(self)
        self.over: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        for _ in range(UNDER_WAY):
            self._send()

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_message_complete(self) -> None:
        method, endpoint, _ = self._awaited.popleft()
        self._answered[method, endpoint, str(self._parser.get_status_code())] += 1
        self._send()

    def connection_lost(self, error: Exception | None) -> None:
        if not self.over.done():
            self.over.set_exception(error or EOFError("the service closed a connection"))

    def _send(self) -> None:
        request = next(self._source, None)
        if request is not None:
            self._awaited.append(request.counted)
            self._transport.write(request.sent)
        elif not self._awaited and not self.over.done():
            self.over.set_result(None)
            self._transport.close()


async def _besiege(port: int, source: Iterator[Request], answered: Counter[Counted]) -> None:
    loop = asyncio.get_running_loop()
    users = [
        (await loop.create_connection(lambda: _Connection(source, answered), "127.0.0.1", port))[1]
        for _ in range(CONNECTIONS)
    ]
    over = asyncio.gather(*(user.over for user in users))
    before = -1
    while not over.done():
        assert answered.total() > before, f"no answer for {_STALL_S:g}s"
        before = answered.total()
        await asyncio.wait([over], timeout=_STALL_S)
    await over


def soak(total: int, hostile: float) -> dict[str, float]:
    """The figures of one soak by their keys; memory in MB."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        lease = stack.enter_context(lease_port(18_000))
        url = f"http://{lease.address}"
        command = own_command(artifact("credit"), lease.port, metrics=True)
        process = Process("service", command, log=folder / "log")
        stack.callback(process.stop)
        client = stack.enter_context(httpx.Client(base_url=url, trust_env=False))
        _await(client, process)
        series, _ = _scrape(client)
        deserved: Counter[Counted] = Counter()
        answered: Counter[Counted] = Counter()
        memory: list[float] = []
        service = psutil.Process(process.pid)

        def watched() -> Iterator[Request]:
            step = max(total // CHECKS, 1)
            for number, request in enumerate(requests(total, hostile, url), 1):
                deserved[request.counted] += 1
                if number % step == 0:
                    memory.append(service.memory_info().rss / 1e6)
                yield request

        began = time.monotonic()
        asyncio.run(_besiege(lease.port, watched(), answered))
        seconds = time.monotonic() - began
        after, counted = _scrape(client)
    first, last = max(memory[: max(CHECKS // 4, 1)]), max(memory[-max(CHECKS // 4, 1) :])
    return {
        "requests": answered.total(),
        "hostile": total - deserved["POST", "/predict", "200"],
        "answered_5xx": sum(n for (*_, status), n in answered.items() if status >= "500"),
        "answered_otherwise": (deserved - answered).total(),
        "counted_otherwise": sum(((deserved - counted) | (counted - deserved)).values()),
        "series_added": after - series,
        "memory_first_quarter_mb": round(first, 1),
        "memory_last_quarter_mb": round(last, 1),
        "requests_per_second": round(total / seconds, 1),
        "seconds": round(seconds, 1),
    }


def faults(figures: dict[str, float]) -> list[str]:
    """The figures that are not as they have to be."""
    found = [
        key
        for key in ("answered_5xx", "answered_otherwise", "counted_otherwise", "series_added")
        if figures[key]
    ]
    if figures["memory_last_quarter_mb"] > figures["memory_first_quarter_mb"] * (1 + MAX_GROWTH):
        found.append("memory_last_quarter_mb")
    return found


def _await(client: httpx.Client, process: Process) -> None:
    deadline = time.monotonic() + _START_S
    while True:
        assert process.alive, process.describe_exit()
        assert time.monotonic() < deadline, "the service did not start"
        try:
            client.get("/openapi.json")
        except httpx.TransportError:
            time.sleep(0.05)
        else:
            return


def _scrape(client: httpx.Client) -> tuple[int, Counter[Counted]]:
    """How many series there are, and the requests that were counted, scrapes and health apart."""
    families = text_string_to_metric_families(client.get("/metrics").text)
    samples = [sample for family in families for sample in family.samples]
    counted: Counter[Counted] = Counter()
    for sample in samples:
        if sample.name == "http_request_count_total" and sample.value:
            labels = sample.labels
            counted[labels["method"], labels["endpoint"], labels["http_status"]] = int(sample.value)
    for endpoint in ("/metrics", "/openapi.json"):
        del counted["GET", endpoint, "200"]
    return len(samples), counted


def main(arguments: list[str]) -> int:
    """Soak, print, write the figures where they are asked for; exit code."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("--requests", type=int, default=1_000_000)
    parser.add_argument("--hostile", type=float, default=0.2, help="share of the requests")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there")
    options = parser.parse_args(arguments)
    if options.requests < CHECKS or not 0 <= options.hostile < 1:
        parser.error(f"expected {CHECKS} requests or more, and a share from 0 to below 1")
    figures = soak(options.requests, options.hostile)
    for name, value in figures.items():
        print(f"{name:<28}{value:>14,}")
    if options.json:
        options.json.write_text(json.dumps(figures, indent=2) + "\n")
    wrong = faults(figures)
    for name in wrong:
        print(f"not as it has to be: {name}", file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
