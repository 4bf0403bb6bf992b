"""The study on real servers: it passes over what is bounded, and names the label that is not."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

pytestmark = pytest.mark.live

LEAKY = Path(__file__).with_name("leaky.py")


@contextmanager
def leaky(leak: str) -> Iterator[str]:
    """The URL of /metrics of a service with a leak."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    process = subprocess.Popen(
        [sys.executable, LEAKY, str(port), leak],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    url = f"http://127.0.0.1:{port}/metrics"
    try:
        wait_until_answered(url)
        yield url
    finally:
        process.terminate()
        process.wait(timeout=30)


def wait_until_answered(url: str) -> None:
    deadline = time.monotonic() + 30
    while True:
        try:
            assert httpx.get(url, trust_env=False).status_code == 200
        except httpx.TransportError:
            assert time.monotonic() < deadline, "the service did not start"
            time.sleep(0.05)
        else:
            return


def study(
    folder: Path, *arguments: str
) -> tuple[subprocess.CompletedProcess[str], dict[str, object]]:
    command = [sys.executable, "-m", "driftdrill", "overhead", "--out", str(folder / "out")]
    done = subprocess.run(
        [*command, "--step-seconds", "8", "--json", str(folder / "f.json"), *arguments],
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert (folder / "f.json").exists(), done.stdout + done.stderr
    return done, json.loads((folder / "f.json").read_text())


@pytest.fixture
def body(tmp_path: Path) -> Path:
    file = tmp_path / "body.json"
    file.write_text('{"user": "{n}"}')
    return file


@pytest.mark.parametrize(("leak", "label"), [("user", "user_id"), ("path", "path")])
def test_a_label_that_takes_its_value_from_the_client_fails_the_study_and_is_named(
    tmp_path: Path, body: Path, leak: str, label: str
) -> None:
    with leaky(leak) as url:
        arguments = ("--target", url, "--body", str(body), "--factors", "1,10")
        done, figures = study(tmp_path, *arguments)
        doctor = subprocess.run(
            [sys.executable, "-m", "driftdrill", "doctor", "--target", url],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    assert done.returncode == 1, done.stdout
    assert figures["outcome"] == "fail"
    assert figures["series_ratio"] > 1.5
    assert f"predictions: label '{label}' went from" in " ".join(done.stdout.split())
    assert (tmp_path / "out" / "overhead.html").stat().st_size > 5000
    assert doctor.returncode == 1
    assert f"BAD  predictions: label '{label}' holds" in doctor.stdout


def test_our_service_has_the_same_series_whatever_its_traffic(tmp_path: Path) -> None:
    done, figures = study(tmp_path, "--factors", "1,20")

    exact = ("series", "head_series", "samples_per_scrape")
    assert {figures[f"{key}_ratio"] for key in exact} == {1.0}, done.stdout
    assert figures["scrape_bytes_ratio"] <= 1.15
    assert figures["tsdb_bytes_per_hour_ratio"] <= 2
    assert figures["wal_bytes_per_hour_ratio"] <= 2
    assert figures["log_bytes_per_hour_ratio"] == pytest.approx(20)
    assert 0.5 < figures["request_cpu_ratio"] < 2
    assert {step["failed"] for step in figures["steps"]} == {0}
