"""One row to a target before a drill: is it there, does it take our rows, is the score found?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

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
SHOWN = 300
"""Characters of a body that are worth showing."""


def refuse_misfits(target: Target, scenarios: Sequence[Scenario]) -> None:
    """Ask a target for one prediction before it is drilled.

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
    for _ in probe(target):
        pass


def probe(target: Target) -> Iterator[str]:
    """Ask for one prediction and for the metrics; says line by line what was sent and what came.

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
        headers={**target.headers, DRILL_HEADER: "probe"},
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
            raise UsageError(
                f"{target.path}: predict.score or predict.token does not fit what {url} answers:"
                f" {error}{_below(answer.content)}"
            ) from error
        yield f"score {score}" + ("" if token is None else f", token {_shown(str(token).encode())}")
    yield _probe_metrics(target)


def _probe_metrics(target: Target) -> str:
    proof = {"Authorization": target.authorization} if target.authorization else {}
    headers = {"Accept": ACCEPT, **proof}
    with httpx.Client(
        verify=target.tls.context(),
        headers=headers,
        timeout=TIMEOUT_S,
        trust_env=False,
        follow_redirects=True,  # as Prometheus does
    ) as client:
        answer = _ask(client, target, "GET", target.metrics)
    _refuse_status(target, "metrics", answer)
    try:
        found = parse(answer.text, answer.headers.get("content-type", ""), target.metrics)
    except RigError as error:
        raise UsageError(
            f"{target.path}: metrics: Prometheus cannot read it: {error}{_below(answer.content)}"
        ) from error
    return f"GET {target.metrics}  {len(found.families)} metrics"


def _ask(
    client: httpx.Client, target: Target, method: str, url: str, body: bytes | None = None
) -> httpx.Response:
    headers: Mapping[str, Any] = {"Content-Type": "application/json"} if body else {}
    try:
        return client.request(method, url, content=body, headers=headers)
    except httpx.ReadTimeout as error:
        raise RigError(f"{target.path}: {url} does not answer within {TIMEOUT_S:g} s") from error
    except httpx.HTTPError as error:
        why = str(error) or type(error).__name__
        raise RigError(f"{target.path}: {url} cannot be reached: {why}") from error


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
