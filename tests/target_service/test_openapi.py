"""The document is true: schemathesis makes valid and invalid requests of it and checks answers."""

from __future__ import annotations

import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis.checks import positive_data_acceptance
from service_client import Client

from target_service.app import create_app
from target_service.feedback import Tokens
from target_service.metrics import ModelMetrics
from target_service.model import Model
from target_service.training import train_named

# Not a fixture: schemathesis makes one test per operation while pytest collects.
MODEL = train_named("credit", "1.0.0")
APP = create_app(MODEL, ModelMetrics(MODEL, "app"), Tokens(b"key", MODEL.name, MODEL.version))
API = schemathesis.openapi.from_asgi("/openapi.json", APP)
LONG = settings.get_current_profile_name() == "long"


@API.parametrize()
@settings(
    max_examples=settings.default.max_examples if LONG else 30,
    deadline=None,
    derandomize=not LONG,
    suppress_health_check=list(HealthCheck),
)
def test_answers_are_those_that_the_document_promises(case: schemathesis.Case) -> None:
    # Only this service can make a token, so a made-up one is refused however well it is shaped.
    forged = [positive_data_acceptance] if case.path == "/feedback" else None
    case.call_and_validate(excluded_checks=forged)


def test_the_row_of_the_document_has_exactly_the_features_of_the_model(
    client: Client, credit: Model
) -> None:
    row = client.get("/openapi.json").json()["components"]["schemas"]["Row"]

    assert tuple(row["properties"]) == credit.schema.names
    assert tuple(row["required"]) == credit.schema.names
    assert row["additionalProperties"] is False
