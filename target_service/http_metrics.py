"""HTTP metrics as ASGI middleware: one count and one latency per request."""

from __future__ import annotations

from time import perf_counter

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from target_service.contract import UNMATCHED
from target_service.metrics import KNOWN_RESPONSES, ModelMetrics


class HttpMetrics:
    """Counts each request under its route, whose paths here are their own templates.

    A client chooses its path and its method, so those that no route has share one label value.
    """

    def __init__(self, app: ASGIApp, metrics: ModelMetrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer through the app; what it raises goes on to the server, counted as a 500."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        status = 500
        began = perf_counter()

        async def watch(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, watch)
        except BaseException:
            status = 500
            raise
        finally:
            endpoint = scope["path"] if scope["path"] in KNOWN_RESPONSES else UNMATCHED
            method = scope["method"] if scope["method"] in KNOWN_RESPONSES[endpoint] else UNMATCHED
            self._metrics.observe_request(method, endpoint, status, perf_counter() - began)
