"""A service with the labels that `overhead` is to find: the user, and the path as it was asked.

python leaky.py PORT
"""

import sys

import uvicorn
from prometheus_client import CollectorRegistry, Counter, Histogram
from prometheus_client.exposition import generate_latest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route


def create_app() -> Starlette:
    registry = CollectorRegistry()
    by_user = Counter("predictions", "Predictions.", ["user_id"], registry=registry)
    by_path = Counter("requests", "Requests.", ["path"], registry=registry)
    seconds = Histogram("prediction_seconds", "Time of a prediction.", registry=registry)

    def count(request: Request) -> None:
        by_user.labels(request.headers.get("x-user-id", "")).inc()
        by_path.labels(request.url.path).inc()
        seconds.observe(0.002)

    async def predict(request: Request) -> Response:
        await request.body()
        count(request)
        return PlainTextResponse('{"score": 0.5}')

    async def metrics(request: Request) -> Response:
        del request
        return Response(generate_latest(registry), media_type="text/plain; version=0.0.4")

    async def anything(request: Request) -> Response:
        count(request)
        return PlainTextResponse("", 404)

    return Starlette(
        routes=[
            Route("/predict", predict, methods=["POST"]),
            Route("/metrics", metrics),
            Route("/{path:path}", anything),
        ]
    )


if __name__ == "__main__":
    uvicorn.run(create_app(), port=int(sys.argv[1]), access_log=False)
