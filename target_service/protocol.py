"""uvicorn's HTTP protocol, with the limits that it leaves to a proxy in front of it.

A client that sends slowly, or reads slowly, keeps nothing but its own connection, and that not for
long; one that sends without end is cut off; and the requests that wait for an answer are counted,
so that the app can refuse what it could not answer in time.
"""

from __future__ import annotations

import asyncio
from typing import Any

from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

from target_service.body import WAITING, Waiting

ARRIVAL_S = 10.0
"""Longest time from a connection, or a request's first byte, to the request's last."""

DEPARTURE_S = 10.0
"""Longest time for which a client may leave an answer unread that does not fit into the buffers."""

MAX_HEAD = 64 * 2**10
"""Bytes of request line and headers; browsers and servers send 8 KiB at most."""

MAX_REQUEST = 16 * 2**20
"""Bytes of a body, chunks' frames and trailers included, and of that of a request already refused:
a client that is cut off while it sends may never read why."""


class GuardedProtocol(HttpToolsProtocol):
    """One connection; uvicorn makes it."""

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        # One dictionary per server, which uvicorn copies into every request's scope.
        self._waiting: Waiting = app_state.setdefault(WAITING, Waiting())
        super().__init__(config, server_state, app_state, _loop)
        self._waits = False
        self._room = MAX_HEAD
        self._arriving = True
        self._arrival: asyncio.TimerHandle | None = None
        self._departure: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Wait for the first request."""
        super().connection_made(transport)
        self._expect_arrival()

    def connection_lost(self, exc: Exception | None) -> None:
        """Whoever is gone waits for nothing."""
        super().connection_lost(exc)
        self._wait(False)
        self._stop_expecting_arrival()
        self._stop_expecting_departure()

    # --- Reading ----------------------------------------------------------------------------------

    def data_received(self, data: bytes) -> None:
        """Take a part of a request, or of several."""
        self._room -= len(data)
        super().data_received(data)
        if self._room < 0:
            self.transport.abort()
        elif self._arriving and self._arrival is None:
            self._expect_arrival()

    def on_message_begin(self) -> None:
        """A request's first byte."""
        self._arriving, self._room = True, MAX_HEAD
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """The app learns of the request now."""
        self._room = MAX_REQUEST
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """A request has arrived whole; unless the app has refused it before, it waits now."""
        if not self.cycle.response_complete:
            self._wait(not self.flow.write_paused)
        self._arriving = False
        self._stop_expecting_arrival()
        super().on_message_complete()

    def _expect_arrival(self) -> None:
        self._arrival = self.loop.call_later(ARRIVAL_S, self._arrives_too_slowly)

    def _arrives_too_slowly(self) -> None:
        if self.flow.read_paused:  # by us, until an earlier request is answered
            self._expect_arrival()
        else:
            self.transport.abort()

    def _stop_expecting_arrival(self) -> None:
        if self._arrival is not None:
            self._arrival.cancel()
            self._arrival = None

    # --- Writing ----------------------------------------------------------------------------------

    def on_response_complete(self) -> None:
        """An answer has been handed over."""
        # The last of those that came after it may still be arriving.
        self._wait(len(self.pipeline) > self._arriving)
        super().on_response_complete()
        if self.transport.is_closing():
            self._expect_departure()

    def timeout_keep_alive_handler(self) -> None:
        """No further request came; what the client has not read yet it may still read."""
        super().timeout_keep_alive_handler()
        self._expect_departure()

    def pause_writing(self) -> None:
        """The buffers are full: the client does not read."""
        super().pause_writing()
        self._wait(False)
        self._expect_departure()

    def resume_writing(self) -> None:
        """It does."""
        super().resume_writing()
        self._stop_expecting_departure()

    def _wait(self, waits: bool) -> None:
        """One connection is one that waits, whatever else it has sent in advance."""
        if waits != self._waits:
            self._waits = waits
            self._waiting.count += 1 if waits else -1

    def _expect_departure(self) -> None:
        if self._departure is None:
            self._departure = self.loop.call_later(DEPARTURE_S, self.transport.abort)

    def _stop_expecting_departure(self) -> None:
        if self._departure is not None:
            self._departure.cancel()
            self._departure = None
