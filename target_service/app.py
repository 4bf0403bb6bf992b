"""The ASGI app: predictions, their outcomes, health, metrics."""

from __future__ import annotations

import time
from http import HTTPStatus
from typing import Any

import msgspec
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from target_service.body import RequestError, read_json
from target_service.clock import Clock, wall_clock
from target_service.exemplars import trace_id
from target_service.feedback import TokenError, Tokens
from target_service.http_metrics import CLIENT_CLOSED_REQUEST, KNOWN_RESPONSES
from target_service.instrument import HttpMiddleware, scrape_endpoint
from target_service.metrics import ModelMetrics
from target_service.model import Model
from target_service.openapi import openapi_document
from target_service.wire import (
    FeedbackAnswer,
    FeedbackRequest,
    Health,
    Prediction,
    Predictions,
    Problem,
    predict_request,
)


def create_app(
    model: Model,
    metrics: ModelMetrics | None,
    tokens: Tokens,
    *,
    expose: bool = True,
    exemplars: bool = False,
    clock: Clock = wall_clock,
) -> Starlette:
    """The service of one loaded model.

    The model is an argument, so an app that answers at all is ready.

    Args:
        model: What scores.
        metrics: What counts; None counts nothing, which shows what counting costs.
        tokens: What ties outcomes to predictions.
        expose: Whether /metrics answers scrapes; not where several workers share the port.
        exemplars: Whether requests with a `traceparent` are kept as examples of their score.
        clock: Says when a request came, where the reference goes by the hour.
    """
    service = _Service(model, metrics, tokens, exemplars, clock)
    app = Starlette(
        routes=[
            Route("/predict", service.predict, methods=["POST"]),
            Route("/feedback", service.feedback, methods=["POST"]),
            Route("/healthz", service.healthz),
            Route("/openapi.json", service.openapi),
        ],
        exception_handlers=dict.fromkeys(
            (RequestError, HTTPException, ClientDisconnect, Exception), _answer_error
        ),
    )
    if metrics:
        app.add_middleware(HttpMiddleware, metrics=metrics, responses=KNOWN_RESPONSES)
    if metrics and expose:
        app.add_route("/metrics", scrape_endpoint(metrics))
    # A redirect of /predict/ would be one more answer that clients have to handle.
    app.router.redirect_slashes = False
    return app


class _Service:
    def __init__(
        self,
        model: Model,
        metrics: ModelMetrics | None,
        tokens: Tokens,
        exemplars: bool,
        clock: Clock,
    ) -> None:
        self._clock = clock
        self._exemplars = exemplars
        self._model = model
        self._metrics = metrics
        self._tokens = tokens
        request_type = predict_request(model)
        self._rows: msgspec.json.Decoder[Any] = msgspec.json.Decoder(request_type)
        self._labels = msgspec.json.Decoder(FeedbackRequest)
        self._document = openapi_document(model, request_type)

    async def predict(self, request: Request) -> Response:
        body = await read_json(request, self._rows)
        x = self._model.schema.encode_values(map(msgspec.structs.astuple, body.rows))
        scores = self._model.score(x)
        if self._metrics:
            at = self._clock(request.headers) if self._metrics.seasonal else None
            one = len(scores) == 1
            observe = self._metrics.observe_row if one else self._metrics.observe
            observe(x, scores, at)
            if self._exemplars and (trace := trace_id(request.headers.get("traceparent", ""))):
                self._metrics.exemplify(float(scores[0]), trace, time.time())
        issue = self._tokens.issue
        segments = self._model.schema.segment_numbers(x).tolist()
        predictions = [
            Prediction(score, issue(score, segment))
            for score, segment in zip(scores.tolist(), segments, strict=True)
        ]
        return _json(Predictions(self._model.name, self._model.version, predictions))

    async def feedback(self, request: Request) -> Response:
        labels = (await read_json(request, self._labels)).labels
        try:
            truths = self._tokens.redeem(
                [label.token for label in labels], [label.outcome for label in labels]
            )
        except TokenError as error:
            raise RequestError(400, str(error), f"labels[{error.index}].token") from error
        if self._metrics:
            self._metrics.observe_labels(
                truths.scores, truths.outcomes, truths.segments, truths.duplicates
            )
        return _json(FeedbackAnswer(len(truths.scores), truths.duplicates))

    async def healthz(self, request: Request) -> Response:
        del request
        return _json(Health("ok", self._model.name, self._model.version))

    async def openapi(self, request: Request) -> Response:
        del request
        return Response(self._document, media_type="application/json")


def _json(answer: msgspec.Struct, status: int = 200) -> Response:
    return Response(msgspec.json.encode(answer), status, media_type="application/json")


async def _answer_error(request: Request, error: Exception) -> Response:
    """What a handler could not answer, as a `Problem`."""
    del request
    match error:
        case RequestError():
            return _json(Problem(str(error), error.field), error.status)
        case HTTPException():  # 404, and 405 with its Allow header
            problem = Problem(HTTPStatus(error.status_code).phrase.lower())
            answer = _json(problem, error.status_code)
            answer.headers.update(error.headers or {})
            return answer
        case ClientDisconnect():
            return Response(status_code=CLIENT_CLOSED_REQUEST)
        case _:  # the server logs it, and the client learns nothing of it
            return _json(Problem("internal server error"), 500)
