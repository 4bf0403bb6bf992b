"""From a request to a decoded body, or to an error that names what was wrong."""

from __future__ import annotations

import re
from typing import TypeVar

import msgspec
from starlette.requests import Request

MAX_BODY = 2_000_000
"""Bytes; 1000 rows take a fifth of it."""

MAX_WAITING = 512
"""Requests that may wait for their answers: of one row each they take 50 ms, of 1000 rows seconds.
One more is refused at once, which costs a tenth of answering it, so that the others are answered
in time and the service recovers as soon as the rush is over."""

WAITING = "waiting"
"""Where a request's `state` has the server's `Waiting`, if the server keeps one."""

LONGEST_MESSAGE = 200

T = TypeVar("T")

_AT = re.compile(r" - at `\$\.?(?P<path>.*)`$", re.DOTALL)
_NAMED = re.compile(
    r"^Object (?:missing required|contains unknown) field `(?P<name>.*)`$", re.DOTALL
)


class Waiting:
    """The clients of a server who sent a request, read what they get, and have no answer yet."""

    def __init__(self) -> None:
        self.count = 0


class RequestError(Exception):
    """A request that is answered with a 4xx.

    Attributes:
        status: The HTTP status.
        field: Path of the wrong part of the body, such as `rows[3].income`; None for the whole.
    """

    def __init__(self, status: int, error: str, field: str | None = None) -> None:
        super().__init__(error)
        self.status = status
        self.field = field


async def read_json(request: Request, decoder: msgspec.json.Decoder[T]) -> T:
    """The decoded body of a request.

    Raises:
        RequestError: 503 where too many wait, 415 for another content type, 413 for a body over
            `MAX_BODY`, 400 for one that is not JSON, 422 for JSON of another shape.
    """
    waiting: Waiting | None = request.scope.get("state", {}).get(WAITING)
    if waiting is not None and waiting.count > MAX_WAITING:
        raise RequestError(503, "too many requests are waiting; try again")
    content_type = request.headers.get("content-type", "")
    if content_type.partition(";")[0].strip().lower() != "application/json":
        raise RequestError(415, "expected content-type: application/json")
    body = await _read(request)
    try:
        return decoder.decode(body)
    except msgspec.ValidationError as error:
        raise invalid(str(error)) from error
    except UnicodeDecodeError as error:
        raise RequestError(400, "the body is not UTF-8") from error
    except msgspec.DecodeError as error:
        raise RequestError(400, str(error)) from error


async def _read(request: Request) -> bytes:
    """The body, counted as it comes: a chunked one does not declare its length."""
    size = 0
    chunks = []
    async for chunk in request.stream():
        size += len(chunk)
        if size > MAX_BODY:
            raise RequestError(413, f"expected a body of at most {MAX_BODY} bytes")
        chunks.append(chunk)
    return b"".join(chunks)


def invalid(message: str) -> RequestError:
    """A 422 with the field apart from msgspec's message.

    >>> invalid("Object missing required field `age` - at `$.rows[3]`").field
    'rows[3].age'
    """
    at = _AT.search(message)
    path = at["path"] if at else ""
    error = message[: at.start()] if at else message
    named = _NAMED.match(error)
    if named:
        path = f"{path}.{named['name']}" if path else named["name"]
    return RequestError(422, error[:LONGEST_MESSAGE], path[:LONGEST_MESSAGE] or None)
