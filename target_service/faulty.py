"""Builds of the service with a fault made on purpose. For drills: nothing serves one unasked.

The service itself knows of no fault. Here its parts are wrapped, or exchanged for faulty ones.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections import Counter
from collections.abc import Iterable
from random import Random

from prometheus_client import CollectorRegistry
from prometheus_client.core import Metric
from prometheus_client.registry import Collector
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from target_service.app import create_app
from target_service.builds import USER_REQUESTS, Build
from target_service.clock import Clock
from target_service.feedback import Tokens
from target_service.flaws import flawed, metrics_class
from target_service.model import Model


class UserCounter(Collector):
    """Requests by who asked: a label that clients choose, so its series never end."""

    def __init__(self) -> None:
        self.requests: Counter[str] = Counter()

    def collect(self) -> Iterable[Metric]:
        """One series per user ever seen."""
        family = Metric(USER_REQUESTS.removesuffix("_total"), "Predictions by user.", "counter")
        for user, count in self.requests.items():
            family.add_sample(USER_REQUESTS, {"user": user}, count)
        return [family]


class Faults:
    """What a build does wrong to `/predict`; ASGI middleware, inside what counts requests."""

    def __init__(self, app: ASGIApp, build: Build, users: UserCounter, random: Random) -> None:
        self._app = app
        self._build = build
        self._users = users
        self._random = random

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer late, not at all right, or with a look at who asks."""
        if scope["type"] != "http" or scope["path"] != "/predict":
            await self._app(scope, receive, send)
            return
        await asyncio.sleep(self._build.delay)
        if self._random.random() < self._build.error_share:
            await _answer(send, 500, b'{"error":"internal server error"}')
            return
        await self._app(scope, self._watched(receive) if self._build.user_label else receive, send)

    def _watched(self, receive: Receive) -> Receive:
        """Count the request under a name made of its body: whoever sends the same is the same."""
        digest = hashlib.sha256()

        async def watch() -> Message:
            message = await receive()
            if message["type"] == "http.request":
                digest.update(message.get("body", b""))
                if not message.get("more_body", False):
                    self._users.requests[digest.hexdigest()[:12]] += 1
            return message

        return watch


def create_faulty_app(
    model: Model,
    build: Build,
    tokens: Tokens,
    app_name: str,
    registry: CollectorRegistry,
    lost_scrapes: float,
    random: Random,
    clock: Clock,
) -> Starlette:
    """The service as a build has it.

    Args:
        model: Its artifact.
        build: What is wrong.
        tokens: As for the sound service.
        app_name: As for the sound service.
        registry: Where everything that is exposed is registered.
        lost_scrapes: Share of the scrapes that fail.
        random: Chooses which requests and scrapes do.
        clock: As for the sound service.
    """
    scored = flawed(model, build)
    metrics = metrics_class(build)(scored, app_name, registry)
    app = create_app(scored, metrics, tokens, clock=clock)
    users = UserCounter()
    if build.user_label:
        registry.register(users)
    app.user_middleware.append(Middleware(Faults, build=build, users=users, random=random))
    app.user_middleware.insert(0, Middleware(LostScrapes, share=lost_scrapes, random=random))
    return app


class LostScrapes:
    """Some scrapes get no metrics; ASGI middleware, outside what counts requests."""

    def __init__(self, app: ASGIApp, share: float, random: Random) -> None:
        self._app = app
        self._share = share
        self._random = random

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer 503 to a share of the scrapes."""
        scraped = scope["type"] == "http" and scope["path"] == "/metrics"
        if scraped and self._random.random() < self._share:
            await _answer(send, 503, b'{"error":"lost on purpose"}')
            return
        await self._app(scope, receive, send)


async def _answer(send: Send, status: int, body: bytes) -> None:
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
