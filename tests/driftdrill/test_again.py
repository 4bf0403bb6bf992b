"""`run --again`: the same drill, and whether its verdict is the same."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

SCENARIO = """\
name: brief
summary: Nothing happens.
model: credit
traffic: {rate: 1}
phases: [{name: all, duration: 10m}]
"""
RULES = """\
groups:
  - name: own
    rules: [{alert: Busy, expr: 'sum(rate(http_request_count_total[5m])) > 100'}]
"""


def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "driftdrill", "run", *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.fixture(scope="module")
def first(tmp_path_factory):
    """A folder with a drill and the files that it read."""
    folder = tmp_path_factory.mktemp("again")
    (folder / "brief.yaml").write_text(SCENARIO)
    (folder / "own.yml").write_text(RULES)
    told = ["--virtual", "--seed", "7", "--rules", "own.yml", "--out", "first"]
    done = run(folder, "brief.yaml", *told)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


def test_the_same_drill_has_the_same_verdict_byte_by_byte(first):
    done = run(first, "--again", "first", "--out", "second")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "the verdict is the one of then" in done.stdout
    verdicts = [(first / folder / "verdict.json").read_bytes() for folder in ("first", "second")]
    assert verdicts[0] == verdicts[1]
    assert json.loads(verdicts[1])["seed"] == 7
    told = [(first / folder / "drill.json").read_bytes() for folder in ("first", "second")]
    assert told[0] == told[1]


def test_a_verdict_that_was_another_one_is_told_apart(first, tmp_path):
    shutil.copytree(first / "first", tmp_path / "first")
    verdict = json.loads((tmp_path / "first" / "verdict.json").read_text())
    verdict["versions"]["prometheus"] = "1.0"
    (tmp_path / "first" / "verdict.json").write_text(json.dumps(verdict))
    done = run(tmp_path, "--again", "first", "--out", "second")
    assert done.returncode == 1
    assert "version of prometheus: 1.0 then" in done.stdout


@pytest.mark.parametrize("held", ["", "[]", "{}", '{"mode": 3}'])
def test_a_verdict_that_cannot_be_compared_is_refused_before_the_drill(first, tmp_path, held):
    shutil.copytree(first / "first", tmp_path / "first")
    (tmp_path / "first" / "verdict.json").write_text(held)
    done = run(tmp_path, "--again", "first", "--out", "second")
    assert (done.returncode, (tmp_path / "second").exists()) == (2, False)
    assert "first holds no verdict to compare with" in done.stderr


def test_a_drill_whose_files_have_changed_is_not_repeated(first, tmp_path):
    told = (first / "first" / "drill.json").read_text()
    (tmp_path / "first").mkdir()
    other = tmp_path / "own.yml"
    other.write_text(RULES.replace("100", "1"))
    changed = told.replace(str(first / "own.yml"), str(other))
    (tmp_path / "first" / "drill.json").write_text(changed)
    done = run(tmp_path, "--again", "first")
    assert done.returncode == 2
    assert f"{other} has changed since the drill of first" in done.stderr


@pytest.mark.parametrize("held", [None, "", "{}", "[1", '{"scenario": 3}'])
def test_a_folder_that_does_not_say_what_it_was_told_is_refused(drill, tmp_path, held):
    if held is not None:
        (tmp_path / "drill.json").write_text(held)
    code, _, said = drill("run", "--again", ".")
    assert code == 2
    assert "drill.json: expected what `run` wrote there" in said


def test_other_options_would_make_it_another_drill(first):
    done = run(first, "--again", "first", "--seed", "3")
    assert done.returncode == 2
    assert "--again repeats a drill as it was" in done.stderr


@pytest.fixture(scope="module")
def replayed(first):
    """The same, with a recording and what a replay of it said."""
    done = subprocess.run(
        [sys.executable, "-m", "driftdrill", "record", "brief.yaml", "recording"],
        cwd=first,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    done = run(first, "--replay", "recording", "--rules", "own.yml", "--out", "replayed")
    assert done.returncode == 0, done.stdout + done.stderr
    return first


def test_a_replay_is_repeated_like_a_drill(replayed):
    done = run(replayed, "--again", "replayed", "--out", "replayed-again")
    assert done.returncode == 0, done.stdout + done.stderr
    verdicts = [(replayed / name / "verdict.json") for name in ("replayed", "replayed-again")]
    assert verdicts[0].read_bytes() == verdicts[1].read_bytes()


def _lose_lines(recording):
    lines = (recording / "metrics.om").read_text().splitlines(keepends=True)
    (recording / "metrics.om").write_text("".join(lines[: len(lines) // 2]))


def _lose_a_digit(recording):
    text = (recording / "metrics.om").read_text()
    place = text.index("\n", len(text) // 2) - 1
    other = str((int(text[place]) + 5) % 10)
    (recording / "metrics.om").write_text(text[:place] + other + text[place + 1 :])


def _unsealed(recording):
    about = json.loads((recording / "recording.json").read_text())
    del about["seals"]
    (recording / "recording.json").write_text(json.dumps(about))
    _lose_lines(recording)


def _say(recording, **changes):
    about = json.loads((recording / "recording.json").read_text())
    (recording / "recording.json").write_text(json.dumps({**about, **changes}))


def _last_longer(recording):
    text = (recording / "scenario.yaml").read_text()
    (recording / "scenario.yaml").write_text(text.replace("10m", "40m"))


DAMAGE = {
    "cut off": (_lose_lines, 2, "metrics.om is damaged"),
    "another digit": (_lose_a_digit, 2, "metrics.om is damaged"),
    "cut off, without a seal": (_unsealed, 2, "metrics.om is cut off"),
    "no series": (lambda folder: (folder / "metrics.om").unlink(), 2, "metrics.om is damaged"),
    "shorter than its drill": (lambda folder: _say(folder, duration=300.0), 3, "5m of 10m were"),
    "its drill is longer": (_last_longer, 3, "10m of 40m were watched"),
    "no length": (lambda folder: _say(folder, duration=-1.0), 2, "is not a recording"),
    "endless": (lambda folder: _say(folder, duration=1e300), 2, "is not a recording"),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_recording_never_passes(replayed, tmp_path, damage):
    spoil, code, said = DAMAGE[damage]
    shutil.copytree(replayed / "recording", tmp_path / "recording")
    spoil(tmp_path / "recording")
    done = run(
        tmp_path, "--replay", "recording", "--rules", str(replayed / "own.yml"), "--out", "out"
    )
    assert done.returncode == code, done.stdout + done.stderr
    assert said in " ".join((done.stdout + done.stderr).split())
