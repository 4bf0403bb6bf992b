"""docker-compose.yml without an engine: its own commands and files, as processes on loopback."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from compose import PROJECT, services

from driftdrill.models import artifact
from driftdrill.rig.ports import lease_port
from driftdrill.rig.process import Process
from driftdrill.rig.tools import find_tools
from scenarios.spec import CATALOGUE

pytestmark = pytest.mark.live

LIMIT_S = 90.0
SPEED = "60"
ANYWHERE = "0.0.0.0"  # noqa: S104  what containers listen on; replaced here


class Stack:
    """The containers' commands, with each host and folder of theirs replaced by one of ours.

    Attributes:
        addresses: What containers call each other -> where that answers here.
    """

    def __init__(self, folder: Path, resources: ExitStack) -> None:
        self.addresses: dict[str, str] = {}
        self._folder = folder
        self._services = services(DRIFTDRILL_SPEED=SPEED)
        self._resources = resources
        self._processes: dict[str, Process] = {}
        for name in ("prometheus:9090", "alertmanager:9093", "target-service:8000"):
            self.addresses[name] = resources.enter_context(lease_port(int(name[-4:]))).address
        for name in ("data/prometheus", "data/alertmanager", "etc/driftdrill", "runs"):
            (folder / name).mkdir(parents=True)

    def here(self, text: str) -> str:
        """What a container is told, as it has to be told here."""
        there = {
            f"{known}:{port}": ours
            for name, ours in self.addresses.items()
            for host, _, port in (name.partition(":"),)
            for known in (host, ANYWHERE, "127.0.0.1", "localhost")
        }
        # All at once: an address of ours may be one that a container has.
        names = "|".join(map(re.escape, there))
        text = re.sub(rf"(?<![\w.-])({names})(?!\d)", lambda found: there[found[1]], text)
        for path in ("/etc/driftdrill", "/data", "/runs"):
            text = re.sub(rf"(?<![\w/]){path}", f"{self._folder}{path}", text)
        return text.replace(ANYWHERE, "127.0.0.1")

    def write_files(self) -> None:
        """Run the one-shot `config`."""
        command = [sys.executable, *map(self.here, self._services["config"]["command"][1:])]
        subprocess.run(command, cwd=PROJECT, check=True)

    def translate_files(self) -> None:
        """Tell Prometheus and Alertmanager where the others are here, where no DNS does."""
        for path in (self._folder / "etc").rglob("*.yml"):
            path.write_text(self.here(path.read_text()))
        path = self._folder / "etc/driftdrill/prometheus/prometheus.yml"
        config = yaml.safe_load(path.read_text())
        absent = ("node-exporter:", "cadvisor:")
        jobs = [j for j in config["scrape_configs"] if not any(a in str(j) for a in absent)]
        (service,) = (job for job in jobs if job.pop("dns_sd_configs", None))
        service["static_configs"] = [{"targets": [self.addresses["target-service:8000"]]}]
        path.write_text(yaml.safe_dump({**config, "scrape_configs": jobs}))

    def start(self, name: str, *more: str) -> Process:
        """Start what a container would run."""
        service, tools = self._services[name], find_tools()
        command = [*map(self.here, service["command"]), *more]
        tool = {"prometheus": tools.prometheus, "alertmanager": tools.alertmanager}.get(name)
        if tool:
            command = [str(tool.path), *command]
        elif command[0] == "driftdrill":
            command = [sys.executable, "-m", *command]
        else:
            command = [sys.executable, *command[1:]]
        environment = {k: self.here(v) for k, v in service.get("environment", {}).items()}
        process = Process(
            name,
            command,
            cwd=(tool.cwd if tool else None) or PROJECT,
            env={**os.environ, **environment},
            log=self._folder / f"{name}.log",
        )
        self._resources.callback(process.stop)
        self._processes[name] = process
        return process

    def learn(self, name: str, said: str, process: Process) -> str:
        """The port that a process chose, by what it prints."""
        found = self.wait(said, lambda: re.search(said, process.log.read_text()))
        self.addresses[name] = f"127.0.0.1:{found[1]}"
        return str(found[1])

    def ask(self, name: str, path: str) -> Any:
        """JSON from one of the servers."""
        url = f"http://{self.addresses[name]}{path}"
        return httpx.get(url, trust_env=False, timeout=10).raise_for_status().json()

    def wait(self, what: str, condition: Callable[[], Any]) -> Any:
        """What the condition finds, once it does and while all processes live."""
        deadline = time.monotonic() + LIMIT_S
        while True:
            for process in self._processes.values():
                assert process.alive, process.describe_exit()
            try:
                if found := condition():
                    return found
            except httpx.HTTPError:
                pass
            logs = "\n".join(p.describe_exit() for p in self._processes.values())
            assert time.monotonic() < deadline, f"no {what}\n{logs}"
            time.sleep(0.2)


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[Stack]:
    """The stack in the order in which Compose starts it, but for Locust, which chooses ports."""
    with ExitStack() as resources:
        stack = Stack(tmp_path, resources)
        stack.write_files()
        stack.start("alertmanager")
        address = stack.addresses["target-service:8000"]
        model = str(artifact("credit"))
        stack.start("target-service", "--port", address.rpartition(":")[2], "--model", model)
        stack.wait("service", lambda: stack.ask("target-service:8000", "/healthz"))
        target = tmp_path / "target.yaml"
        target.write_text(stack.here((PROJECT / "deploy" / "target.yaml").read_text()))
        master = stack.start("locust-master", "--target", str(target), str(short(tmp_path)))
        port = stack.learn("locust-master:5557", r"Workers join at 127.0.0.1, port (\d+)", master)
        stack.learn("locust-master:8089", r"Locust +http://127.0.0.1:(\d+)", master)
        stack.translate_files()
        stack.start("prometheus")
        stack.wait("Prometheus", lambda: stack.ask("prometheus:9090", "/api/v1/rules"))
        stack.start("locust-worker", "--master", "127.0.0.1", "--port", port)
        yield stack


def short(folder: Path) -> Path:
    """`covariate-sudden` with less traffic, over in 20 minutes: 20 seconds here."""
    document = yaml.safe_load((CATALOGUE / "covariate-sudden.yaml").read_text())
    document["traffic"]["rate"] = 2
    for phase, duration in zip(document["phases"], ("8m", "12m"), strict=True):
        phase["duration"] = duration
    for expect in document["expect"]:
        expect["within"] = "12m"
    path = folder / "short.yaml"
    path.write_text(yaml.safe_dump({**document, "name": "short"}, sort_keys=False))
    return path


def test_a_drill_started_over_http_fires_its_alerts_through_alertmanager(stack, tmp_path):
    def all_up() -> bool:
        targets = stack.ask("prometheus:9090", "/api/v1/targets?state=active")["data"]
        jobs = {t["labels"]["job"] for t in targets["activeTargets"] if t["health"] == "up"}
        return jobs == {"target-service", "prometheus", "alertmanager", "locust"}

    stack.wait("target that is up", all_up)
    page = f"http://{stack.addresses['locust-master:8089']}"
    refused = httpx.post(f"{page}/swarm", data=form(tmp_path, speed="30"), trust_env=False)
    assert f"speed: expected {SPEED}" in refused.json()["message"]
    offered = stack.ask("locust-master:8089", "/drill/scenarios")
    assert "covariate-sudden" in offered
    assert not {"rolling-restart", "timezone-shift"} & set(offered), "no drill of this service"
    stack.wait("worker", lambda: stack.ask("locust-master:8089", "/stats/requests")["workers"])
    started = httpx.post(f"{page}/swarm", data=form(tmp_path, speed=SPEED), trust_env=False)
    assert started.json()["success"], started.text

    def notified() -> Any:
        alerts = stack.ask("alertmanager:9093", "/api/v2/alerts")
        return [a for a in alerts if a["labels"]["alertname"] == "FeatureDrift"]

    (alert,) = stack.wait("alert", notified)
    assert alert["labels"]["feature"] == "income"
    assert [receiver["name"] for receiver in alert["receivers"]] == ["drills"]
    files = stack.wait("verdict", lambda: list((tmp_path / "runs").glob("*/verdict.json")))
    verdict = json.loads(files[0].read_text())
    assert verdict["outcome"] == "pass", verdict["reasons"]
    assert {alert["labels"]["drill"] for alert in verdict["alerts"]} == {"true"}


def form(folder: Path, speed: str) -> dict[str, str]:
    return {"scenario": str(folder / "short.yaml"), "speed": speed, "seed": "0"}
