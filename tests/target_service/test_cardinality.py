"""Nothing that a client sends makes a series: paths, methods, headers, categories, tokens."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from service_client import Client

from target_service.app import create_app
from target_service.contract import Dataset
from target_service.feedback import Tokens
from target_service.metrics import ModelMetrics
from target_service.model import Model

# One service for all examples: what one of them left behind would be there for the next.
SHARED = settings(
    max_examples=80,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)

printable = st.text(st.characters(min_codepoint=33, max_codepoint=126), max_size=30)
anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=6,
)


def series(metrics: ModelMetrics) -> set[tuple[str, frozenset[tuple[str, str]]]]:
    return {
        (sample.name, frozenset(sample.labels.items()))
        for family in metrics.collect()
        for sample in family.samples
    }


@pytest.fixture(scope="module")
def service(credit: Model) -> tuple[Client, ModelMetrics]:
    metrics = ModelMetrics(credit, "credit-service")
    tokens = Tokens(b"a key of the tests", credit.name, credit.version)
    return Client(create_app(credit, metrics, tokens, exemplars=True)), metrics


@SHARED
@given(
    method=st.sampled_from(["GET", "POST", "PUT", "DELETE", "OPTIONS", "HEAD"])
    | st.from_regex(r"[A-Z]{1,20}", fullmatch=True),
    path=st.sampled_from(["/predict", "/feedback", "/metrics", "/healthz", "/predict/"])
    | printable.map(lambda text: "/" + text),
    headers=st.dictionaries(
        st.sampled_from(["x-user-id", "user-agent", "accept", "traceparent", "content-type"]),
        printable,
    ),
    body=anything,
)
def test_requests_of_any_kind_leave_the_series_as_they_were(
    service: tuple[Client, ModelMetrics],
    method: str,
    path: str,
    headers: dict[str, str],
    body: Any,
) -> None:
    client, metrics = service
    before = series(metrics)
    client.request(method, path, headers=headers, content=json.dumps(body).encode())

    assert series(metrics) == before


@SHARED
@given(
    category=st.text(max_size=64),
    model=st.text(max_size=20),
    version=st.text(max_size=20),
    age=st.floats(-1e15, 1e15),
)
def test_categories_values_and_foreign_tokens_leave_the_series_as_they_were(
    service: tuple[Client, ModelMetrics],
    credit_data: Dataset,
    category: str,
    model: str,
    version: str,
    age: float,
) -> None:
    client, metrics = service
    before = series(metrics)
    (row,) = credit_data.schema.decode(credit_data.x[:1])
    client.post("/predict", json={"rows": [row | {"home": category, "age": age}]})
    token = Tokens(b"a key of the tests", model, version).issue(0.5, 0)
    told = client.post("/feedback", json={"labels": [{"token": token, "outcome": 1}]})

    assert told.status_code == 400
    assert series(metrics) == before
