"""The real service among more clients than it can answer, and among those that mean it ill."""

from __future__ import annotations

import asyncio
import json
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import psutil
import pytest
from prometheus_client.parser import text_string_to_metric_families
from test_serve import serving

from target_service.body import MAX_WAITING
from target_service.contract import Dataset
from target_service.model import Model
from target_service.protocol import ARRIVAL_S, DEPARTURE_S, MAX_REQUEST

pytestmark = pytest.mark.live

OVERLOAD = 4
ROUNDS = 3
PROMPT_S = 5.0
"""On a busy machine; a client that is blocked by another waits for `ARRIVAL_S`."""

JSON = {"Content-Type": "application/json"}

Stream = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Service:
    """A running service, as bare sockets see it."""

    def __init__(self, client: httpx.Client, pid: int) -> None:
        self.client = client
        self.process = psutil.Process(pid)

    async def connect(self) -> Stream:
        """A connection on which nothing has been sent."""
        return await asyncio.open_connection(self.client.base_url.host, self.client.base_url.port)

    def connections(self) -> int:
        """How many clients it has."""
        return sum(c.status == "ESTABLISHED" for c in self.process.net_connections("tcp"))

    def counted(self, endpoint: str) -> Counter[str]:
        """Requests that it counts, by status."""
        exposed = text_string_to_metric_families(self.client.get("/metrics").text)
        return Counter(
            {
                sample.labels["http_status"]: int(sample.value)
                for family in exposed
                for sample in family.samples
                if sample.name == "http_request_count_total"
                and sample.labels["endpoint"] == endpoint
                and sample.value
            }
        )


@pytest.fixture
def service(credit: Model, tmp_path: Path) -> Iterator[Service]:
    with serving(credit.save(tmp_path / "credit").parent) as (client, pid):
        yield Service(client, pid)


@pytest.fixture(scope="module")
def rows(credit_data: Dataset) -> list[dict[str, object]]:
    return credit_data.schema.decode(credit_data.x[:50])


def post(body: bytes, length: int | None = None) -> bytes:
    head = "POST /predict HTTP/1.1\r\nHost: service\r\nContent-Type: application/json\r\n"
    return f"{head}Content-Length: {length or len(body)}\r\n\r\n".encode() + body


async def status(stream: Stream) -> str:
    """The status of the next answer, once it has been read whole."""
    reader, _ = stream
    head = (await reader.readuntil(b"\r\n\r\n")).decode()
    length = next(line for line in head.lower().splitlines() if line.startswith("content-length"))
    await reader.readexactly(int(length.partition(":")[2]))
    return head.split(" ", 2)[1]


@asynccontextmanager
async def many(service: Service, count: int) -> AsyncIterator[list[Stream]]:
    streams = [await service.connect() for _ in range(count)]
    try:
        yield streams
    finally:
        for _, writer in streams:
            writer.transport.abort()


async def cut_off(stream: Stream) -> None:
    """Return once the service has closed a connection; its answers are read and dropped."""
    async with asyncio.timeout(ARRIVAL_S + DEPARTURE_S):
        try:
            while await stream[0].read(2**20):
                pass
        except ConnectionError:
            return


def test_four_times_what_may_wait_is_refused_or_answered_counted_once_and_gone(service, rows):
    request = post(json.dumps({"rows": rows}).encode())
    answered: Counter[str] = Counter()
    scraped: list[int] = []

    async def insist(stream: Stream) -> None:
        for _ in range(ROUNDS):
            stream[1].write(request)
            answered[await status(stream)] += 1

    async def scrape() -> None:
        async with httpx.AsyncClient(base_url=service.client.base_url, trust_env=False) as client:
            scraped.append((await client.get("/metrics", timeout=30)).status_code)

    async def besiege() -> None:
        async with many(service, OVERLOAD * MAX_WAITING) as streams:
            await asyncio.gather(*map(insist, streams), scrape())

    asyncio.run(besiege())
    before = time.monotonic()
    assert service.client.post("/predict", json={"rows": rows}).status_code == 200
    assert time.monotonic() - before < PROMPT_S
    assert scraped == [200]
    assert answered.keys() == {"200", "503"}
    assert answered.total() == OVERLOAD * MAX_WAITING * ROUNDS
    assert answered["200"] >= MAX_WAITING
    assert service.counted("/predict") == answered + Counter({"200": 1})


def test_clients_that_send_or_read_slowly_block_nobody_and_are_let_go(service, rows):
    whole = json.dumps({"rows": rows}).encode()
    ill: dict[str, int] = {"silent": 400, "slow head": 100, "slow body": 100, "deaf": 5}
    waits: list[float] = []

    async def drip(stream: Stream, sent: bytes) -> None:
        stream[1].write(sent[:30])
        for byte in sent[30:]:
            await asyncio.sleep(0.5)
            if stream[1].is_closing():
                return
            stream[1].write(bytes([byte]))

    async def be_deaf(stream: Stream) -> None:
        stream[0]._transport.pause_reading()  # type: ignore[attr-defined]
        stream[1].write(b"GET /metrics HTTP/1.1\r\nHost: service\r\n\r\n" * 500)

    async def ask() -> None:
        async with httpx.AsyncClient(base_url=service.client.base_url, trust_env=False) as client:
            for _ in range(20):
                before = time.monotonic()
                answer = await client.post("/predict", content=whole, headers=JSON)
                assert answer.status_code == 200
                waits.append(time.monotonic() - before)

    async def besiege() -> None:
        async with many(service, sum(ill.values())) as streams:
            kinds = iter(streams)
            silent, head, body, deaf = ([next(kinds) for _ in range(n)] for n in ill.values())
            head_drips = [asyncio.create_task(drip(s, post(whole))) for s in head]
            for stream in body:
                stream[1].write(post(whole)[: -len(whole)])
            body_drips = [asyncio.create_task(drip(s, whole)) for s in body]
            await asyncio.gather(*map(be_deaf, deaf))
            await until(lambda: service.connections() >= sum(ill.values()))
            await ask()
            await asyncio.gather(*map(cut_off, (*silent, *head, *body)))
            for task in (*head_drips, *body_drips):
                task.cancel()
            await until(lambda: service.connections() <= 1)  # our own

    asyncio.run(besiege())
    assert max(waits) < PROMPT_S
    assert service.counted("/predict") == {"200": 20, "499": ill["slow body"]}


async def until(condition: Callable[[], bool]) -> None:
    """Return once a condition holds."""
    async with asyncio.timeout(ARRIVAL_S + DEPARTURE_S):
        while not condition():
            await asyncio.sleep(0.1)


@pytest.mark.parametrize(
    ("sent", "part"),
    [
        (b"GET / HTTP/1.1\r\nX-Endless: ", b"x" * 8192),
        (b"GET / HTTP/1.1\r\n", b"X-Many: headers\r\n" * 500),
        (b"GET /", b"x" * 8192),
        (post(b"", length=10**9), b" " * 65_536),
    ],
    ids=["a header", "headers", "a path", "a body that was refused"],
)
def test_whoever_sends_without_end_is_cut_off(service, sent, part):
    async def send() -> None:
        _, writer = await service.connect()
        writer.write(sent)
        # The sockets' buffers hold more than the service takes.
        for _ in range(4 * MAX_REQUEST // len(part)):
            writer.write(part)
            await asyncio.wait_for(writer.drain(), ARRIVAL_S)

    with pytest.raises(ConnectionError):
        asyncio.run(send())
    assert service.client.get("/healthz").status_code == 200
