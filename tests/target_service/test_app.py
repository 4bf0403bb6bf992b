from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest
from exposition import samples, select, value
from service_client import Client

from target_service.app import create_app
from target_service.body import MAX_BODY
from target_service.contract import Dataset
from target_service.feedback import Tokens
from target_service.http_metrics import KNOWN_RESPONSES
from target_service.metrics import ModelMetrics
from target_service.model import Model

JSON = {"content-type": "application/json"}


@pytest.fixture
def row(credit_data: Dataset) -> dict[str, Any]:
    return credit_data.schema.decode(credit_data.x[:1])[0]


def predict(client: Client, *rows: object) -> Any:
    return client.post("/predict", json={"rows": rows})


def test_one_row_and_many_are_answered_in_one_shape(
    client: Client, credit: Model, credit_data: Dataset
) -> None:
    rows = credit_data.schema.decode(credit_data.x[:3])
    one, many = predict(client, rows[0]).json(), predict(client, *rows).json()

    assert (many["model"], many["version"]) == ("credit", "1.0.0")
    assert one.keys() == many.keys()
    scores = [prediction["score"] for prediction in many["predictions"]]
    assert scores == pytest.approx(credit.score(credit_data.x[:3]).tolist(), abs=1e-12)
    assert one["predictions"][0]["score"] == pytest.approx(scores[0], abs=1e-12)


def test_a_prediction_is_counted_with_its_features(
    client: Client, metrics: ModelMetrics, row: dict[str, Any]
) -> None:
    predict(client, row, row | {"home": "houseboat", "payment_delay": None})

    assert value(metrics, "model_score_count") == 2
    assert value(metrics, "model_feature_sum", feature="age") == pytest.approx(2 * row["age"])
    assert value(metrics, "model_category_total", feature="home", category="other") == 1
    assert value(metrics, "model_feature_missing_total", feature="payment_delay") == 1


def test_an_outcome_told_with_its_token_is_counted_once(
    client: Client, metrics: ModelMetrics, row: dict[str, Any]
) -> None:
    token = predict(client, row).json()["predictions"][0]["token"]
    labels = {"labels": [{"token": token, "outcome": 1}]}

    assert client.post("/feedback", json=labels).json() == {"accepted": 1, "duplicates": 0}
    assert client.post("/feedback", json=labels).json() == {"accepted": 0, "duplicates": 1}
    assert value(metrics, "model_labelled_score_count", outcome="1") == 1


def test_a_forged_token_gets_400_names_its_index_and_counts_nowhere(
    client: Client, metrics: ModelMetrics, row: dict[str, Any]
) -> None:
    token = predict(client, row).json()["predictions"][0]["token"]
    before = model_samples(metrics)
    labels = [{"token": token, "outcome": 1}, {"token": token + "x", "outcome": 1}]
    answer = client.post("/feedback", json={"labels": labels})

    assert answer.status_code == 400
    assert answer.json()["field"] == "labels[1].token"
    assert model_samples(metrics) == before


def model_samples(metrics: ModelMetrics) -> dict[Any, float]:
    return {key: count for key, count in samples(metrics).items() if key[0].startswith("model_")}


BAD_VALUES = [
    ("a string", '"1"'),
    ("a boolean", "true"),
    ("null where a value is required", "null"),
    ("an array", "[1]"),
    ("an object", "{}"),
    ("a number out of range", "1e999"),
    ("an integer of 400 digits", "9" * 400),
    ("an integer of 30 digits", "9" * 30),
    ("an absurd number", "-1e300"),
]


@pytest.mark.parametrize(
    "literal", [text for _, text in BAD_VALUES], ids=[i for i, _ in BAD_VALUES]
)
def test_a_bad_value_gets_422_and_names_its_row_and_field(
    client: Client, metrics: ModelMetrics, row: dict[str, Any], literal: str
) -> None:
    before = model_samples(metrics)
    bad = json.dumps(row | {"income": "HERE"}).replace('"HERE"', literal)
    answer = client.post(
        "/predict", content=f'{{"rows": [{json.dumps(row)}, {bad}]}}', headers=JSON
    )

    assert answer.status_code == 422
    assert answer.json()["field"] == "rows[1].income"
    assert model_samples(metrics) == before


@pytest.mark.parametrize("home", [3, None, True, "x" * 65, ["own"]], ids=str)
def test_a_bad_category_gets_422_and_names_its_field(
    client: Client, row: dict[str, Any], home: object
) -> None:
    answer = predict(client, row | {"home": home})

    assert answer.status_code == 422
    assert answer.json()["field"] == "rows[0].home"


def test_a_missing_and_an_unknown_feature_get_422_and_are_named(
    client: Client, row: dict[str, Any]
) -> None:
    missing = predict(client, row, {name: v for name, v in row.items() if name != "age"})
    unknown = predict(client, row | {"shoe_size": 43})

    assert (missing.status_code, missing.json()["field"]) == (422, "rows[1].age")
    assert (unknown.status_code, unknown.json()["field"]) == (422, "rows[0].shoe_size")


def test_a_long_unknown_field_is_not_given_back_whole(client: Client) -> None:
    answer = client.post("/predict", json={"x" * 100_000: 1})

    assert answer.status_code == 422
    assert len(answer.content) < 1000


@pytest.mark.parametrize("count", [0, 1001])
def test_an_empty_and_an_oversized_batch_get_422(
    client: Client, row: dict[str, Any], count: int
) -> None:
    answer = predict(client, *[row] * count)

    assert answer.status_code == 422
    assert answer.json()["field"] == "rows"


def test_a_batch_of_1000_is_answered(client: Client, row: dict[str, Any]) -> None:
    assert len(predict(client, *[row] * 1000).json()["predictions"]) == 1000


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"rows",
        b'{"rows": [{"age": NaN}]}',
        b'{"rows": [{"age": -Infinity}]}',
        b'{"rows": [{"age": 1, "home": "\xff"}]}',
        b'{"rows": [{"\\ud800": 1}]}',
        b"\xef\xbb\xbf{}",
    ],
    ids=repr,
)
def test_a_body_that_is_not_json_gets_400(client: Client, content: bytes) -> None:
    answer = client.post("/predict", content=content, headers=JSON)

    assert answer.status_code == 400
    assert answer.json()["error"]


@pytest.mark.parametrize("start", [b"[", b'{"rows":', b'{"rows":[', b'{"rows":[{"age":', b'{"x":'])
def test_deep_nesting_gets_a_4xx(client: Client, start: bytes) -> None:
    answer = client.post("/predict", content=start + b"[" * 100_000, headers=JSON)

    assert answer.status_code in {400, 422}


def test_a_lone_surrogate_in_a_category_gets_a_4xx(client: Client, row: dict[str, Any]) -> None:
    content = json.dumps({"rows": [row | {"home": "\ud800"}]})
    answer = client.post("/predict", content=content, headers=JSON)

    assert answer.status_code == 400


def test_a_body_over_the_limit_gets_413_whether_or_not_it_declares_its_length(
    client: Client,
) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(MAX_BODY // 1000 + 1):
            yield b" " * 1000

    declared = client.post("/predict", content=b" " * (MAX_BODY + 1), headers=JSON)
    chunked = client.post("/predict", content=chunks(), headers=JSON)

    assert [declared.status_code, chunked.status_code] == [413, 413]


@pytest.mark.parametrize("content_type", [None, "text/plain", "application/jsonx", "a" * 1000])
def test_another_content_type_gets_415(client: Client, content_type: str | None) -> None:
    headers = {} if content_type is None else {"content-type": content_type}
    answer = client.post("/predict", content=b"{}", headers=headers)

    assert answer.status_code == 415
    assert "application/json" in answer.json()["error"]


def test_a_content_type_with_a_charset_is_taken(client: Client, row: dict[str, Any]) -> None:
    headers = {"content-type": "Application/JSON; charset=utf-8"}
    answer = client.post("/predict", content=json.dumps({"rows": [row]}), headers=headers)

    assert answer.status_code == 200


def test_a_wrong_method_gets_405_and_the_allowed_ones(client: Client) -> None:
    answer = client.get("/predict")

    assert (answer.status_code, answer.headers["allow"]) == (405, "POST")
    assert answer.json() == {"error": "method not allowed", "field": None}


@pytest.mark.parametrize("path", ["/", "/predict/", "/predict/1", "/%00", "/x" * 2000])
def test_an_unknown_path_gets_404_and_is_counted_as_unmatched(
    client: Client, metrics: ModelMetrics, path: str
) -> None:
    before = samples(metrics).keys()
    answer = client.get(path)

    assert (answer.status_code, answer.json()["error"]) == (404, "not found")
    assert samples(metrics).keys() == before
    assert value(metrics, "http_request_count_total", endpoint="unmatched") == 1


@pytest.mark.parametrize("method", ["BREW", "OPTIONS", "DELETE", "HEAD", "GET", "PUT", "TRACE"])
@pytest.mark.parametrize("path", ["/predict", "/healthz", "/metrics", "/nowhere"])
def test_no_method_makes_a_new_series(
    client: Client, metrics: ModelMetrics, method: str, path: str
) -> None:
    before = samples(metrics).keys()
    client.request(method, path)

    assert samples(metrics).keys() == before
    counted = [labels for labels, n in select(metrics, "http_request_count_total") if n]
    assert len(counted) == 1


def test_a_method_that_the_route_has_not_is_counted_as_unmatched(
    client: Client, metrics: ModelMetrics
) -> None:
    client.request("BREW", "/predict")
    client.request("STEEP", "/predict")

    found = select(metrics, "http_request_count_total", method="unmatched")
    assert [(labels["endpoint"], n) for labels, n in found if n] == [("/predict", 2)]


def test_health_names_model_and_version(client: Client) -> None:
    answer = client.get("/healthz")

    assert answer.status_code == 200
    assert answer.json() == {"status": "ok", "model": "credit", "version": "1.0.0"}


def test_metrics_are_compressed_when_asked_for(client: Client) -> None:
    plain = client.get("/metrics", headers={"accept-encoding": "identity"})
    packed = client.get("/metrics", headers={"accept-encoding": "gzip"})

    assert packed.headers["content-encoding"] == "gzip"
    assert "content-encoding" not in plain.headers
    assert int(packed.headers["content-length"]) < len(plain.content) / 5
    assert packed.text.startswith("# HELP")


def test_metrics_are_openmetrics_for_a_prometheus_that_asks_for_it(client: Client) -> None:
    answer = client.get("/metrics", headers={"accept": "application/openmetrics-text"})

    assert answer.headers["content-type"].startswith("application/openmetrics-text")
    assert answer.text.endswith("# EOF\n")


def test_requests_are_counted_by_status_and_timed(
    client: Client, metrics: ModelMetrics, row: dict[str, Any]
) -> None:
    predict(client, row)
    predict(client)

    requests = dict.fromkeys(["200", "422"], 1.0)
    for status, count in requests.items():
        found = value(metrics, "http_request_count_total", endpoint="/predict", http_status=status)
        assert found == count
    assert value(metrics, "http_request_latency_seconds_count", endpoint="/predict") == 2
    assert value(metrics, "http_request_latency_seconds_sum", endpoint="/predict") > 0


def test_a_failing_model_answers_500_without_its_reason_and_is_counted(
    credit: Model, tokens: Tokens, row: dict[str, Any]
) -> None:
    broken = msgspec.structs.replace(credit, terms=())
    metrics = ModelMetrics(broken, "app")
    answer = predict(Client(create_app(broken, metrics, tokens)), row)

    assert answer.status_code == 500
    assert answer.json() == {"error": "internal server error", "field": None}
    assert value(metrics, "http_request_count_total", endpoint="/predict", http_status="500") == 1


def test_a_client_that_leaves_in_the_middle_of_its_body_is_counted_as_499(
    credit: Model, metrics: ModelMetrics, tokens: Tokens
) -> None:
    messages = iter(
        [
            {"type": "http.request", "body": b'{"rows"', "more_body": True},
            {"type": "http.disconnect"},
        ]
    )

    async def receive() -> Any:
        return next(messages)

    async def send(message: Any) -> None:
        del message

    scope = {
        "type": "http",
        "method": "POST",
        "path": "/predict",
        "query_string": b"",
        "headers": [(b"content-type", b"application/json")],
    }
    asyncio.run(create_app(credit, metrics, tokens)(scope, receive, send))

    assert value(metrics, "http_request_count_total", endpoint="/predict", http_status="499") == 1


def test_every_route_has_its_series_from_the_start(
    credit: Model, metrics: ModelMetrics, tokens: Tokens
) -> None:
    routes = {route.path for route in create_app(credit, metrics, tokens).routes}

    assert routes | {"unmatched"} == KNOWN_RESPONSES.keys()
