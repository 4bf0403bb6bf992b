"""Replicas that start, stop and change in the middle of a drill, on real servers."""

from __future__ import annotations

import json
import signal
import time
from pathlib import Path

import pytest

pytestmark = pytest.mark.live

DAY_AT_WORK = """
name: day-at-work
summary: Everything that can be done to a service in a quarter of an hour.
model: credit
replicas: 2
traffic: {rate: 3}
labels: {delay: 1m}
phases:
  - {name: before, duration: 2m}
  - {name: restart, duration: 4m, restart: rolling}
  - {name: one-down, duration: 5m, down: 1, scan: 2}
  - {name: back, duration: 2m}
  - {name: canary, duration: 3m, canary: {build: mislabelled, share: 0.25}}
expect:
  - {alert: TargetDown, after: one-down, within: 5m}
"""

RESTARTS = """
name: restarts
summary: The service restarts, and whoever drills presses Ctrl-C.
model: credit
replicas: 3
traffic: {rate: 3}
phases:
  - {name: before, duration: 1m}
  - {name: restart, duration: 1h, restart: rolling}
"""


def write(folder: Path, text: str) -> str:
    path = folder / "drill.yaml"
    path.write_text(text)
    return str(path)


def test_replicas_restart_crash_and_join_and_only_the_crash_may_cut_a_request_off(run, tmp_path):
    drill = run(write(tmp_path, DAY_AT_WORK), "--speed", "60")
    code, verdict = drill.finish()
    assert (code, verdict["reasons"]) == (0, [])
    (alert,) = [alert for alert in verdict["alerts"] if alert["firing_at"] is not None]
    assert alert["alert"] == "TargetDown"
    status = json.loads((drill.out / "traffic.jsonl").read_text().splitlines()[-1])
    assert status["hostile"] == pytest.approx(600, abs=10)
    assert status["odd"] == 0
    assert verdict["requests"]["failed"] == status["failed"] == status["excused"] < 10
    (targets,) = json.loads((drill.out / "targets.json").read_text())
    assert len(targets["targets"]) == 3  # the canary's is the third


def test_ctrl_c_in_the_middle_of_a_restart_leaves_nothing_running(run, tmp_path):
    drill = run(write(tmp_path, RESTARTS), "--speed", "60")
    drill.wait_until_running()
    time.sleep(1.5)
    drill.signal(signal.SIGINT)
    code, verdict = drill.finish()
    assert (code, verdict["reasons"][0]) == (3, "interrupted by SIGINT")
