"""The study on real servers: it passes over what is bounded, and names the label that is not."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from driftdrill.rig.ports import lease_port

pytestmark = pytest.mark.live

LEAKY = Path(__file__).with_name("leaky.py")


@contextmanager
def leaky() -> Iterator[str]:
    """The URL of a service with leaks."""
    with lease_port(8500) as lease:
        process = subprocess.Popen(
            [sys.executable, LEAKY, str(lease.port)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        url = f"http://{lease.address}"
        try:
            wait_until_answered(f"{url}/metrics")
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
        timeout=600,
        check=False,
    )
    assert (folder / "f.json").exists(), done.stdout + done.stderr
    return done, json.loads((folder / "f.json").read_text())


TARGET = """
url: {url}
model: credit
predict: {{path: /predict, request: "{{*row}}", score: score}}
"""


def test_labels_that_take_their_values_from_clients_fail_the_study_and_are_named(
    tmp_path: Path,
) -> None:
    file = tmp_path / "leaky.yaml"
    with leaky() as url:
        file.write_text(TARGET.format(url=url))
        done, figures = study(tmp_path, "--target", str(file), "--factors", "1,10")
        doctor = subprocess.run(
            [sys.executable, "-m", "driftdrill", "doctor", "--target", f"{url}/metrics"],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    said = " ".join(done.stdout.split())
    assert done.returncode == 1, done.stdout + done.stderr
    assert figures["outcome"] == "fail"
    assert figures["series_ratio"] > 2
    assert "predictions: label 'user_id' went from" in said
    assert "requests: label 'path' went from" in said
    assert (tmp_path / "out" / "overhead.html").stat().st_size > 5000
    assert doctor.returncode == 1
    assert "BAD  predictions: label 'user_id' holds ids" in doctor.stdout
    assert "BAD  requests: label 'path' holds" in doctor.stdout


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
