"""Services that nobody here wrote, drilled through target files of a few lines."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from driftdrill.rig.ports import lease_port

pytestmark = pytest.mark.live

PEERS = Path(__file__).parents[1] / "peers"
TOKEN = "s3cret"
START_LIMIT_S = 30.0


@pytest.fixture
def scorer(request, tmp_path) -> Iterator[dict[str, str]]:
    """One of the peers under way; the variables that its target file asks for."""
    with lease_port(8200) as lease, (tmp_path / "scorer.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, PEERS / f"{request.param}_scorer.py", str(lease.port)],
            env={**os.environ, "SCORER_TOKEN": TOKEN},
            stdout=log,
            stderr=log,
        )
        try:
            _await(f"http://{lease.address}/metrics/")
            yield {"SCORER_PORT": str(lease.port), "SCORER_TOKEN": TOKEN}
        finally:
            process.kill()
            process.wait()


def _await(url: str) -> None:
    deadline = time.monotonic() + START_LIMIT_S
    while True:
        try:
            httpx.get(url, trust_env=False)
        except httpx.TransportError:
            assert time.monotonic() < deadline, "the peer did not start"
            time.sleep(0.1)
        else:
            return


@pytest.mark.parametrize(
    ("scorer", "target"), [("fastapi",) * 2, ("mlflow",) * 2], indirect=["scorer"]
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


@pytest.mark.parametrize("target", ["fastapi", "mlflow"])
def test_a_target_file_is_short(target):
    assert len((PEERS / f"{target}.yaml").read_text().splitlines()) < 30
