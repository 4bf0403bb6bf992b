"""Several processes send one drill's traffic: one is killed, another joins, and nothing is lost."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import httpx
import psutil
import pytest

from driftdrill.rig.process import Process
from scenarios.status import read_statuses

pytestmark = pytest.mark.live

DRILL = """\
name: shared
summary: Nothing changes but who sends the traffic.
model: credit
traffic: {rate: 3}
phases:
  - {name: steady, duration: DURATION}
"""

LIMIT_S = 30.0


def write_drill(folder: Path, duration: str) -> Path:
    path = folder / "shared.yaml"
    path.write_text(DRILL.replace("DURATION", duration))
    return path


def test_workers_come_and_go_and_the_traffic_stays(run, tmp_path):
    # Until a worker is missed its share is not sent: three seconds of a third, of 3% at most.
    path = write_drill(tmp_path, "1h")
    drill = run(str(path), "--speed", "60", "--workers", "3")
    drill.wait_until_running()
    workers = [c for c in drill.children() if "--worker" in c.cmdline()]
    assert len(workers) == 3

    def are_there(count: int) -> bool:
        return read_statuses(drill.out / "traffic.jsonl")[-1].workers == count

    os.kill(workers[0].pid, signal.SIGKILL)
    drill.wait_for(lambda: are_there(2), "worker less")
    master = psutil.Process(drill.process("--master-bind-port")).cmdline()
    port = master[master.index("--master-bind-port") + 1]
    command = [sys.executable, "-m", "driftdrill", "worker", "--master", "127.0.0.1"]
    late = subprocess.Popen([*command, "--port", port])
    try:
        drill.wait_for(lambda: are_there(3), "worker more")
        code, verdict = drill.finish()
        assert (code, verdict["outcome"]) == (0, "pass"), verdict["reasons"]
        gone, joined = verdict["notes"]
        assert gone.startswith("1 of 3 workers went at")
        assert joined.startswith("1 worker joined at")
        assert verdict["requests"]["rate_achieved"] == pytest.approx(3, rel=0.03)
        assert verdict["requests"]["failed"] == 0
        assert late.wait(LIMIT_S) == 0
    finally:
        late.kill()
        late.wait()


def test_workers_of_the_web_page_send_drill_after_drill(tmp_path):
    path = write_drill(tmp_path, "3m")
    command = [sys.executable, "-m", "driftdrill", "up", str(path), "--workers", "2"]
    up = Process("up", [*command, "--out", str(tmp_path / "runs")], log=tmp_path / "up.log")

    def wait_for(pattern: str, times: int = 1) -> list[str]:
        deadline = time.monotonic() + 2 * LIMIT_S
        while len(found := re.findall(pattern, up.log.read_text())) < times:
            assert up.alive, up.describe_exit()
            assert time.monotonic() < deadline, up.log.read_text()
            time.sleep(0.1)
        return found

    try:
        (url,) = wait_for(r"Locust +(http://\S+)")
        wait_for("Service +http")
        for number in (1, 2):
            asked = {"scenario": str(path), "speed": "60", "seed": "0"}
            started = httpx.post(f"{url}/swarm", data=asked, trust_env=False)
            assert started.json()["success"], started.text
            wait_for(r"report\.html", number)
            (out,) = (tmp_path / "runs").glob(f"*-{number}")
            verdict = json.loads((out / "verdict.json").read_text())
            assert verdict["outcome"] == "pass", verdict["reasons"]
            assert verdict["requests"]["rate_achieved"] == pytest.approx(3, rel=0.03)
            assert httpx.get(f"{url}/stats/requests", trust_env=False).json()["workers"]
    finally:
        up.stop()
