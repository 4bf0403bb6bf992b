from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
import yaml

from driftdrill.rig import PROJECT, replicas
from driftdrill.rig.configs import HEARTBEAT
from driftdrill.rig.errors import RigError, UsageError
from driftdrill.rig.interrupts import Interrupted, Interruption
from driftdrill.rig.replicas import Service
from driftdrill.rig.rig import Rig, new_folder
from driftdrill.rig.tools import Tools
from simulators.fleet import Fleet, Life
from simulators.schedule import Phase, Ramp, Schedule
from target_service.builds import USUAL

Ends = Callable[[int], bool]

SPEED = 60
SHIPPED = tuple(sorted((PROJECT / "prometheus/rules").glob("*.yml")))
ONE = Fleet(Schedule((Phase("always", 1.0, Ramp(0.0, 0.0)),)))
SERVICE_RUN = Service({USUAL: Path("no-model-is-needed")}, ONE)

SERVICE = """
import http.server, sys
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = b"requests_total 1\\n" if self.path == "/metrics" else b"{}"
        self.send_response(200)
        self.send_header("Content-Type", "text/plain; version=0.0.4")
        self.end_headers()
        self.wfile.write(body)
http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
"""

ALWAYS = """
groups:
  - name: always
    rules:
      - alert: Always
        expr: vector(1)
        labels: {severity: ticket}
"""


@pytest.fixture(autouse=True)
def _stand_in_service(monkeypatch: pytest.MonkeyPatch) -> None:
    """A service without a model: what is tested here is the rig."""

    def command(_service: Service, _life: Life, address: str) -> list[str]:
        return [sys.executable, "-c", SERVICE, address.rpartition(":")[2]]

    monkeypatch.setattr(replicas, "service_command", command)


@contextmanager
def started(out: Path, tools: Tools, *rules: Path) -> Iterator[Rig]:
    with Rig(out, SPEED, tools, rules or SHIPPED, Interruption()) as running:
        running.start(SERVICE_RUN)
        running.watch()
        yield running


def query(running: Rig, expression: str) -> list[dict[str, object]]:
    url = f"{running.prometheus_url}/api/v1/query"
    answer = httpx.get(url, params={"query": expression}, trust_env=False)
    found: list[dict[str, object]] = answer.raise_for_status().json()["data"]["result"]
    return found


def pids_below(out: Path) -> list[int]:
    """Processes whose command line names a folder."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if str(out).encode() in path.read_bytes():
                found.append(int(path.parent.name))
        except OSError:
            continue
    return [pid for pid in found if pid != os.getpid()]


@pytest.mark.live
def test_when_it_has_started_rules_are_evaluated_and_afterwards_nothing_runs(
    tmp_path: Path, tools: Tools
) -> None:
    with started(tmp_path / "out", tools) as running:
        assert running.dead() is None
        assert len(query(running, HEARTBEAT)) == 1
        jobs = {target["metric"]["job"] for target in query(running, "up")}  # type: ignore[index]
        assert jobs == {"target-service", "driftdrill-alertmanager"}
        url = running.prometheus_url
        config = httpx.get(f"{url}/api/v1/status/config", trust_env=False).json()["data"]["yaml"]
        assert yaml.safe_load(config)["global"]["scrape_interval"] == "250ms"
        assert yaml.safe_load(config)["global"]["evaluation_interval"] == "1s"
        assert pids_below(tmp_path)
    assert pids_below(tmp_path) == []
    with pytest.raises(httpx.ConnectError):
        httpx.get(running.service_urls[0], trust_env=False)


@pytest.mark.live
def test_an_alert_arrives_as_a_notification(tmp_path: Path, tools: Tools) -> None:
    rules = tmp_path / "always.yaml"
    rules.write_text(ALWAYS)
    with started(tmp_path / "out", tools, rules) as running:
        deadline = time.monotonic() + 30
        while not running.receiver.notifications() and time.monotonic() < deadline:
            time.sleep(0.1)
        (notification,) = running.receiver.notifications()
    assert notification.alert == "Always"
    assert notification.labels == {"severity": "ticket", "drill": "true"}
    assert notification.starts_at <= notification.received_at
    assert rules.read_text() == ALWAYS


@pytest.mark.live
def test_two_rigs_at_once_do_not_see_each_other(tmp_path: Path, tools: Tools) -> None:
    with started(tmp_path / "a", tools) as one, started(tmp_path / "b", tools) as other:
        urls = {one.service_urls[0], one.prometheus_url, one.alertmanager_url, one.receiver.url}
        assert not urls & {other.service_urls[0], other.prometheus_url, other.alertmanager_url}
        (target,) = query(other, 'up{job="target-service"}')
        assert target["metric"]["instance"] in other.service_urls[0]  # type: ignore[index]


@pytest.mark.live
def test_a_server_that_is_killed_is_found_dead(tmp_path: Path, tools: Tools) -> None:
    with started(tmp_path / "out", tools) as running:
        (prometheus,) = [
            pid
            for pid in pids_below(tmp_path)
            if b"tsdb" in Path(f"/proc/{pid}/cmdline").read_bytes()
        ]
        os.kill(prometheus, signal.SIGKILL)
        deadline = time.monotonic() + 10
        while (dead := running.dead()) is None and time.monotonic() < deadline:
            time.sleep(0.02)
        assert dead is not None
        assert "prometheus was killed by SIGKILL" in dead.describe_exit()
    assert pids_below(tmp_path) == []


@pytest.mark.live
@pytest.mark.parametrize(
    ("killer", "code"),
    # What can be caught ends the script below as an exception that it does not catch.
    [(signal.SIGTERM, 1), (signal.SIGINT, 1), (signal.SIGKILL, -signal.SIGKILL)],
)
def test_no_process_outlives_an_interrupted_harness(
    tmp_path: Path, tools: Tools, ends: Ends, killer: signal.Signals, code: int
) -> None:
    out = tmp_path / "out"
    harness = f"""
import sys, time
from pathlib import Path, PosixPath
from driftdrill.rig import replicas, rig
from driftdrill.rig.interrupts import interruption
from simulators.fleet import Fleet
from simulators.schedule import Phase, Ramp, Schedule
from driftdrill.rig.tools import Tool, Tools
replicas.service_command = lambda service, life, address: [
    sys.executable, "-c", {SERVICE!r}, address.rpartition(":")[2]
]
with interruption() as found, rig.Rig(Path({str(out)!r}), 60, {tools!r}, (), found) as running:
    one = Fleet(Schedule((Phase("always", 1.0, Ramp(0.0, 0.0)),)))
    running.start(replicas.Service({{"usual": Path("none")}}, one))
    running.watch()
    print("started", flush=True)
    while True:
        found.check()
        time.sleep(0.05)
"""
    with subprocess.Popen(
        [sys.executable, "-c", harness],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
    ) as started_harness:
        assert started_harness.stdout is not None
        assert started_harness.stdout.readline() == "started\n"
        children = [pid for pid in pids_below(tmp_path) if pid != started_harness.pid]
        assert len(children) >= 2
        started_harness.send_signal(killer)
        assert started_harness.wait(30) == code
    for child in children:
        assert ends(child)


@pytest.mark.live
def test_locust_may_end_by_itself_without_counting_as_a_dead_server(
    tmp_path: Path, tools: Tools
) -> None:
    with started(tmp_path / "out", tools) as running:
        locust = running.locust(["--version"], {"DRIFTDRILL_WORD": "hello"})
        while locust.alive:
            time.sleep(0.02)
        assert locust.returncode == 0
        assert "locust" in locust.log.read_text()
        assert running.dead() is None


@pytest.mark.live
def test_a_service_that_exits_is_an_error_with_the_end_of_its_log(
    tmp_path: Path, tools: Tools, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(_service: Service, _life: Life, _address: str) -> list[str]:
        return ["sh", "-c", "echo no model at build/models; exit 2"]

    monkeypatch.setattr(replicas, "service_command", broken)
    expected = r"service exited with status 2; end of .*service\.log:\s+no model at build/models"
    with pytest.raises(RigError, match=expected), started(tmp_path / "out", tools):
        pass
    assert pids_below(tmp_path) == []


@pytest.mark.live
def test_a_signal_ends_the_start(tmp_path: Path, tools: Tools) -> None:
    interruption = Interruption()
    interruption.signal = signal.SIGTERM
    with (
        pytest.raises(Interrupted, match="SIGTERM"),
        Rig(tmp_path / "out", SPEED, tools, SHIPPED, interruption) as running,
    ):
        running.start(SERVICE_RUN)
    assert pids_below(tmp_path) == []


@pytest.mark.live
@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("groups: [", "yaml"),
        ("groups: [{name: a, rules: [{alert: A, expr: 'sum('}]}]", "parse error"),
        ("groups: [{name: a, rules: [{alert: A, expr: up, form: 5m}]}]", "form"),
    ],
)
def test_a_bad_rule_file_is_refused_by_its_name_with_promtools_words(
    tmp_path: Path, tools: Tools, text: str, reason: str
) -> None:
    rules = tmp_path / "mine.yml"
    rules.write_text(text)
    with (
        pytest.raises(UsageError, match=rf"(?s)^{rules}: .*{reason}"),
        started(tmp_path / "out", tools, rules),
    ):
        pass
    assert rules.read_text() == text


@pytest.mark.live
def test_a_rule_file_that_is_missing_is_refused_by_its_name(tmp_path: Path, tools: Tools) -> None:
    with (
        pytest.raises(UsageError, match=r"gone\.yml"),
        started(tmp_path / "out", tools, tmp_path / "gone.yml"),
    ):
        pass


def test_a_folder_with_leftovers_is_refused(tmp_path: Path, tools: Tools) -> None:
    (tmp_path / "verdict.json").write_text("{}")
    with pytest.raises(UsageError, match="leftovers"):
        Rig(tmp_path, SPEED, tools, SHIPPED, Interruption())


def test_a_folder_belongs_to_one_process_until_that_ends(tmp_path: Path) -> None:
    folder = tmp_path / "out"
    holds = "import sys; from pathlib import Path; from driftdrill.rig.rig import new_folder;"
    holds += f" new_folder(Path({str(folder)!r})); print(flush=True); sys.stdin.read()"
    with subprocess.Popen(
        [sys.executable, "-c", holds], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as other:
        assert other.stdout is not None
        other.stdout.readline()
        with pytest.raises(UsageError, match="is the folder of another drill that runs"):
            new_folder(folder)
        other.communicate()
    new_folder(folder)
    new_folder(folder)
