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
