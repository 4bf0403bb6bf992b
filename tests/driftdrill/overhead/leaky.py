"""A service that makes the mistakes that `overhead` is to find: one label too many, by name.

    python leaky.py PORT {user,path,none}
"""

import sys

import uvicorn
from prometheus_client import CollectorRegistry, Counter, Histogram
from prometheus_client.exposition import generate_latest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route


def create_app(leak: str) -> Starlette:
    registry = CollectorRegistry()
    labels = {"user": ["user_id"], "path": ["path"], "none": []}[leak]
    predictions = Counter("predictions", "Predictions.", labels, registry=registry)
    seconds = Histogram("prediction_seconds", "Time of a prediction.", registry=registry)

    def count(request: Request) -> None:
        chosen = {"user_id": request.headers["x-user-id"], "path": request.url.path}
        counter = predictions.labels(*(chosen[label] for label in labels)) if labels else predictions
        counter.inc()
        seconds.observe(0.002)

    async def predict(request: Request) -> Response:
        await request.body()
        count(request)
        return PlainTextResponse("0.5")

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
    uvicorn.run(create_app(sys.argv[2]), port=int(sys.argv[1]), access_log=False)
