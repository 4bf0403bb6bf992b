"""The real process: `python -m target_service` as a user runs it."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx
import pytest

from target_service.contract import Dataset
from target_service.model import Model, load

START_SECONDS = 30


def command(*arguments: object) -> list[str]:
    return [sys.executable, "-m", "target_service", *map(str, arguments)]


def run(*arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(*arguments), capture_output=True, text=True, timeout=120, check=False
    )


@contextmanager
def serving(model: Path, key: str = "a key of the tests") -> Iterator[tuple[httpx.Client, int]]:
    """A service that is ready: a client of it, and its process id."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    process = subprocess.Popen(
        command("serve", "--model", model, "--port", port),
        env={**os.environ, "DRIFTDRILL_TOKEN_KEY": key},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False) as client:
            wait_until_ready(client)
            yield client, process.pid
    finally:
        process.terminate()
        process.wait(timeout=START_SECONDS)


def wait_until_ready(client: httpx.Client) -> None:
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            assert client.get("/healthz").status_code == 200
        except httpx.TransportError:
            assert time.monotonic() < deadline, "the service did not become ready"
            time.sleep(0.05)
        else:
            return


@pytest.fixture
def artifact(credit: Model, tmp_path: Path) -> Path:
    return credit.save(tmp_path / "credit").parent


def test_training_writes_an_artifact_that_loads(tmp_path: Path) -> None:
    done = run("train", "credit", "--out", tmp_path, "--version", "7")

    assert done.returncode == 0
    assert load(tmp_path / "credit").version == "7"


def test_training_an_unknown_model_exits_with_2_and_the_known_names(tmp_path: Path) -> None:
    done = run("train", "bogus", "--out", tmp_path)

    assert done.returncode == 2
    assert "no model 'bogus'; known: credit, flights" in done.stderr


def test_serving_a_missing_artifact_exits_with_2_and_says_how_to_train(tmp_path: Path) -> None:
    done = run("serve", "--model", tmp_path)

    assert done.returncode == 2
    assert f"{tmp_path}/model.json" in done.stderr
    assert "python -m target_service train" in done.stderr


@pytest.mark.live
def test_a_prediction_and_its_outcome_pass_through_a_restart(
    artifact: Path, credit_data: Dataset
) -> None:
    rows = credit_data.schema.decode(credit_data.x[:1])
    with serving(artifact) as (client, _pid):
        predicted = client.post("/predict", json={"rows": rows}).json()["predictions"]
        exposed = client.get("/metrics").text
    labels = [{"token": predicted[0]["token"], "outcome": 1}]
    with serving(artifact) as (client, _pid):
        told = client.post("/feedback", json={"labels": labels})
    with serving(artifact, key="another key") as (client, _pid):
        foreign = client.post("/feedback", json={"labels": labels})

    assert 'model_score_count{model="credit",version="1.0.0"} 1.0' in exposed
    assert "process_resident_memory_bytes" in exposed
    assert told.json() == {"accepted": 1, "duplicates": 0}
    assert foreign.status_code == 400


@pytest.mark.live
def test_a_request_in_flight_at_sigterm_is_answered(artifact: Path, credit_data: Dataset) -> None:
    rows = credit_data.schema.decode(credit_data.x[:1])
    body = json.dumps({"rows": rows}).encode()
    with serving(artifact) as (client, pid):
        address = (client.base_url.host, client.base_url.port)
        with socket.create_connection(address, timeout=START_SECONDS) as connection:
            head = (
                "POST /predict HTTP/1.1\r\nHost: service\r\nContent-Type: application/json\r\n"
                f"Content-Length: {len(body)}\r\n\r\n"
            )
            connection.sendall(head.encode() + body[:20])
            client.get("/healthz")  # by its answer, the half request has been read
            os.kill(pid, signal.SIGTERM)
            wait_until_refused(address)
            connection.sendall(body[20:])
            answer = connection.makefile("rb").readline()

    assert answer == b"HTTP/1.1 200 OK\r\n"


def wait_until_refused(address: tuple[str, int | None]) -> None:
    """The server has stopped to listen: it is draining."""
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        try:
            socket.create_connection(address, timeout=1).close()
        except ConnectionRefusedError:
            return
        time.sleep(0.02)
    pytest.fail("the service went on listening after SIGTERM")


@pytest.mark.live
def test_an_endless_body_is_refused_and_the_service_goes_on(artifact: Path) -> None:
    def endless() -> Iterator[bytes]:
        for _ in range(40):
            yield b" " * 100_000

    with serving(artifact) as (client, _pid):
        # The connection may close while the client still writes, before it reads the answer.
        with suppress(httpx.WriteError):
            client.post("/predict", content=endless(), headers={"content-type": "application/json"})
        exposed = client.get("/metrics").text

    assert 'endpoint="/predict",http_status="413",method="POST"} 1.0' in exposed
