"""A fault never passes: whatever dies in mid-drill, the verdict says that it could not know.

Drills of one kind of fault run at the same time: each mostly waits, and has servers of its own.
"""

from __future__ import annotations

import os
import signal

import psutil
import pytest

pytestmark = pytest.mark.live

KILLED = {
    "--storage.tsdb.path": "prometheus was killed by SIGKILL",
    "--cluster.listen-address": "alertmanager was killed by SIGKILL",
    "target_service": "service was killed by SIGKILL",
    "locustfile.py": "locust was killed by SIGKILL",
}
SIGNALS = ("SIGINT", "SIGTERM")


@pytest.fixture(scope="module")
def killed(run_shared, at_once, calm):
    def kill(word):
        drill = run_shared(calm, "--speed", "60")
        drill.wait_until_running()
        os.kill(drill.process(word), signal.SIGKILL)
        return (drill, *drill.finish())

    return at_once(kill, KILLED)


@pytest.mark.parametrize("word", KILLED)
def test_a_server_that_is_killed_makes_the_drill_inconclusive(killed, word):
    drill, code, verdict = killed[word]
    assert (code, verdict["outcome"]) == (3, "inconclusive")
    assert KILLED[word] in verdict["reasons"][0]
    assert (drill.out / "report.html").exists()
    assert verdict["requests"]["sent"] > 0


@pytest.fixture(scope="module")
def interrupted(run_shared, at_once, calm):
    def interrupt(name):
        drill = run_shared(calm, "--speed", "60")
        drill.wait_until_running()
        drill.signal(signal.Signals[name])
        return (drill, *drill.finish())

    return at_once(interrupt, SIGNALS)


@pytest.mark.parametrize("name", SIGNALS)
def test_an_interrupted_drill_reports_what_it_saw_and_leaves_nothing_running(interrupted, name):
    _, code, verdict = interrupted[name]
    assert (code, verdict["outcome"]) == (3, "inconclusive")
    assert verdict["reasons"][0] == f"interrupted by {name}"


def test_a_harness_that_is_killed_takes_its_servers_with_it(run, calm):
    drill = run(calm, "--speed", "60")
    drill.wait_until_running()
    pids = [drill.process(word) for word in ("--storage.tsdb.path", "locustfile.py")]
    drill.signal(signal.SIGKILL)
    drill.stop()
    for pid in pids:
        _wait_until_gone(pid)


def test_traffic_that_was_not_delivered_is_no_evidence(run, calm):
    """A stopped service answers nothing, so what the schedule wanted was not sent."""
    drill = run(calm, "--speed", "60")
    drill.wait_until_running()
    service = drill.process("target_service")
    os.kill(service, signal.SIGSTOP)
    try:
        code, verdict = drill.finish()
    finally:
        if psutil.pid_exists(service):
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
