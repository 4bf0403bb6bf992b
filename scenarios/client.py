"""A client of the service under drill, whose requests Locust counts.

Thinner than Locust's own, which takes the URL apart, merges headers and looks for redirects and
cookies anew for each request. A drill's requests all go to one address, follow nobody to another,
and keep no cookies: each is somebody else's.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import NamedTuple

from geventhttpclient import HTTPClient
from geventhttpclient.url import URL
from geventhttpclient.useragent import CompatResponse
from locust.contrib.fasthttp import FAILURE_EXCEPTIONS
from locust.env import Environment

from scenarios.endpoint import Tls

LIMIT_S = 60.0
"""Longest wait for a connection, and for each part of an answer, as with Locust's own clients."""

_ACCEPTED = {"Accept-Encoding": "gzip, deflate, br"}


class Answer(NamedTuple):
    """What came back.

    Attributes:
        status: Of HTTP; 0 where no answer came.
        content: The body, unpacked.
        took_ms: Real milliseconds from the request to the end of its answer.
    """

    status: int
    content: bytes
    took_ms: float


class Client:
    """One user's connection to a server, kept for as long as the server keeps it.

    Args:
        url: The server's base URL.
        headers: Sent with every request.
    """

    def __init__(
        self, environment: Environment, url: str, headers: Mapping[str, str], tls: Tls
    ) -> None:
        self._fire: Callable[..., None] = environment.events.request.fire
        self._url = url
        self._http = HTTPClient.from_url(
            url,
            headers={**_ACCEPTED, **headers},
            connection_timeout=LIMIT_S,
            network_timeout=LIMIT_S,
            insecure=not tls.verify,
            # It is offered authorities to trust, which are not those that the target names.
            ssl_context_factory=lambda cafile: tls.context(),  # noqa: ARG005
        )

    def ask(self, method: str, path: str, body: bytes, headers: Mapping[str, str]) -> Answer:
        """Send a request to a path below the base URL, and read its answer. `count` it then."""
        began = time.perf_counter()
        try:
            response = self._http.request(method, _request_uri(self._url, path), body, headers)
            status, content = response.get_code(), CompatResponse(response).content
        except FAILURE_EXCEPTIONS:
            status, content = 0, b""
        return Answer(status, content, (time.perf_counter() - began) * 1000)

    def count(self, method: str, name: str, answer: Answer, failure: Exception | None) -> None:
        """Enter a request in Locust's statistics, as failed where there is a reason."""
        self._fire(
            request_type=method,
            name=name,
            response_time=answer.took_ms,
            response_length=len(answer.content),
            exception=failure,
            context={},
        )


@lru_cache
def _request_uri(url: str, path: str) -> str:
    uri: str = URL(url + path).quoted_uri
    return uri
