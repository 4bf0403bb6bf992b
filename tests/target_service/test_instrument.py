"""Three lines instrument a service that nobody here wrote."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import pytest
from exposition import samples, value
from fastapi import APIRouter, FastAPI, HTTPException
from hypothesis import given, settings
from hypothesis import strategies as st
from service_client import Client
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Mount, Route, WebSocketRoute
from starlette.types import ASGIApp, Receive, Scope, Send

from target_service.contract import Dataset
from target_service.http_metrics import HttpMetrics
from target_service.instrument import instrument, serve_metrics
from target_service.metrics import ModelMetrics
from target_service.model import Model


def shop() -> tuple[FastAPI, HttpMetrics]:
    app = FastAPI()
    metrics = HttpMetrics("shop")
    instrument(app, metrics)

    @app.get("/items/{item}")
    def item(item: int) -> dict[str, int]:
        if item > 100:
            raise HTTPException(404)
        return {"item": item}

    @app.get("/status/{code}")
    def status(code: int) -> Response:
        return Response(status_code=code)

    @app.post("/fails")
    def fails() -> None:
        raise RuntimeError

    users = APIRouter(prefix="/users")

    @users.get("/{name}/orders")
    @users.get("/{name}/baskets")
    def orders(name: str) -> str:
        return name

    app.include_router(users, prefix="/v1")
    return app, metrics


def count(metrics: HttpMetrics, **labels: str) -> float:
    return value(metrics, "http_request_count_total", app_name="shop", **labels)


def test_requests_to_a_fastapi_service_are_counted_by_their_templates() -> None:
    app, metrics = shop()
    client = Client(app)
    for path in ("/items/1", "/items/2", "/items/101", "/items/none", "/nowhere"):
        client.get(path)
    client.post("/items/1")
    client.post("/fails")
    client.get("/v1/users/ann/orders")
    client.get("/v1/users/bob/baskets")

    item = "/items/{item}"
    assert count(metrics, method="GET", endpoint=item, http_status="200") == 2
    assert count(metrics, method="GET", endpoint=item, http_status="404") == 1
    assert count(metrics, method="GET", endpoint=item, http_status="422") == 1
    assert count(metrics, method="unmatched", endpoint=item, http_status="405") == 1
    assert count(metrics, method="POST", endpoint="/fails", http_status="500") == 1
    assert count(metrics, method="unmatched", endpoint="unmatched", http_status="404") == 1
    for name in ("orders", "baskets"):
        endpoint = f"/v1/users/{{name}}/{name}"
        assert count(metrics, method="GET", endpoint=endpoint, http_status="200") == 1
    assert value(metrics, "http_request_latency_seconds_count", endpoint=item) == 5


def test_metrics_are_answered_in_both_formats_and_compressed() -> None:
    client = Client(shop()[0])
    text = client.get("/metrics", headers={"accept-encoding": "identity"})
    openmetrics = client.get("/metrics", headers={"accept": "application/openmetrics-text"})
    packed = client.get("/metrics", headers={"accept-encoding": "gzip"})

    assert text.headers["content-type"].startswith("text/plain; version=")
    assert 'endpoint="/fails",http_status="500",method="POST"} 0.0' in text.text
    assert openmetrics.text.endswith("# EOF\n")
    assert packed.headers["content-encoding"] == "gzip"
    assert packed.headers["vary"] == "Accept, Accept-Encoding"


def test_a_handler_counts_its_predictions_beside_the_requests(
    credit: Model, credit_data: Dataset
) -> None:
    app, metrics = FastAPI(), ModelMetrics(credit, "shop")
    instrument(app, metrics)

    @app.post("/score")
    def score() -> float:
        x = credit_data.x[:1]
        metrics.observe(x, scores := credit.score(x))
        return float(scores[0])

    client = Client(app)
    client.post("/score")

    assert value(metrics, "model_score_count") == 1
    assert count(metrics, method="POST", endpoint="/score", http_status="200") == 1
    endpoints = {dict(labels).get("endpoint") for _, labels in samples(metrics)}
    assert "/predict" not in endpoints


async def answer(request: Request) -> Response:
    return PlainTextResponse(request.url.path)


async def opaque(scope: Scope, receive: Receive, send: Send) -> None:
    await PlainTextResponse("opaque")(scope, receive, send)


class CopiesTheScope:
    """Middleware after which nobody outside sees what was routed to."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._app(dict(scope), receive, send)


@pytest.mark.parametrize("copied", [False, True])
def test_mounted_applications_are_counted_by_their_whole_templates(copied: bool) -> None:
    inner = Starlette(routes=[Route("/{name}", answer)])
    app = Starlette(
        routes=[
            Mount("/inner", inner),
            Mount("/opaque", opaque),
            Route("/same/{a}", answer),
            WebSocketRoute("/socket", answer),
        ]
    )
    metrics = HttpMetrics("shop")
    if copied:
        app.add_middleware(CopiesTheScope)
    instrument(app, metrics)
    client = Client(app)
    for path in ("/inner/a", "/inner/b", "/opaque/x/y", "/same/1", "/inner/a/b"):
        client.get(path)

    def seen(endpoint: str) -> float:
        return value(metrics, "http_request_latency_seconds_count", endpoint=endpoint)

    assert [seen(e) for e in ("/inner/{name}", "/opaque", "/same/{a}")] == [2, 1, 1]
    assert seen("unmatched") == 1


FUZZED, FUZZED_METRICS = shop()
FUZZED_CLIENT = Client(FUZZED)
for _code in (200, 404, 418, 500):
    FUZZED_CLIENT.get(f"/status/{_code}")

text = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=20)


@settings(max_examples=150, deadline=None)
@given(
    method=st.sampled_from(["GET", "POST", "PUT", "TRACE", "HEAD"])
    | st.from_regex(r"[A-Z]{3,12}", fullmatch=True),
    path=st.sampled_from(["/items/", "/v1/users/", "/", "//", "/metrics/"]).flatmap(
        lambda start: text.map(lambda rest: start + rest)
    ),
    headers=st.dictionaries(
        st.sampled_from(["x-user", "user-agent", "host", "accept", "cookie"]), text
    ),
)
def test_a_client_cannot_make_a_fastapi_service_grow_endpoints_or_methods(
    method: str, path: str, headers: dict[str, str]
) -> None:
    asyncio.run(ask(FUZZED, method, path, headers))
    labels = [dict(found) for _, found in samples(FUZZED_METRICS)]

    templates = {"/items/{item}", "/status/{code}", "/fails", "/metrics", "unmatched"}
    users = {f"/v1/users/{{name}}/{name}" for name in ("orders", "baskets")}
    docs = {"/docs", "/redoc", "/openapi.json", "/docs/oauth2-redirect"}
    assert {found["endpoint"] for found in labels} == templates | users | docs
    assert {f["method"] for f in labels if "method" in f} <= {"GET", "HEAD", "POST", "unmatched"}


async def ask(app: ASGIApp, method: str, path: str, headers: dict[str, str]) -> None:
    """A request as a server hands it on: whatever a client can put on the wire."""
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": method,
        "path": path,
        "raw_path": path.encode(),
        "root_path": "",
        "scheme": "http",
        "query_string": b"q=" + path.encode(),
        "headers": [(name.encode(), text.encode()) for name, text in headers.items()],
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 80),
    }

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(_message: Any) -> None:
        pass

    try:
        await app(scope, receive, send)
    except RuntimeError:
        assert path == "/fails"


def test_a_status_that_http_does_not_know_counts_as_the_first_of_its_kind() -> None:
    app, metrics = shop()
    client = Client(app)
    for code in (299, 499, 555, 599):
        client.get(f"/status/{code}")
    statuses = {dict(found).get("http_status") for _, found in samples(metrics)}

    assert statuses & {"299", "555", "599"} == set()
    for status, requests in (("200", 1), ("499", 1), ("500", 2)):
        found = count(metrics, method="GET", endpoint="/status/{code}", http_status=status)
        assert found == requests


def test_workers_take_the_ports_of_their_metrics_one_after_the_other() -> None:
    first = serve_metrics(HttpMetrics("one"), range(18_500, 18_600))
    second = serve_metrics(HttpMetrics("other"), range(18_500, 18_600))

    assert second > first
    for port, name in ((first, "one"), (second, "other")):
        answered = httpx.get(f"http://127.0.0.1:{port}/metrics", trust_env=False)
        assert answered.headers["content-encoding"] == "gzip"
        assert f'app_name="{name}"' in answered.text
    with pytest.raises(OSError, match="no free port for metrics"):
        serve_metrics(HttpMetrics("third"), [first, second])
