from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from driftdrill.rig.process import Process

Ends = Callable[[int], bool]

STUBBORN = """
import signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print("ready", flush=True)
time.sleep(300)
"""


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "process.log"


def first_line(log: Path) -> str:
    """The first line that the process writes."""
    deadline = time.monotonic() + 20
    while "\n" not in log.read_text():
        assert time.monotonic() < deadline, "the process wrote nothing"
        time.sleep(0.02)
    return log.read_text().splitlines()[0]


def test_a_process_is_stopped_by_sigterm(log: Path) -> None:
    process = Process("sleeper", ["sh", "-c", "echo up; exec sleep 300"], log=log)
    first_line(log)
    assert process.alive
    process.stop()
    assert process.returncode == -15
    assert "sleeper was killed by SIGTERM" in process.describe_exit()


def test_a_gated_process_goes_on_when_it_is_released(log: Path) -> None:
    script = "echo waiting; read line; echo released; exec sleep 300"
    process = Process("standby", ["sh", "-c", script], log=log, gated=True)
    assert first_line(log) == "waiting"
    assert not process.said("released")
    process.release()
    deadline = time.monotonic() + 20
    while not process.said("released"):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    process.stop()
    assert not process.alive


def test_a_gated_process_that_is_never_released_is_stopped_as_any_other(log: Path) -> None:
    script = "echo waiting; read line && echo released"
    process = Process("standby", ["sh", "-c", script], log=log, gated=True)
    first_line(log)
    process.stop()
    assert not process.alive
    assert not process.said("released")


def test_one_that_ignores_sigterm_is_killed(log: Path) -> None:
    process = Process("stubborn", [sys.executable, "-c", STUBBORN], log=log)
    assert first_line(log) == "ready"
    process.stop(grace=0.2)
    assert process.returncode == -9


def test_what_a_process_started_is_stopped_with_it(log: Path, ends: Ends) -> None:
    process = Process("parent", ["sh", "-c", "sleep 300 & echo $!; wait"], log=log)
    grandchild = int(first_line(log))
    process.stop()
    assert ends(grandchild)


def test_what_a_process_started_ends_when_the_process_dies(log: Path, ends: Ends) -> None:
    process = Process("parent", ["sh", "-c", "sleep 300 & echo $!; exit 3"], log=log)
    grandchild = int(first_line(log))
    assert ends(process.pid)
    assert process.returncode == 3
    assert ends(grandchild)


def test_an_exit_is_described_with_its_status_and_the_end_of_the_log(log: Path) -> None:
    process = Process("failing", ["sh", "-c", "seq 100; echo no such flag >&2; exit 2"], log=log)
    while process.alive:
        time.sleep(0.02)
    told = process.describe_exit(lines=2)
    assert "failing exited with status 2" in told
    assert told.endswith(":\n    100\n    no such flag")
    process.stop()
    assert process.returncode == 2


def test_a_program_that_does_not_exist_is_named_in_the_log(log: Path, ends: Ends) -> None:
    process = Process("ghost", ["no-such-program"], log=log)
    assert ends(process.pid)
    assert process.returncode == 1
    assert log.read_text() == "cannot start no-such-program: No such file or directory\n"


def test_a_process_dies_with_a_harness_that_is_killed(log: Path, ends: Ends) -> None:
    harness = """
import sys, time
from pathlib import Path
from driftdrill.rig.process import Process
process = Process("orphan", ["sleep", "300"], log=Path(sys.argv[1]))
print(process.pid, flush=True)
time.sleep(300)
"""
    with subprocess.Popen(
        [sys.executable, "-c", harness, str(log)], stdout=subprocess.PIPE, text=True
    ) as started:
        assert started.stdout is not None
        child = int(started.stdout.readline())
        started.kill()
    assert ends(child)


def test_a_process_gets_its_folder_and_environment(log: Path, tmp_path: Path) -> None:
    command = ["/bin/sh", "-c", 'echo "$PWD $WORD"']
    process = Process("teller", command, cwd=tmp_path, env={"WORD": "hello"}, log=log)
    assert first_line(log) == f"{tmp_path} hello"
    process.stop()
