"""Metrics for any Starlette or FastAPI application.

    metrics = HttpMetrics("shop")
    instrument(app, metrics)

With `ModelMetrics(model, "shop")` in the first line, handlers count what they predict with
`metrics.observe(x, scores)`.
"""

from __future__ import annotations

import errno
import gzip
import re
from collections.abc import Awaitable, Iterable, Iterator, Mapping, Sequence
from time import perf_counter
from typing import Any, NamedTuple

from prometheus_client import start_http_server
from prometheus_client.exposition import gzip_accepted
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Mount, compile_path
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from target_service.contract import UNMATCHED
from target_service.http_metrics import NO_ROUTE, WAITING, HttpMetrics, Responses


def instrument(app: Starlette, metrics: HttpMetrics, path: str = "/metrics") -> None:
    """Count every request to an application, and answer scrapes of all metrics.

    Args:
        app: Has not answered a request yet. FastAPI's are Starlette's.
        metrics: What counts.
        path: Where to answer scrapes.
    """
    app.add_middleware(HttpMiddleware, metrics=metrics)
    app.add_route(path, scrape_endpoint(metrics), include_in_schema=False)


def scrape_endpoint(metrics: HttpMetrics) -> Any:
    """A handler that answers in Prometheus' text or OpenMetrics, compressed where that is taken."""

    async def answer(request: Request) -> Response:
        content, content_type = metrics.expose(request.headers.get("accept", ""))
        headers = {"Content-Type": content_type, "Vary": "Accept, Accept-Encoding"}
        if gzip_accepted(request.headers.get("accept-encoding", "")):
            # The lowest level: it shrinks label text by nine tenths in a fifth of the time.
            content = gzip.compress(content, compresslevel=1)
            headers["Content-Encoding"] = "gzip"
        return Response(content, headers=headers)

    return answer


def serve_metrics(metrics: HttpMetrics, ports: Iterable[int], host: str = "127.0.0.1") -> int:
    """Answer scrapes on the first free one of some ports, in a thread; the port.

    For one of several workers that share the application's port: a scrape of that one would reach
    any of them. Here each worker is a target of its own, and one that takes the place of another
    takes its port, so that Prometheus sees a restart.

    Raises:
        OSError: None of the ports is free.
    """
    for port in ports:
        try:
            start_http_server(port, addr=host, registry=metrics.registry)
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise
        else:
            return port
    raise OSError(errno.EADDRINUSE, f"no free port for metrics among {list(ports)}")


class _Route(NamedTuple):
    """A route as it is counted: its template, what matches it, the methods that it names."""

    template: str
    regex: re.Pattern[str]
    endpoint: Any
    methods: frozenset[str]


class HttpMiddleware:
    """Counts each request under its route's template.

    A client chooses its path and its method, so those that no route has share one label value.

    Args:
        app: What answers.
        metrics: What counts.
        responses: Whose series stand at 0 from the start, where more is known than the routes say.
    """

    def __init__(self, app: ASGIApp, metrics: HttpMetrics, responses: Responses = NO_ROUTE) -> None:
        self._app = app
        self._metrics = metrics
        self._responses = responses
        self._routes: list[_Route] | None = None
        self._templates: dict[int, str] = {}
        self._waiting: dict[int, Mapping[str, Mapping[int, list[float]]]] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer through the app; what it raises goes on to the server, counted as a 500."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        if self._routes is None:
            self._learn(scope["app"])
        status = 500
        began = perf_counter()

        # No coroutine of its own: the app awaits the server's.
        def watch(message: Message) -> Awaitable[None]:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            return send(message)

        try:
            await self._app(scope, receive, watch)
        except BaseException:
            status = 500
            raise
        finally:
            seconds = perf_counter() - began
            # Starlette leaves there what it routed to: no path is matched again.
            try:
                waiting = self._waiting[id(scope["endpoint"])][scope["method"]][status]
            except KeyError:
                self._metrics.observe_request(
                    scope["method"], self._template(scope), status, seconds
                )
            else:
                waiting.append(seconds)
                if len(waiting) >= WAITING:
                    self._metrics.count_answered()

    def _learn(self, app: Starlette) -> None:
        self._routes = list(_walk(app.routes, ""))
        endpoints = [id(route.endpoint) for route in self._routes]
        self._templates = {
            endpoint: route.template
            for endpoint, route in zip(endpoints, self._routes, strict=True)
            if endpoints.count(endpoint) == 1
        }
        self._metrics.know({**_responses(self._routes), **self._responses})
        self._waiting = {
            endpoint: self._metrics.waiting_at(template)
            for endpoint, template in self._templates.items()
        }

    def _template(self, scope: Scope) -> str:
        """The template of what a request was routed to, or of the first route that takes its path.

        The latter when nothing was routed to, when several routes share a handler, and when
        something between here and the router hands on a copy of the scope.
        """
        if known := self._templates.get(id(scope.get("endpoint"))):
            return known
        root = scope.get("app_root_path", scope.get("root_path", ""))
        path = scope["path"].removeprefix(root)
        return next((r.template for r in self._routes or () if r.regex.match(path)), UNMATCHED)


def _walk(routes: Sequence[Any], prefix: str) -> Iterator[_Route]:
    """Every route, those of mounted applications and of FastAPI's routers among them."""
    for route in routes:
        if hasattr(route, "effective_route_contexts"):  # a router that FastAPI has included
            contexts = route.effective_route_contexts()
            yield from _walk([context.starlette_route or context for context in contexts], prefix)
        elif isinstance(route, Mount) and route.routes:
            yield from _walk(route.routes, prefix + route.path)
        elif isinstance(route, Mount):
            template = prefix + route.path or "/"
            below = re.compile(re.escape(template.rstrip("/")) + "(/|$)")
            yield _Route(template, below, route.app, frozenset())
        elif hasattr(route, "methods"):  # a websocket's route has none
            template = prefix + route.path
            methods = frozenset(route.methods or ())
            yield _Route(template, compile_path(template)[0], route.endpoint, methods)


def _responses(routes: Sequence[_Route]) -> Responses:
    """What is known of an application before it answers: its routes, and that each may fail."""
    found: dict[str, dict[str, tuple[int, ...]]] = {}
    for route in routes:
        methods = found.setdefault(route.template, {})
        methods |= dict.fromkeys(sorted(route.methods), (200, 500))
    for methods in found.values():
        if methods:
            methods[UNMATCHED] = (405,)
    return {**found, **NO_ROUTE}
