"""One row to a target before a drill: is it there, does it take our rows, is the score found?"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence

import httpx
import numpy as np

from driftdrill.exposition import ACCEPT, parse
from driftdrill.rig.errors import RigError, UsageError
from driftdrill.text import printable
from scenarios.exchange import DRILL_HEADER, Exchange
from scenarios.spec import Scenario
from scenarios.target import Target
from scenarios.worlds import population

TIMEOUT_S = 10.0
"""Until an answer has to be there, to its last byte."""

LARGEST = 20_000_000
"""Bytes of an answer that are read."""

SHOWN = 300
"""Characters of a body that are worth showing."""

_HINTS = {
    "CERTIFICATE_VERIFY_FAILED": "its certificate is refused, look at url and tls.ca",
    "CERTIFICATE_REQUIRED": "it asks for a certificate of ours, tls.certificate",
    "WRONG_VERSION_NUMBER": "it does not speak TLS, look at the https of url",
    "disconnected without": "it says nothing, look at the http of url",
}
"""What a failed connection says -> what may be done."""


def refuse_misfits(target: Target, scenarios: Sequence[Scenario], *, scraped: bool = True) -> None:
    """Ask a target for one prediction before it is drilled.

    Args:
        target: The target.
        scenarios: What it is to be drilled with.
        scraped: Whether a Prometheus of the drill's own reads its metrics.

    Raises:
        UsageError: A scenario is about other rows, or the target answered not as its file says.
        RigError: The target could not be reached, or failed.
    """
    for scenario in scenarios:
        if scenario.model != target.model:
            raise UsageError(
                f"{scenario.path}: it sends rows of {scenario.model}, and {target.path} takes those"
                f" of {target.model}: both have to name one model"
            )
        if scenario.is_operated:
            raise UsageError(
                f"{scenario.path}: it restarts, breaks or scans the service, or runs several of it,"
                f" which only the shipped one takes; {target.path} is another"
            )
        most = max(phase.operation.rows for phase in scenario.schedule.phases)
        if most > 1 and not target.predict.takes_many:
            raise UsageError(
                f"{target.path}: predict.request takes one row, and {scenario.path} sends up to"
                f" {most} in a request: use {{*rows}}, {{*matrix}} or {{*columns}}"
            )
    if scraped and target.metrics is None:
        raise UsageError(
            f"{target.path}: metrics: a drill without metrics sees nothing: say where they are, or"
            " name the --prometheus that knows"
        )
    for _ in probe(target, scraped=scraped):
        pass


def probe(target: Target, *, scraped: bool = True) -> Iterator[str]:
    """Ask for one prediction and for the metrics; says line by line what was sent and what came.

    Args:
        target: The target.
        scraped: Whether its metrics, where it has any, matter.

    Raises:
        UsageError: The target answered, but not as its file says; the file is to be changed.
        RigError: The target could not be reached, or failed.
    """
    world = population(target.model)
    rows = world.schema.decode(world.draw(np.random.default_rng(0), 1).x)
    exchange = Exchange(target, world.schema)
    url, body = target.url + target.predict.path, exchange.body(rows)
    with httpx.Client(
        verify=target.tls.context(),
        headers={"Content-Type": "application/json", **target.headers, DRILL_HEADER: "probe"},
        timeout=TIMEOUT_S,
        trust_env=False,
    ) as client:
        yield f"POST {url}  {_shown(body)}"
        answer = _ask(client, target, "POST", url, body)
        yield f"{answer.status_code} {answer.reason_phrase}  {_shown(answer.content)}".rstrip()
        _refuse_status(target, "predict.path", answer)
        try:
            score, token = exchange.read(answer.status_code, answer.content)
        except ValueError as error:
            keys = "predict.score" if target.predict.token is None else "predict.score or .token"
            raise UsageError(
                f"{target.path}: {keys} does not fit what {url} answers: {error}"
                f"{_below(answer.content)}"
            ) from error
        yield f"score {score}" + ("" if token is None else f", token {_shown(str(token).encode())}")
    if scraped and target.metrics is not None:
        yield _probe_metrics(target, target.metrics)


def _probe_metrics(target: Target, url: str) -> str:
    proof = {"Authorization": target.authorization} if target.authorization else {}
    headers = {"Accept": ACCEPT, **proof}
    with httpx.Client(
        verify=target.tls.context(),
        headers=headers,
        timeout=TIMEOUT_S,
        trust_env=False,
        follow_redirects=True,  # as Prometheus does
    ) as client:
        answer = _ask(client, target, "GET", url)
    _refuse_status(target, "metrics", answer)
    try:
        found = parse(answer.text, answer.headers.get("content-type", ""), url)
    except RigError as error:
        raise UsageError(
            f"{target.path}: metrics: Prometheus cannot read it: {error}{_below(answer.content)}"
        ) from error
    return f"GET {url}  {len(found.families)} metrics"


def _ask(
    client: httpx.Client, target: Target, method: str, url: str, body: bytes | None = None
) -> httpx.Response:
    until = time.monotonic() + TIMEOUT_S
    try:
        with client.stream(method, url, content=body) as answer:
            packed = _read(answer, until)
        return httpx.Response(
            answer.status_code, headers=answer.headers, content=packed, request=answer.request
        )
    except httpx.ReadTimeout as error:
        raise RigError(
            f"{target.path}: {url} has not answered to the end within {TIMEOUT_S:g} s"
        ) from error
    except httpx.DecodingError as error:
        raise UsageError(
            f"{target.path}: {url} answers what its Content-Encoding is not: {error}"
        ) from error
    except httpx.HTTPError as error:
        raise RigError(f"{target.path}: {url} cannot be reached: {_why(error)}") from error


def _read(answer: httpx.Response, until: float) -> bytes:
    """An answer's body as it was sent; an endless one is given up."""
    content = bytearray()
    for chunk in answer.iter_raw():
        content += chunk
        if len(content) > LARGEST or time.monotonic() > until:
            raise httpx.ReadTimeout("it goes on and on")
    return bytes(content)


def _why(error: httpx.HTTPError) -> str:
    said = str(error) or type(error).__name__
    return next((f"{hint}: {said}" for part, hint in _HINTS.items() if part in said), said)


def _refuse_status(target: Target, key: str, answer: httpx.Response) -> None:
    """Say what an answer without success means; `key` of the target's file led to it."""
    status = answer.status_code
    if answer.is_success:
        return
    said = f"{answer.url} answers {status} {answer.reason_phrase}{_below(answer.content)}"
    if status >= 500:
        raise RigError(f"{target.path}: {said}")
    if moved := answer.headers.get("location") if answer.is_redirect else None:
        hint = f"look at url and {key}: no redirect is followed, and this one leads to {moved}"
    else:
        hint = {
            401: "look at headers: what proves who we are is missing or wrong",
            403: "look at headers: we are known, but may not ask",
            404: f"look at url and {key}",
            405: f"look at url and {key}",
            400: "look at predict.request: the service does not take this body",
            422: "look at predict.request: the service does not take this body",
            429: "the service limits how often it is asked",
        }.get(status, "look at url and headers")
    raise UsageError(f"{target.path}: {hint}; {said}")


def _below(content: bytes) -> str:
    return f"\n  {_shown(content)}" if content else ""


def _shown(content: bytes) -> str:
    text = printable(content.decode(errors="replace"))
    return text if len(text) <= SHOWN else f"{text[:SHOWN]} … ({len(content)} bytes)"
