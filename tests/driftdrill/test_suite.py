"""The whole catalogue at once: one table, one JUnit file, one exit code, and Ctrl-C in between."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from xml.etree import ElementTree

import psutil
import pytest

from scenarios.spec import CATALOGUE, catalogue

SCENARIO = """\
name: {name}
summary: Nothing happens.
model: credit
traffic: {{rate: 5}}
phases:
  - {{name: one, duration: {lengths[0]}}}
  - {{name: two, duration: {lengths[1]}}}
expect: [{expect}]
"""
RULES = """\
groups:
  - name: g
    rules:
      - {alert: Asked, expr: sum(model_score_count) > 100}
"""
SLOW = """\
      - {alert: Slow, expr: "sum(max_over_time(model_feature_bucket[2d])) < 0"}
"""
"""For what is to happen while Prometheus evaluates: a second or two, in a drill of two days."""

SHORT_S = 6 * 3600

FIRES = "{alert: Asked, after: one, within: 2m}"


@pytest.fixture
def suite(tmp_path) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Start the command on scenarios that the test wrote into `tmp_path`."""
    (tmp_path / "rules.yml").write_text(RULES)
    with ExitStack() as stack:

        def start(*arguments: str) -> subprocess.Popen[str]:
            own = ["--scenarios", ".", "--rules", "rules.yml", "--out", "results"]
            running = subprocess.Popen(
                [sys.executable, "-m", "driftdrill", "suite", *own, *arguments],
                cwd=tmp_path,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
            )
            stack.enter_context(running)
            stack.callback(running.terminate)
            return running

        yield start


def write(
    folder: Path, name: str, expect: str = FIRES, lengths: tuple[str, str] = ("2m", "1m")
) -> None:
    text = SCENARIO.format(name=name, expect=expect, lengths=lengths)
    (folder / f"{name}.yaml").write_text(text)


def suites(file: Path) -> dict[str, tuple[int, int]]:
    """Failures and errors by drill."""
    found = ElementTree.parse(file).getroot().iter("testsuite")
    return {s.get("name", ""): (int(s.get("failures", 0)), int(s.get("errors", 0))) for s in found}


def test_every_drill_is_in_the_table_and_in_one_junit_file_and_the_worst_decides(suite, tmp_path):
    write(tmp_path, "good")
    write(tmp_path, "noisy", expect="")
    write(tmp_path, "short", expect="", lengths=("1s", "1s"))
    running = suite("--junit", "junit.xml")
    said, _ = running.communicate(timeout=60)
    assert running.returncode == 1, said
    assert 'noisy: Asked{drill="true"} fired at 1m, but nothing expects it' in said
    assert "short lasts under 60s: too short to scrape twice" in said
    assert "3 drills in" in said
    assert "1 passed, 1 failed, 1 inconclusive" in said
    assert suites(tmp_path / "junit.xml") == {"good": (0, 0), "noisy": (1, 0), "short": (0, 1)}
    assert (tmp_path / "results" / "good" / "report.html").exists()


def record(folder: Path, *names: str) -> None:
    for name in names:
        command = [sys.executable, "-m", "driftdrill", "record", f"{name}.yaml", f"kept/{name}"]
        subprocess.run(command, cwd=folder, check=True, capture_output=True)


def test_rules_that_changed_are_held_against_drills_that_are_kept(tmp_path):
    write(tmp_path, "good")
    write(tmp_path, "also-good")
    (tmp_path / "kept" / "notes").mkdir(parents=True)
    record(tmp_path, "good", "also-good")
    for threshold, outcome in ((100, (0, 0)), (100_000, (1, 0))):
        (tmp_path / "rules.yml").write_text(RULES.replace("100", str(threshold)))
        command = ["suite", "--replay", "kept", "--rules", "rules.yml", "--out", str(threshold)]
        done = subprocess.run(
            [sys.executable, "-m", "driftdrill", *command],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == outcome[0], done.stdout + done.stderr
        report = suites(tmp_path / str(threshold) / "junit.xml")
        assert report == {"good": outcome, "also-good": outcome}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--replay", "nowhere"], "no recording below nowhere matches '*'; known: none"),
        (["--replay", ".", "--live"], "--replay drives nothing"),
    ],
)
def test_a_suite_without_recordings_says_so(tmp_path, arguments, message):
    command = [sys.executable, "-m", "driftdrill", "suite", *arguments, "--out", "results"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, message in done.stderr) == (2, True), done.stderr
    assert not (tmp_path / "results").exists()


def test_the_longest_drills_of_the_catalogue_pass_virtually(tmp_path):
    """Of the others tests/driftdrill/virtual/test_engines.py tells that, and more."""
    longest = [drill.name for drill in catalogue() if drill.schedule.duration > SHORT_S]
    folder = tmp_path / "longest"
    folder.mkdir()
    for name in longest:
        shutil.copy(CATALOGUE / f"{name}.yaml", folder)
    asked = ["suite", "--virtual", "--scenarios", str(folder), "--out", "results"]
    command = [sys.executable, "-m", "driftdrill", *asked]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert suites(tmp_path / "results" / "junit.xml") == dict.fromkeys(longest, (0, 0))


def test_ctrl_c_keeps_what_was_done_and_leaves_nothing_running(suite, tmp_path):
    with (tmp_path / "rules.yml").open("a") as rules:
        rules.write(SLOW)
    write(tmp_path, "first", lengths=("49h", "1m"))
    write(tmp_path, "second", lengths=("48h", "1m"))
    write(tmp_path, "third")
    running = suite("--jobs", "1")
    assert running.stdout.readline().startswith("PASS  first")
    children = wait_for_prometheus(running.pid)
    running.send_signal(signal.SIGINT)
    said, _ = running.communicate(timeout=60)
    assert running.returncode == 3, said
    assert "second: interrupted by SIGINT" in said
    assert "third: not run: interrupted by SIGINT" in said
    assert "1 passed, 0 failed, 2 inconclusive" in said
    junit = suites(tmp_path / "results" / "junit.xml")
    assert junit == {"first": (0, 0), "second": (0, 1), "third": (0, 1)}
    assert not [child for child in children if child.is_running()]


def wait_for_prometheus(suite: int) -> list[psutil.Process]:
    """The processes below the suite's, once a drill's Prometheus is among them."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        children = psutil.Process(suite).children(recursive=True)
        if any("prometheus" in child.name() for child in children):
            return children
        time.sleep(0.02)
    raise AssertionError("no Prometheus was started")


def test_a_pattern_that_nothing_matches_is_answered_with_the_names(suite, tmp_path):
    write(tmp_path, "good")
    running = suite("bad*")
    said, _ = running.communicate(timeout=60)
    assert (running.returncode, "known: good" in said) == (2, True), said
