"""The services that `instrumentation.py` holds against each other: one handler, counted four ways.

python benchmarks/http_services.py VARIANT PORT
"""

from __future__ import annotations

import sys

import uvicorn
from fastapi import FastAPI
from prometheus_client import CollectorRegistry
from prometheus_fastapi_instrumentator import Instrumentator
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette_exporter import PrometheusMiddleware

from target_service.http_metrics import HttpMetrics
from target_service.instrument import HttpMiddleware

ANSWER = b'{"score":0.5}'


async def predict(request: Request) -> Response:
    await request.body()
    return Response(ANSWER, media_type="application/json")


def starlette() -> Starlette:
    """The handler behind nothing."""
    return Starlette(routes=[Route("/predict", predict, methods=["POST"])])


def ours() -> Starlette:
    """With our middleware."""
    app = starlette()
    app.add_middleware(HttpMiddleware, metrics=HttpMetrics("benchmark"))
    return app


def starlette_exporter() -> Starlette:
    """With starlette_exporter's, which finds the route's template as ours does."""
    app = starlette()
    app.add_middleware(PrometheusMiddleware, app_name="benchmark", group_paths=True)
    return app


def fastapi() -> FastAPI:
    """The same handler in FastAPI."""
    app = FastAPI()
    app.add_route("/predict", predict, methods=["POST"])
    return app


def instrumentator() -> FastAPI:
    """With prometheus-fastapi-instrumentator as its page shows it."""
    app = fastapi()
    Instrumentator(registry=CollectorRegistry()).instrument(app)
    return app


VARIANTS = {
    make.__name__: make for make in (starlette, ours, starlette_exporter, fastapi, instrumentator)
}


if __name__ == "__main__":
    uvicorn.run(
        VARIANTS[sys.argv[1]](),
        port=int(sys.argv[2]),
        loop="uvloop",
        http="httptools",
        ws="none",
        lifespan="off",
        log_level="warning",
    )
