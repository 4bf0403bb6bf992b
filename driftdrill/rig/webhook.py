"""The receiver of Alertmanager's notifications."""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Mapping
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Literal, Self

import msgspec

_MAX_BODY = 4 * 2**20
_MAX_DIGITS = 10
_READ_TIMEOUT_S = 10


class Notification(msgspec.Struct, frozen=True):
    """An alert's arrival at the receiver; times are Unix seconds.

    Attributes:
        alert: Its name.
        labels: Its other labels, with those that Prometheus added on the way.
        starts_at: When it began to fire, as Prometheus told Alertmanager.
        received_at: When the first notification of this status arrived here.
        status: What the notification said.
    """

    alert: str
    labels: Mapping[str, str]
    starts_at: float
    received_at: float
    status: Literal["firing", "resolved"]


class _Alert(msgspec.Struct):
    status: Literal["firing", "resolved"]
    labels: dict[str, str]
    starts_at: datetime = msgspec.field(name="startsAt")


class _Post(msgspec.Struct):
    """What we read of Alertmanager's webhook payload, version 4."""

    alerts: list[_Alert]


class NotificationReceiver:
    """A webhook on a free loopback port, from `__enter__` to `__exit__`.

    Alertmanager repeats itself; only the first notification of each alert instance, start and
    status is kept. Only Alertmanager is told its path, so that nobody else can claim a delivery.
    """

    def __init__(self) -> None:
        self._seen: dict[tuple[frozenset[tuple[str, str]], float, str], Notification] = {}
        self._lock = threading.Lock()
        self._path = f"/{secrets.token_urlsafe()}"
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))

    @property
    def url(self) -> str:
        """Where Alertmanager is to post."""
        return f"http://127.0.0.1:{self._server.server_port}{self._path}"

    def notifications(self) -> tuple[Notification, ...]:
        """What has arrived so far, in order of arrival."""
        with self._lock:
            return tuple(self._seen.values())

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def _record(self, post: _Post) -> None:
        now = time.time()
        with self._lock:
            for alert in post.alerts:
                start = alert.starts_at.timestamp()
                key = (frozenset(alert.labels.items()), start, alert.status)
                labels = {k: v for k, v in alert.labels.items() if k != "alertname"}
                name = alert.labels.get("alertname", "")
                self._seen.setdefault(key, Notification(name, labels, start, now, alert.status))

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        record, secret = self._record, self._path.encode()

        class Handler(BaseHTTPRequestHandler):
            timeout = _READ_TIMEOUT_S

            def do_POST(self) -> None:
                length = self.headers.get("Content-Length", "")
                if not secrets.compare_digest(self.path.encode(errors="replace"), secret):
                    self.send_error(404)
                elif not length.isdecimal():
                    self.send_error(411)
                elif len(length) > _MAX_DIGITS or int(length) > _MAX_BODY:
                    self.send_error(413)
                else:
                    self._take(self.rfile.read(int(length)))

            def _take(self, body: bytes) -> None:
                try:
                    record(msgspec.json.decode(body, type=_Post))
                except (msgspec.DecodeError, ValueError) as error:
                    self.send_error(400, explain=str(error))
                else:
                    self.send_response(204)
                    self.end_headers()

            def log_message(self, *_: object) -> None:
                """Keep the terminal to the drill."""

        return Handler
