"""Services that nobody here wrote, drilled through target files of a few lines."""

import csv
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import httpx
import numpy as np
import pytest
from prometheus_client.parser import text_string_to_metric_families

from driftdrill.init import Own, init
from driftdrill.rig.ports import lease_port
from driftdrill.rig.process import Process
from scenarios.exchange import Exchange
from scenarios.target import load_target
from scenarios.worlds import population
from target_service.contract import DATA, load_dataset

pytestmark = pytest.mark.live

PROJECT = Path(__file__).parents[2]
PEERS = PROJECT / "tests" / "peers"
MLSERVER = PROJECT / "build" / "mlserver" / "bin"
TOKEN = "s3cret"
START_LIMIT_S = 60.0
ROWS = 3000
LABELS = {"model": "credit", "version": "1"}


@pytest.fixture
def scorer(request, tmp_path) -> Iterator[dict[str, str]]:
    """One of the peers under way; the variables that its target file asks for."""
    if request.param == "mlserver":
        with mlserver(request.getfixturevalue("model"), tmp_path) as variables:
            yield variables
        return
    with lease_port(8200) as lease:
        command = [sys.executable, str(PEERS / f"{request.param}_scorer.py"), str(lease.port)]
        variables = {"SCORER_PORT": str(lease.port), "SCORER_TOKEN": TOKEN}
        with serving(command, variables, tmp_path, f"http://{lease.address}/metrics/"):
            yield variables


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> Path:
    """A folder with a scikit-learn pipeline for MLServer, which is in an environment of its own."""
    make = ["make", "--silent", f"PYTHON={sys.executable}", "build/mlserver/.installed"]
    subprocess.run(make, cwd=PROJECT, check=True)
    folder = tmp_path_factory.mktemp("credit")
    write_rows(folder / "rows.csv")
    in_mlserver(PEERS / "mlserver_model.py", folder / "rows.csv", folder)
    return folder


def in_mlserver(*arguments: Path) -> str:
    """What a program says that runs in MLServer's environment."""
    command = [MLSERVER / "python", *arguments]
    env = {**os.environ, "PYTHONPATH": str(PROJECT)}
    return subprocess.run(command, env=env, stdout=subprocess.PIPE, text=True, check=True).stdout


@contextmanager
def mlserver(model: Path, folder: Path) -> Iterator[dict[str, str]]:
    """MLServer from PyPI, with the model."""
    with lease_port(8180) as rest, lease_port(8181) as grpc, lease_port(8182) as metrics:
        settings = {
            "MLSERVER_HOST": "127.0.0.1",
            "MLSERVER_HTTP_PORT": str(rest.port),
            "MLSERVER_GRPC_PORT": str(grpc.port),
            "MLSERVER_METRICS_PORT": str(metrics.port),
            "MLSERVER_PARALLEL_WORKERS": "1",
        }
        command = [str(MLSERVER / "mlserver"), "start", str(model)]
        ready = f"http://{rest.address}/v2/models/credit/ready"
        with serving(command, settings, folder, ready):
            yield {"SCORER_PORT": str(rest.port), "METRICS_PORT": str(metrics.port)}


def write_rows(path: Path) -> None:
    """Rows of the past, some to fit the model on."""
    dataset = load_dataset(DATA / "credit.npz")[:ROWS]
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, [*dataset.schema.names, "outcome"])
        writer.writeheader()
        rows = dataset.schema.decode(dataset.x)
        for row, outcome in zip(rows, dataset.outcome.tolist(), strict=True):
            writer.writerow({**row, "outcome": outcome})


@contextmanager
def serving(
    command: Sequence[str], variables: dict[str, str], folder: Path, ready: str
) -> Iterator[None]:
    """A service that runs, and answers at a URL."""
    log = folder / "scorer.log"
    process = Process("scorer", command, env={**os.environ, **variables}, log=log)
    try:
        deadline = time.monotonic() + START_LIMIT_S
        while not answers(ready):
            assert process.alive, log.read_text()
            assert time.monotonic() < deadline, "the peer did not start"
            time.sleep(0.1)
        yield
    finally:
        process.stop()


def answers(url: str) -> bool:
    try:
        return httpx.get(url, trust_env=False, follow_redirects=True).is_success
    except httpx.TransportError:
        return False


@pytest.mark.parametrize(
    ("scorer", "target"),
    [("fastapi",) * 2, ("mlflow",) * 2, ("mlserver",) * 2],
    ids=["fastapi", "mlflow", "mlserver"],
    indirect=["scorer"],
)
def test_alerts_on_latency_and_refusals_of_a_foreign_service_fire_when_they_should(
    run, scorer, target
):
    target_file = str(PEERS / f"{target}.yaml")
    drill = run(str(PEERS / "trouble.yaml"), "--target", target_file, "--speed", "30", env=scorer)
    code, verdict = drill.finish()
    outcomes = {line["alert"]: line["outcome"] for line in verdict["expectations"]}
    assert code == 0, verdict["reasons"]
    assert outcomes.pop("ScorerSlow") == outcomes.pop("ScorerRefuses") == "pass"
    assert set(outcomes.values()) <= {"pass"}
    assert verdict["requests"]["failed"] > 0, "the broken rows were to be refused"


@pytest.mark.parametrize("target", ["fastapi", "mlflow", "mlserver"])
def test_a_target_file_is_short(target):
    assert len((PEERS / f"{target}.yaml").read_text().splitlines()) < 30


def test_mlserver_counts_what_it_predicts_with_the_three_lines(model, tmp_path, monkeypatch):
    own = Own("credit", model / "holdout.csv", "score", "outcome", "http://127.0.0.1:8180")
    list(init(tmp_path / "drills", own))
    reference = (tmp_path / "drills" / "reference.json").read_bytes()
    (model / "reference.json").write_bytes(reference)
    monkeypatch.setenv("SCORER_PORT", "8180")
    monkeypatch.setenv("METRICS_PORT", "8182")
    target, world = load_target(PEERS / "mlserver.yaml"), population("credit")
    rows = world.schema.decode(world.draw(np.random.default_rng(0), 3).x)
    (tmp_path / "request.json").write_bytes(Exchange(target, world.schema).body(rows))
    said = in_mlserver(PEERS / "mlserver_runtime.py", model, tmp_path / "request.json")
    answer, _, metrics = said.partition("\n")
    scores = json.loads(answer)["outputs"][0]["data"][1::2]
    counted = {
        sample.name: sample.value
        for family in text_string_to_metric_families(metrics)
        for sample in family.samples
        if sample.labels.items() <= {**LABELS, "feature": "age"}.items()
    }
    assert len(scores) == counted["model_score_count"] == 3
    assert counted["model_score_sum"] == pytest.approx(sum(scores))
    assert counted["model_feature_sum"] == pytest.approx(sum(row["age"] for row in rows))
