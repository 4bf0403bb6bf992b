"""Traces as examples of scores: off unless asked for, one per bucket, and never a series."""

from __future__ import annotations

from typing import Any

import pytest
from exposition import samples
from prometheus_client.openmetrics.parser import text_string_to_metric_families as openmetrics
from prometheus_client.samples import Exemplar
from service_client import Client

from target_service.app import create_app
from target_service.contract import Dataset
from target_service.exemplars import Exemplars
from target_service.feedback import Tokens
from target_service.metrics import ModelMetrics
from target_service.model import Model

TRACE = "0af7651916cd43dd8448eb211c80319c"


def exposed(metrics: ModelMetrics) -> list[Exemplar]:
    content, _type = metrics.expose("application/openmetrics-text")
    return [
        sample.exemplar
        for family in openmetrics(content.decode())
        for sample in family.samples
        if sample.exemplar
    ]


@pytest.fixture
def row(credit_data: Dataset) -> dict[str, Any]:
    return credit_data.schema.decode(credit_data.x[:1])[0]


@pytest.mark.parametrize("asked", [False, True])
def test_a_traced_request_is_an_example_of_its_bucket_only_where_that_is_asked_for(
    credit: Model, metrics: ModelMetrics, tokens: Tokens, row: dict[str, Any], asked: bool
) -> None:
    client = Client(create_app(credit, metrics, tokens, exemplars=asked))
    before = samples(metrics).keys()
    traced = {"traceparent": f"00-{TRACE}-b7ad6b7169203331-01"}
    score = client.post("/predict", json={"rows": [row]}, headers=traced).json()["predictions"][0]
    found = exposed(metrics)

    assert [exemplar.labels for exemplar in found] == [{"trace_id": TRACE}] * asked
    assert [exemplar.value for exemplar in found] == [score["score"]] * asked
    assert samples(metrics).keys() == before


@pytest.mark.parametrize("header", ["", "ann@example.org", f"00-{TRACE}", "00-" + "g" * 32 + "-x"])
def test_what_is_no_trace_is_not_kept(
    credit: Model, metrics: ModelMetrics, tokens: Tokens, row: dict[str, Any], header: str
) -> None:
    client = Client(create_app(credit, metrics, tokens, exemplars=True))
    client.post("/predict", json={"rows": [row]}, headers={"traceparent": header})

    assert exposed(metrics) == []


def test_a_bucket_takes_one_example_a_second_and_others_their_own() -> None:
    exemplars = Exemplars((0.5,))
    for value, trace, now in ((0.5, "a", 10.0), (0.4, "b", 10.9), (0.6, "c", 10.9)):
        exemplars.offer(value, trace, now)
    first = [kept and kept.labels["trace_id"] for kept in exemplars.kept]
    exemplars.offer(0.1, "d", 11.0)

    assert first == ["a", "c"]
    assert [kept and kept.labels["trace_id"] for kept in exemplars.kept] == ["d", "c"]
