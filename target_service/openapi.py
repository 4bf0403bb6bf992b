"""The OpenAPI document, made of the very types that decode requests and encode answers."""

from __future__ import annotations

from typing import Any

import msgspec

from target_service.model import Model
from target_service.wire import (
    FeedbackAnswer,
    FeedbackRequest,
    Health,
    Predictions,
    Problem,
)

REFUSALS = {
    400: "The body is not JSON",
    413: "The body is too large",
    415: "The body is not declared as application/json",
    422: "The body is JSON, and not what this endpoint takes",
    500: "The service failed",
    503: "Too many requests are waiting",
}


def openapi_document(model: Model, predict_request: type[msgspec.Struct]) -> bytes:
    """OpenAPI 3.1 for a service of this model, encoded as JSON."""
    types = [predict_request, Predictions, FeedbackRequest, FeedbackAnswer, Health, Problem]
    refs, schemas = msgspec.json.schema_components(
        types, ref_template="#/components/schemas/{name}"
    )
    ref = dict(zip(types, refs, strict=True))

    def post(name: str, summary: str, body: type, answer: type, *, bad: str = "") -> Any:
        refused = {**REFUSALS, 400: REFUSALS[400] + bad}
        return {
            "post": {
                "operationId": name,
                "summary": summary,
                "requestBody": {"required": True, "content": _json(ref[body])},
                "responses": {
                    "200": {"description": "Done", "content": _json(ref[answer])},
                    **{
                        str(status): {"description": text, "content": _json(ref[Problem])}
                        for status, text in refused.items()
                    },
                },
            }
        }

    def get(name: str, summary: str, content: Any) -> Any:
        answer = {"description": "Done", "content": content}
        failed = {"description": REFUSALS[500], "content": _json(ref[Problem])}
        return {
            "get": {
                "operationId": name,
                "summary": summary,
                "responses": {"200": answer, "500": failed},
            }
        }

    text = {"schema": {"type": "string"}}
    forged = ", or a token was forged, has expired, or belongs to another model, version or key"
    document = {
        "openapi": "3.1.0",
        "info": {"title": f"Predictions of the model {model.name}", "version": model.version},
        "paths": {
            "/predict": post("predict", "Score rows", predict_request, Predictions),
            "/feedback": post(
                "feedback",
                "Tell what came true",
                FeedbackRequest,
                FeedbackAnswer,
                bad=forged,
            ),
            "/healthz": get("healthz", "Whether the model is loaded", _json(ref[Health])),
            "/metrics": get(
                "metrics",
                "Counters and the model's reference, for Prometheus",
                {"text/plain": text, "application/openmetrics-text": text},
            ),
            "/openapi.json": get(
                "openapi", "This document", _json({"type": "object", "required": ["openapi"]})
            ),
        },
        "components": {"schemas": schemas},
    }
    return msgspec.json.encode(document)


def _json(schema: Any) -> dict[str, Any]:
    return {"application/json": {"schema": schema}}
