"""HTTP requests as counters: how many, by route and status, and how long they took."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from http import HTTPStatus
from threading import Lock
from typing import TypeVar

import numpy as np
from prometheus_client import CollectorRegistry
from prometheus_client.core import Metric
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

from target_service.contract import HTTP_LATENCY, HTTP_REQUESTS, UNMATCHED
from target_service.counts import Counts
from target_service.families import add_histogram, counter_family

Responses = Mapping[str, Mapping[str, tuple[int, ...]]]
"""Per endpoint its methods, and the statuses that each is known to answer.

An endpoint without methods takes any of `METHODS`. `unmatched` is the endpoint of every path that
no route matches, and the method of every one that a route has not.
"""

CLIENT_CLOSED_REQUEST = 499
"""nginx's status for a client that left before its request was whole; nobody reads the answer."""

_POST = {"POST": (200, 400, 413, 415, 422, CLIENT_CLOSED_REQUEST, 500, 503), UNMATCHED: (405,)}
_GET = {"GET": (200, 500), "HEAD": (200, 500), UNMATCHED: (405,)}

NO_ROUTE: Responses = {UNMATCHED: {UNMATCHED: (404,)}}

KNOWN_RESPONSES: Responses = {
    "/predict": _POST,
    "/feedback": _POST,
    "/healthz": _GET,
    "/metrics": _GET,
    "/openapi.json": _GET,
    **NO_ROUTE,
}
"""What our own service answers.

Its series stand at 0 from the start: Prometheus' increase() does not see the event that makes a
series appear.
"""

METHODS = frozenset({"DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"})
"""Those that a route may take which names none."""

WAITING = 1024
"""So many requests of one kind, or rows of small requests, are counted together. On its own each
would call code and touch memory that a busy service has pushed out of the processor's caches since
the last one. A scrape that finds some waiting counts them first."""

_STATUSES = frozenset({*HTTPStatus, CLIENT_CLOSED_REQUEST})

LATENCY_EDGES = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


Waits = TypeVar("Waits", float, bytes)


def taken(waiting: list[Waits]) -> list[Waits]:
    """What has waited until now, taken out while other threads may add to it."""
    many = len(waiting)
    found = waiting[:many]
    del waiting[:many]
    return found


class HttpMetrics(Collector):
    """Requests and latencies of one service, as a Prometheus collector.

    Needs no HTTP and reads no clock, so a simulation counts with the very code that a service does.
    Safe to use from several threads. What is counted is bounded: endpoints and methods by the
    routes, statuses by HTTP.

    Args:
        app_name: The label of that name; None where something else counts the requests.
        registry: Where to register, beside other collectors; a registry of its own by default.
        responses: Whose series stand at 0 from the start.
    """

    def __init__(
        self,
        app_name: str | None,
        registry: CollectorRegistry | None = None,
        responses: Responses = NO_ROUTE,
    ) -> None:
        self._app_name = app_name
        self._lock = Lock()
        self.registry = CollectorRegistry() if registry is None else registry
        self.know(responses)
        self.registry.register(self)

    def know(self, responses: Responses) -> None:
        """Forget all requests that were counted, and have series for these, at 0."""
        with self._lock:
            self._methods = {e: frozenset(known) or METHODS for e, known in responses.items()}
            self._latency = {endpoint: Counts(LATENCY_EDGES) for endpoint in responses}
            self._requests: dict[tuple[str, str, int], int] = {
                (method, endpoint, status): 0
                for endpoint, methods in responses.items()
                for method, statuses in methods.items()
                for status in statuses
            }
            self._seconds_waiting: dict[tuple[str, str, int], list[float]] = {
                request: [] for request in self._requests
            }
            # The same lists again: three look-ups by one key take a third of one by all three.
            self._waiting_at: dict[str, dict[str, dict[int, list[float]]]] = {}
            for (method, endpoint, status), waiting in self._seconds_waiting.items():
                by_method = self._waiting_at.setdefault(endpoint, {})
                by_method.setdefault(method, {})[status] = waiting

    def observe_request(self, method: str, endpoint: str, status: int, seconds: float) -> None:
        """Count one request to one of the known endpoints.

        Raises:
            KeyError: It is not known.
        """
        try:
            waiting = self._waiting_at[endpoint][method][status]
        except KeyError:
            with self._lock:
                self._latency[endpoint].add(seconds)
                self._count_unforeseen(method, endpoint, status)
            return
        waiting.append(seconds)
        if len(waiting) >= WAITING:
            self.count_answered()

    def waiting_at(self, endpoint: str) -> Mapping[str, Mapping[int, list[float]]]:
        """By method and status, the seconds of requests to an endpoint that are not counted yet.

        Who adds to one, which is `observe_request` without the call, sees to `count_answered` when
        it is `WAITING` long. What was asked for before `know` leads nowhere.
        """
        return self._waiting_at.get(endpoint, {})

    def count_answered(self) -> None:
        """Count the requests that wait."""
        with self._lock:
            self._count_answered()

    def _count_answered(self) -> None:
        """Count what waits, while other threads may add to it."""
        for request, waiting in self._seconds_waiting.items():
            if waiting:
                seconds = np.array(taken(waiting))
                self._requests[request] += len(seconds)
                self._latency[request[1]].add_many(seconds)

    def _count_unforeseen(self, method: str, endpoint: str, status: int) -> None:
        """A client chooses its method, and may choose a status where a handler lets it.

        A status that HTTP does not know counts as the x00 of its kind, which RFC 9110 has clients
        take it for.
        """
        method = method if method in self._methods[endpoint] else UNMATCHED
        if status not in _STATUSES:
            status = status // 100 * 100 if 100 <= status < 600 else 500
        request = method, endpoint, int(status)
        self._requests[request] = self._requests.get(request, 0) + 1

    def expose(self, accept: str = "") -> tuple[bytes, str]:
        """Everything in the registry as an exposition, and its content type.

        Args:
            accept: An Accept header, which chooses between Prometheus' text and OpenMetrics.
        """
        encode, content_type = choose_encoder(accept)
        return encode(self.registry), content_type

    def collect(self) -> Iterable[Metric]:
        """One consistent state of all series."""
        with self._lock:
            return self._http()

    def _http(self) -> list[Metric]:
        self._count_answered()
        if self._app_name is None:
            return []
        app = {"app_name": self._app_name}
        requests = counter_family(HTTP_REQUESTS, "HTTP requests answered.")
        for (method, endpoint, status), count in self._requests.items():
            named = {"method": method, "endpoint": endpoint, "http_status": str(status)}
            requests.add_sample(HTTP_REQUESTS, app | named, count)
        latency = Metric(HTTP_LATENCY, "Time from request to the end of its answer.", "histogram")
        for endpoint, counts in self._latency.items():
            add_histogram(latency, app | {"endpoint": endpoint}, counts)
        return [requests, latency]
