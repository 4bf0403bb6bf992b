"""Requests at a constant rate, each of them numbered.

Locust drives the drills. Here two services take turns within a second, and every request is to
come from somebody else: a plain loop over kept connections does both, and leaves the processors to
what is measured.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from itertools import count
from urllib.parse import urlsplit

import httptools

CONNECTIONS = 16
"""Requests under way at once."""

_ANSWER_LIMIT_S = 10.0
_READ = 65_536

MakeRequest = Callable[[int], bytes]
"""The number of a request -> what is sent for it, head and body."""


@dataclass(frozen=True)
class Sent:
    """What became of some traffic.

    Attributes:
        requests: How many were answered.
        failed: How many were not, or with a status of 500 and more.
        seconds: From the first to the last.
        latencies: Seconds of each answer since its request was due, in the order they came.
    """

    requests: int
    failed: int
    seconds: float
    latencies: tuple[float, ...]


class Load:
    """Sends to one service; its requests are numbered from 0 on over all calls.

    Args:
        url: Any URL of the service; its scheme, host and port are used.
        make: Makes each request.
        tls: Whom to trust, where the scheme is https.
    """

    def __init__(self, url: str, make: MakeRequest, tls: ssl.SSLContext | None = None) -> None:
        parts = urlsplit(url)
        self._host = parts.hostname or ""
        self._tls = tls if parts.scheme == "https" else None
        self._port = parts.port or (443 if self._tls else 80)
        self._make = make
        self._numbers = count()

    def send(self, rate: float, seconds: float) -> Sent:
        """Send `rate` requests/s for some seconds, evenly spaced on an absolute schedule."""
        return asyncio.run(self._send(rate, seconds))

    async def _send(self, rate: float, seconds: float) -> Sent:
        clock = asyncio.get_running_loop().time
        began, due = clock(), iter(range(max(round(rate * seconds), 1)))
        failed = 0
        latencies: list[float] = []

        async def user() -> None:
            nonlocal failed
            connection: _Connection | None = None
            status: int | None
            for turn in due:
                await asyncio.sleep(began + turn / rate - clock())
                try:
                    connection = connection or await _Connection.open(
                        self._host, self._port, self._tls
                    )
                    status = await connection.ask(self._make(next(self._numbers)))
                    latencies.append(clock() - began - turn / rate)
                    failed += status >= 500
                except (OSError, EOFError, httptools.HttpParserError):
                    failed += 1
                    status = None
                if connection and (status is None or not connection.kept):
                    connection.close()
                    connection = None
            if connection:
                connection.close()

        users = min(CONNECTIONS, max(round(rate * seconds), 1))
        await asyncio.gather(*(user() for _ in range(users)))
        # The last request's turn lasts as long as every other one's.
        await asyncio.sleep(began + seconds - clock())
        return Sent(len(latencies), failed, clock() - began, tuple(latencies))


class _Connection:
    """One kept connection, with one request under way at a time."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self.kept = True

    @classmethod
    async def open(cls, host: str, port: int, tls: ssl.SSLContext | None) -> _Connection:
        return cls(*await asyncio.open_connection(host, port, ssl=tls))

    async def ask(self, request: bytes) -> int:
        """Send a request and read its whole answer; the status."""
        async with asyncio.timeout(_ANSWER_LIMIT_S):
            self._writer.write(request)
            answer = _Answer()
            while answer.status is None:
                data = await self._reader.read(_READ)
                if not data:
                    raise EOFError("the service closed the connection")
                answer.parser.feed_data(data)
        self.kept = answer.kept
        return answer.status

    def close(self) -> None:
        with closing(self._writer):
            pass


class _Answer:
    """What httptools calls; it knows no more of an answer once that is whole."""

    def __init__(self) -> None:
        self.parser = httptools.HttpResponseParser(self)
        self.status: int | None = None
        self.kept = True

    def on_message_complete(self) -> None:
        self.status = int(self.parser.get_status_code())
        self.kept = bool(self.parser.should_keep_alive())
