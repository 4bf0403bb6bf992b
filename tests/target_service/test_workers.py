"""Several workers behind one port: each is a target of its own, and Prometheus adds them up."""

from __future__ import annotations

import re
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
import yaml

from driftdrill.promapi import Prometheus
from driftdrill.rig.tools import find_tools
from target_service.contract import Dataset
from target_service.model import Model

pytestmark = pytest.mark.live

LIMIT_S = 60
SENT = 'http_request_count_total{endpoint="/predict",http_status="200"}'


def free_port(count: int = 1) -> int:
    """The first of some ports in a row that are free now."""
    while True:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            first: int = probe.getsockname()[1]
        try:
            for port in range(first, first + count):
                with socket.socket() as probe:
                    probe.bind(("127.0.0.1", port))
        except (OSError, OverflowError):
            continue
        return first


def wait_for(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + LIMIT_S
    while True:
        try:
            if condition():
                return
        except httpx.TransportError:
            pass
        assert time.monotonic() < deadline, f"no {what}"
        time.sleep(0.05)


class Workers:
    """A service of two workers."""

    def __init__(self, url: str, ports: range, parent: psutil.Process) -> None:
        self.url = url
        self.ports = ports
        self._parent = parent
        self._client = httpx.Client(trust_env=False, headers={"Connection": "close"})

    def exposed(self, port: int) -> str:
        return self._client.get(f"http://127.0.0.1:{port}/metrics").text

    def counts(self) -> list[float]:
        """The predictions that each says it has answered."""
        found = [
            re.search(r'count_total{.*"/predict",http_status="200".*} (\S+)', self.exposed(port))
            for port in self.ports
        ]
        return [float(each[1]) if each else -1.0 for each in found]

    def predict(self, row: dict[str, Any], times: int) -> None:
        """Each over a connection of its own, which either worker may accept."""
        for _ in range(times):
            answer = self._client.post(f"{self.url}/predict", json={"rows": [row]})
            assert answer.status_code == 200

    def kill(self, number: int) -> None:
        """Kill the worker whose metrics are at a port."""
        (found,) = (
            process
            for process in self._parent.children(recursive=True)
            for connection in process.net_connections("tcp4")
            if connection.status == psutil.CONN_LISTEN
            and connection.laddr.port == self.ports[number]
        )
        found.kill()


@pytest.fixture
def workers(credit: Model, tmp_path: Path) -> Iterator[Workers]:
    model = credit.save(tmp_path / "credit").parent
    first = free_port(3)
    port, ports = first, range(first + 1, first + 3)
    command = [sys.executable, "-m", "target_service", "serve", "--model", str(model)]
    process = subprocess.Popen(
        [*command, "--port", str(port), "--workers", "2", "--metrics-port", str(ports[0])],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    service = Workers(f"http://127.0.0.1:{port}", ports, psutil.Process(process.pid))
    try:
        wait_for(lambda: service.counts() == [0, 0], "workers")
        yield service
    finally:
        process.terminate()
        process.wait(LIMIT_S)


@pytest.fixture
def prometheus(workers: Workers, tmp_path: Path) -> Iterator[Prometheus]:
    targets = [f"127.0.0.1:{port}" for port in workers.ports]
    job = {"job_name": "service", "static_configs": [{"targets": targets}]}
    config = {
        "global": {"scrape_interval": "200ms", "scrape_timeout": "200ms"},
        "scrape_configs": [job],
    }
    (tmp_path / "prometheus.yml").write_text(yaml.safe_dump(config))
    tool, address = find_tools().prometheus, f"127.0.0.1:{free_port()}"
    process = subprocess.Popen(
        [
            tool.path,
            f"--config.file={tmp_path / 'prometheus.yml'}",
            f"--storage.tsdb.path={tmp_path / 'data'}",
            f"--web.listen-address={address}",
        ],
        cwd=tool.cwd,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        ready = f"http://{address}/-/ready"
        wait_for(lambda: httpx.get(ready, trust_env=False).status_code == 200, "Prometheus")
        with closing(Prometheus(f"http://{address}")) as client:
            yield client
    finally:
        process.terminate()
        process.wait(LIMIT_S)


def summed(prometheus: Prometheus, expression: str) -> float:
    now = time.time()
    found = prometheus.curves(expression, now, now, 1.0)
    return found[0].samples[0][1] if found else -1.0


def test_prometheus_adds_the_workers_up_to_what_was_sent(
    workers: Workers, prometheus: Prometheus, credit_data: Dataset
) -> None:
    (row,) = credit_data.schema.decode(credit_data.x[:1])
    wait_for(lambda: summed(prometheus, f"sum({SENT})") == 0, "scrape of both workers")
    workers.predict(row, 150)
    counts = workers.counts()

    assert sum(counts) == 150
    wait_for(lambda: summed(prometheus, f"sum({SENT})") == 150, "sum of 150")
    assert httpx.get(f"{workers.url}/metrics", trust_env=False).status_code == 404

    victim = max(range(2), key=lambda worker: counts[worker])
    workers.kill(victim)
    wait_for(lambda: workers.counts()[victim] == 0, "worker in the place of the dead one")
    workers.predict(row, 50)

    assert sum(workers.counts()) == 150 - counts[victim] + 50
