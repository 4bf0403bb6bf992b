"""Faulty builds do what they say; the sound service knows nothing of them, and repels a scan."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from random import Random

import httpx
import numpy as np
import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.parser import text_string_to_metric_families

from driftdrill.models import artifact
from simulators.credit import CREDIT
from simulators.hostile import KINDS, Scan
from simulators.operations import Operation
from simulators.schedule import Phase, Ramp, Schedule
from target_service.builds import BUILDS, USER_REQUESTS, Build
from target_service.clock import wall_clock
from target_service.contract import DATA, load_dataset
from target_service.faulty import create_faulty_app
from target_service.feedback import Tokens
from target_service.flaws import flawed, mislabelled
from target_service.model import Model, load

SCAN = Scan(Schedule((Phase("scan", 60.0, Ramp(1.0, 1.0), (), Operation(scan=2.0)),)), seed=3)


@pytest.fixture(scope="module")
def model() -> Model:
    return load(artifact("credit"))


@pytest.fixture(scope="module")
def rows() -> np.ndarray:
    return CREDIT.draw(np.random.default_rng(0), 400).x


def client(model: Model, build: Build, lost_scrapes: float = 0.0) -> httpx.AsyncClient:
    tokens = Tokens(b"key", model.name, model.version)
    registry = CollectorRegistry()
    luck = Random(1)  # noqa: S311
    app = create_faulty_app(model, build, tokens, "test", registry, lost_scrapes, luck, wall_clock)
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://service")


def samples(text: str) -> list:
    """What an exposition shows."""
    return [s for family in text_string_to_metric_families(text) for s in family.samples]


async def predict(service: httpx.AsyncClient, model: Model, rows: np.ndarray) -> list[int]:
    """The statuses of the answers, one row each."""
    return [
        (await service.post("/predict", json={"rows": [row]})).status_code
        for row in model.schema.decode(rows)
    ]


def run(steps):
    """Run one coroutine to its end."""
    return asyncio.run(steps)


def test_a_constant_score_is_the_same_for_every_row(model, rows):
    (score,) = np.unique(flawed(model, BUILDS["constant-score"]).score(rows))
    assert 0.02 < score < 0.5


def test_a_skewed_input_moves_the_scores_and_not_the_inputs(model, rows):
    skewed = flawed(model, BUILDS["skewed-input"])
    divided = rows.copy()
    divided[:, model.schema.index("income")] /= 12
    np.testing.assert_allclose(skewed.score(rows), model.score(divided))
    assert skewed.features == model.features


def test_the_usual_build_is_the_model_itself(model):
    assert flawed(model, BUILDS["usual"]) == model


def test_mislabelling_loses_positive_outcomes_alone_and_the_same_each_time():
    dataset = load_dataset(DATA / "credit.npz")
    wrong = mislabelled(dataset, 0.8)
    assert wrong.outcome.sum() == pytest.approx(0.2 * dataset.outcome.sum(), rel=0.05)
    assert not wrong.outcome[dataset.outcome == 0].any()
    np.testing.assert_array_equal(wrong.outcome, mislabelled(dataset, 0.8).outcome)
    assert load(artifact("credit", build="mislabelled")).version == "1.1.0"


def test_an_erroring_build_fails_its_share_and_counts_the_failures(model, rows):
    async def steps():
        async with client(model, BUILDS["erroring"]) as service:
            statuses = await predict(service, model, rows)
            return statuses, (await service.get("/metrics")).text

    statuses, text = run(steps())
    failed = statuses.count(500)
    assert failed == pytest.approx(0.2 * len(rows), abs=30)
    assert f'http_status="500",method="POST"}} {failed}' in text.replace(".0", "")


def test_a_slow_build_takes_longer_as_its_own_metrics_tell(model, rows):
    async def steps():
        async with client(model, Build(delay=0.05)) as service:
            await predict(service, model, rows[:3])
            return (await service.get("/metrics")).text

    (total,) = [
        sample.value
        for sample in samples(run(steps()))
        if sample.name == "http_request_latency_seconds_sum"
        and sample.labels["endpoint"] == "/predict"
    ]
    assert total >= 0.15


@pytest.mark.parametrize(
    ("build", "kinds"), [("no-model-metrics", {"http"}), ("no-metrics", set())]
)
def test_a_build_without_metrics_answers_scrapes_with_what_it_exposes(model, rows, build, kinds):
    async def steps():
        async with client(model, BUILDS[build]) as service:
            assert set(await predict(service, model, rows[:2])) == {200}
            return await service.get("/metrics")

    answer = run(steps())
    assert answer.status_code == 200
    assert {sample.name.partition("_")[0] for sample in samples(answer.text)} == kinds


def test_an_uncounted_build_counts_requests_and_no_score(model, rows):
    async def steps(build):
        async with client(model, BUILDS[build]) as service:
            await predict(service, model, rows[:20])
            return samples((await service.get("/metrics")).text)

    still, moving = run(steps("uncounted")), run(steps("usual"))
    assert [s[:2] for s in still] == [s[:2] for s in moving]
    counted = [
        [s.value for s in shown if s.name == name]
        for name in ("http_request_latency_seconds_count", "model_score_count")
        for shown in (still, moving)
    ]
    assert [sum(values) for values in counted] == [20, 20, 0, 20]


def test_a_user_in_a_label_makes_a_series_of_each_request(model, rows):
    async def steps():
        async with client(model, BUILDS["user-label"]) as service:
            await predict(service, model, np.concatenate([rows[:50], rows[:10]]))
            return (await service.get("/metrics")).text

    users = [s.value for s in samples(run(steps())) if s.name == USER_REQUESTS]
    assert sorted(users) == [1.0] * 40 + [2.0] * 10


def test_lost_scrapes_are_a_share_of_all_and_predictions_go_on(model, rows):
    async def steps():
        async with client(model, BUILDS["usual"], lost_scrapes=0.3) as service:
            assert set(await predict(service, model, rows[:20])) == {200}
            return [(await service.get("/metrics")).status_code for _ in range(100)]

    statuses = run(steps())
    assert 15 < statuses.count(503) < 45
    assert statuses.count(200) == 100 - statuses.count(503)


def test_a_scan_is_repelled_as_planned_and_leaves_no_series_behind(model):
    async def steps():
        async with client(model, BUILDS["usual"]) as service:
            before = (await service.get("/metrics")).text
            for number in range(SCAN.total):
                request = SCAN.request(number)
                answer = await service.request(
                    request.method,
                    request.path,
                    content=request.body,
                    headers={"Content-Type": request.content_type},
                )
                assert answer.status_code == request.status, request
            return before, (await service.get("/metrics")).text

    before, after = (
        {s.name + str(s.labels): s.value for s in samples(text)} for text in run(steps())
    )
    assert set(before) == set(after)
    counts = np.bincount(SCAN.kinds(0, SCAN.total), minlength=len(KINDS))
    for kind in KINDS:
        counted = sum(
            int(count)
            for other, count in zip(KINDS, counts, strict=True)
            if (other.endpoint, other.method_counted, other.status)
            == (kind.endpoint, kind.method_counted, kind.status)
        )
        series = [
            name
            for name in after
            if name.startswith("http_request_count_total")
            and f"'endpoint': '{kind.endpoint}'" in name
            and f"'method': '{kind.method_counted}'" in name
            and f"'http_status': '{kind.status}'" in name
        ]
        assert [after[name] - before[name] for name in series] == [counted]


def test_the_sound_service_does_not_load_the_faults():
    code = (
        "import sys, target_service.app, target_service.__main__;"
        "sys.exit('target_service.faulty' in sys.modules or 'target_service.flaws' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
