"""Several processes send one drill's traffic: one is killed, another joins, and nothing is lost."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import psutil
import pytest

pytestmark = [pytest.mark.live, pytest.mark.alone]

DRILL = """\
name: shared
summary: Nothing changes but who sends the traffic.
model: credit
traffic: {rate: 5}
phases:
  - {name: steady, duration: 40m}
"""

LIMIT_S = 30.0


def statuses(out: Path) -> list[dict[str, Any]]:
    lines = (out / "traffic.jsonl").read_text().splitlines()
    return [json.loads(line) for line in lines]


def wait_for_workers(out: Path, count: int) -> None:
    deadline = time.monotonic() + LIMIT_S
    while statuses(out)[-1]["workers"] != count:
        assert time.monotonic() < deadline, statuses(out)[-1]
        time.sleep(0.1)


def test_workers_come_and_go_and_the_traffic_stays(run, tmp_path):
    path = tmp_path / "shared.yaml"
    path.write_text(DRILL)
    drill = run(str(path), "--speed", "60", "--workers", "3")
    drill.wait_until_running()
    workers = [c for c in drill.children() if "--worker" in c.cmdline()]
    assert len(workers) == 3
    os.kill(workers[0].pid, signal.SIGKILL)
    wait_for_workers(drill.out, 2)
    master = psutil.Process(drill.process("--master-bind-port")).cmdline()
    port = master[master.index("--master-bind-port") + 1]
    command = [sys.executable, "-m", "driftdrill", "worker", "--master", "127.0.0.1"]
    late = subprocess.Popen([*command, "--port", port])
    try:
        wait_for_workers(drill.out, 3)
        code, verdict = drill.finish()
        assert (code, verdict["outcome"]) == (0, "pass"), verdict["reasons"]
        gone, joined = verdict["notes"]
        assert gone.startswith("1 of 3 workers went at")
        assert joined.startswith("1 worker joined at")
        assert verdict["requests"]["rate_achieved"] == pytest.approx(5, rel=0.03)
        assert verdict["requests"]["failed"] == 0
        assert late.wait(LIMIT_S) == 0
    finally:
        late.kill()
        late.wait()
