"""A fault never passes: whatever dies in mid-drill, the verdict says that it could not know."""

from __future__ import annotations

import os
import signal

import pytest

pytestmark = pytest.mark.live


@pytest.mark.parametrize(
    ("word", "named"),
    [
        ("--storage.tsdb.path", "prometheus was killed by SIGKILL"),
        ("--cluster.listen-address", "alertmanager was killed by SIGKILL"),
        ("target_service", "service was killed by SIGKILL"),
        ("locustfile.py", "locust was killed by SIGKILL"),
    ],
)
def test_a_server_that_is_killed_makes_the_drill_inconclusive(run, word, named):
    drill = run("steady", "--speed", "60")
    drill.wait_until_running()
    os.kill(drill.process(word), signal.SIGKILL)
    code, verdict = drill.finish()
    assert (code, verdict["outcome"]) == (3, "inconclusive")
    assert named in verdict["reasons"][0]
    assert (drill.out / "report.html").exists()
    assert verdict["requests"]["sent"] > 0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_drill_reports_what_it_saw_and_leaves_nothing_running(run, number):
    drill = run("steady", "--speed", "60")
    drill.wait_until_running()
    drill.signal(number)
    code, verdict = drill.finish()
    assert (code, verdict["outcome"]) == (3, "inconclusive")
    assert verdict["reasons"][0] == f"interrupted by {number.name}"


def test_a_harness_that_is_killed_takes_its_servers_with_it(run):
    drill = run("steady", "--speed", "60")
    drill.wait_until_running()
    pids = [drill.process(word) for word in ("--storage.tsdb.path", "locustfile.py")]
    drill.signal(signal.SIGKILL)
    drill.stop()
    for pid in pids:
        _wait_until_gone(pid)


def test_traffic_that_was_not_delivered_is_no_evidence(run):
    """A stopped service answers nothing, so what the schedule wanted was not sent."""
    drill = run("steady", "--speed", "120")
    drill.wait_until_running()
    service = drill.process("target_service")
    os.kill(service, signal.SIGSTOP)
    try:
        code, verdict = drill.finish()
    finally:
        if os.path.exists(f"/proc/{service}"):  # noqa: PTH110
            os.kill(service, signal.SIGKILL)
    assert code == 3, verdict
    assert any("late" in reason or "not delivered" in reason for reason in verdict["reasons"])


def _wait_until_gone(pid: int) -> None:
    for _ in range(400):
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return
        signal.sigtimedwait([], 0.05)
    raise AssertionError(f"process {pid} was left behind")
