"""The study on a small rule file of which it is known what one drill can notice."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time

import pytest

RULES = """\
groups:
  - name: small
    rules:
      - record: traffic:rate
        expr: sum(rate(http_request_count_total{endpoint="/predict"}[5m]))
      - record: nobody:reads
        expr: sum(up)
      - alert: Busy
        expr: traffic:rate > 2
        labels: {severity: info}
"""
SCENARIO = """\
name: rush
summary: Ten times the traffic.
model: credit
traffic: {rate: 0.5}
phases:
  - {name: calm, duration: 20m}
  - {name: rush, duration: 20m, rate: 5}
expect:
  - {alert: Busy, labels: {severity: info}, after: rush, within: 10m}
"""


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("mutate")
    (folder / "drills").mkdir()
    (folder / "drills" / "rush.yaml").write_text(SCENARIO)
    other = SCENARIO.replace("name: rush\n", "name: second\n", 1)
    (folder / "drills" / "second.yaml").write_text(other)
    (folder / "rules.yml").write_text(RULES)
    return folder


def command(files, *options: str) -> list[str]:
    told = ["--scenarios", files / "drills", "--rules", files / "rules.yml", "--out", files / "out"]
    return [sys.executable, "-m", "driftdrill", "mutate", *map(str, told), *options]


def mutate(files, *options: str) -> subprocess.CompletedProcess[str]:
    """The same study goes on where it ended before, so only the first one takes its time."""
    return subprocess.run(
        command(files, *options), capture_output=True, text=True, timeout=240, check=False
    )


def lines(files) -> list[bytes]:
    return [line for path in files.glob("out/*") for line in path.read_bytes().split(b"\n") if line]


def test_a_study_that_is_interrupted_says_what_it_found_and_that_more_is_to_come(files):
    found = files / "half.json"
    with subprocess.Popen(
        command(files, "--json", str(found)), stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    ) as study:
        deadline = time.monotonic() + 120
        while not lines(files):
            assert study.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.01)
        study.send_signal(signal.SIGINT)
        said, _ = study.communicate(timeout=60)
    told = json.loads(found.read_text())
    assert study.returncode == 3, said
    assert (told["score"], told["survivors"]) == (None, [])
    assert 0 < told["undecided"] == told["mutants"] - told["noticed"]
    assert b"mutants are undecided" in said


def test_what_was_found_is_not_asked_again_and_unfinished_lines_are(files):
    (journal,) = files.glob("out/rush*")
    *kept, _ = before = journal.read_bytes()[:-2].splitlines()
    journal.write_bytes(b"\n".join(before))
    assert mutate(files, "--json", str(files / "whole.json")).returncode in {0, 1}
    assert json.loads((files / "whole.json").read_text())["undecided"] == 0
    assert journal.read_bytes().splitlines()[: len(before)] == before
    assert all(journal.read_bytes().splitlines().count(line) == 1 for line in kept if line)


def test_damage_that_a_drill_notices_is_told_from_damage_that_it_does_not(files):
    done = mutate(files, "--at-least", "0.9", "--json", str(files / "found.json"))
    found = json.loads((files / "found.json").read_text())
    assert done.returncode == 0, done.stdout + done.stderr
    told = {(one["rule"], one["operator"], one["change"]) for one in found["kills"]}
    assert ("Busy", "rule dropped", "") in told
    assert ("Busy", "severity", "info -> page") in told
    assert ("Busy", "threshold", "2 -> 20") in told
    assert ("Busy", "threshold", "2 -> 0.2") in told
    assert (
        "traffic:rate",
        "wrong metric",
        "http_request_count_total -> http_request_count_totalx",
    ) in told
    left = {(one["rule"], one["operator"], one["change"]) for one in found["survivors"]}
    assert left == {("Busy", "comparator", "> -> >=")}
    assert not [
        one for one in (*found["kills"], *found["survivors"]) if one["rule"] == "nobody:reads"
    ]
    assert found["mutants"] == len(told) + len(left)
    assert found["score"] == pytest.approx(len(told) / found["mutants"])
    assert "Busy: comparator: > -> >=" in done.stdout


def test_an_argument_takes_its_mutants_out_of_the_score_and_idle_ones_are_named(files):
    (files / "argued.yml").write_text(
        "equivalent:\n"
        '  - {mutant: "*: comparator: > -> >=", because: They differ at one point.}\n'
        '  - {mutant: "Nobody: *", because: There is no such rule.}\n'
    )
    done = mutate(
        files, "--equivalent", str(files / "argued.yml"), "--json", str(files / "two.json")
    )
    found = json.loads((files / "two.json").read_text())
    assert (done.returncode, found["score"]) == (0, 1.0), done.stdout
    assert all(one["argument"] for one in found["survivors"])
    assert "Nobody: *" in done.stdout


def test_a_survivor_that_is_accepted_is_told_with_its_reason_and_still_counts(files):
    (files / "accepted.yml").write_text(
        "accepted:\n"
        '  - {mutant: "Busy: comparator: > -> >=", because: Nobody sends so even a traffic.}\n'
        '  - {mutant: "Busy: comparator: > -> <", because: It is noticed.}\n'
    )
    done = mutate(
        files, "--equivalent", str(files / "accepted.yml"), "--json", str(files / "three.json")
    )
    found = json.loads((files / "three.json").read_text())
    assert found["score"] == pytest.approx(found["noticed"] / found["mutants"])
    assert (found["equivalent"], found["unargued"]) == (0, 0)
    assert [one["accepted"] for one in found["survivors"]] == ["Nobody sends so even a traffic."]
    assert "Busy: comparator: > -> >=\n    Nobody sends so even a traffic." in done.stdout
    assert "it would be argued: Busy: comparator: > -> <" in done.stdout
    assert "Of the 1 that nobody noticed, 0 have no reason yet" in done.stdout


RULE_TEST = """\
rule_files: [../rules/rules.yml]
evaluation_interval: 1m
tests:
  - interval: 1m
    input_series: [{series: 'http_request_count_total{endpoint="/predict"}', values: '0+120x9'}]
    alert_rule_test: [{alertname: Busy, eval_time: 8m, exp_alerts: FOUND}]
"""


@pytest.mark.parametrize(("found", "said"), [("[]", False), ("[{}]", True)])
def test_a_rule_test_that_is_said_to_notice_a_survivor_is_asked(files, found, said):
    """At exactly 2 requests/s the alert is silent, and with >= it is not."""
    (files / "busy.yml").write_text(RULE_TEST.replace("FOUND", found))
    (files / "tested.yml").write_text(
        "accepted:\n"
        '  - {mutant: "Busy: comparator: > -> >=", because: Too even., noticed_by: busy.yml}\n'
    )
    done = mutate(files, "--equivalent", str(files / "tested.yml"))
    assert "Too even. busy.yml does." in done.stdout
    assert ("busy.yml does not notice, as it is said to: Busy: comparator" in done.stdout) is said


def test_rules_that_fail_as_they_are_can_tell_nothing(files, tmp_path):
    sound = (files / "rules.yml").read_text()
    (tmp_path / "rules.yml").write_text(sound.replace("> 2", "> 200"))
    (tmp_path / "drills").mkdir()
    (tmp_path / "drills" / "rush.yaml").write_text(SCENARIO)
    done = mutate(tmp_path)
    assert done.returncode == 3
    assert "rush does not pass with the rules as they are" in done.stderr
    assert 'Busy{severity="info"} did not fire' in done.stderr


def test_an_argument_without_a_reason_is_refused_by_line(files, tmp_path):
    path = tmp_path / "argued.yml"
    path.write_text('equivalent:\n  - {mutant: "*", because: " "}\n')
    done = mutate(files, "--equivalent", str(path))
    assert done.returncode == 2
    assert f"{path}:2: equivalent[0].because: expected the reason" in done.stderr
