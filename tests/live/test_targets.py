"""Services that nobody here wrote, drilled through target files of a few lines."""

import csv
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from driftdrill.rig.ports import lease_port
from driftdrill.rig.process import Process
from target_service.contract import DATA, load_dataset

pytestmark = pytest.mark.live

PROJECT = Path(__file__).parents[2]
PEERS = PROJECT / "tests" / "peers"
MLSERVER = PROJECT / "build" / "mlserver" / "bin"
TOKEN = "s3cret"
START_LIMIT_S = 60.0
ROWS = 1000


@pytest.fixture
def scorer(request, tmp_path) -> Iterator[dict[str, str]]:
    """One of the peers under way; the variables that its target file asks for."""
    if request.param == "mlserver":
        with mlserver(tmp_path) as variables:
            yield variables
        return
    with lease_port(8200) as lease:
        command = [sys.executable, str(PEERS / f"{request.param}_scorer.py"), str(lease.port)]
        variables = {"SCORER_PORT": str(lease.port), "SCORER_TOKEN": TOKEN}
        with serving(command, variables, tmp_path, f"http://{lease.address}/metrics/"):
            yield variables


@contextmanager
def mlserver(folder: Path) -> Iterator[dict[str, str]]:
    """MLServer from PyPI, in an environment of its own, with a scikit-learn pipeline."""
    make = ["make", "--silent", f"PYTHON={sys.executable}", "build/mlserver/.installed"]
    subprocess.run(make, cwd=PROJECT, check=True)
    write_rows(folder / "rows.csv")
    fit = [MLSERVER / "python", PEERS / "mlserver_model.py", folder / "rows.csv", folder]
    subprocess.run(fit, check=True)
    with lease_port(8180) as rest, lease_port(8181) as grpc, lease_port(8182) as metrics:
        settings = {
            "MLSERVER_HOST": "127.0.0.1",
            "MLSERVER_HTTP_PORT": str(rest.port),
            "MLSERVER_GRPC_PORT": str(grpc.port),
            "MLSERVER_METRICS_PORT": str(metrics.port),
            "MLSERVER_PARALLEL_WORKERS": "1",
        }
        command = [str(MLSERVER / "mlserver"), "start", str(folder)]
        ready = f"http://{rest.address}/v2/models/credit/ready"
        with serving(command, settings, folder, ready):
            yield {"SCORER_PORT": str(rest.port), "METRICS_PORT": str(metrics.port)}


def write_rows(path: Path) -> None:
    """What the model is fitted on."""
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
