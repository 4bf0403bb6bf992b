"""Operations in scenario files, and who gets which request because of them."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

import pytest

from scenarios.spec import find, load
from scenarios.stretch import stretch
from scenarios.traffic import Traffic
from scenarios.yamlfile import BadFileError
from simulators.fleet import NOBODY
from simulators.operations import Canary, Operation

FILE = """\
name: mine
summary: Operations.
model: credit
replicas: 3
traffic: {rate: 5}
labels: {delay: 10s}
phases:
  - name: before
    duration: 10m
  - name: trouble
    duration: 10m
    down: 1
    canary: {build: mislabelled, share: 0.1}
    labels: {coverage: 0.5}
    scan: 2
"""


def written(folder: Path, text: str = FILE) -> Path:
    path = folder / "mine.yaml"
    path.write_text(text)
    return path


def test_what_a_phase_says_is_what_is_done(tmp_path):
    scenario = load(written(tmp_path))
    assert (scenario.replicas, scenario.lost_scrapes, scenario.is_operated) == (3, 0.0, True)
    before, trouble = scenario.schedule.phases
    assert before.operation == Operation()
    assert trouble.operation == Operation(
        down=1, canary=Canary("mislabelled", 0.1), scan=2.0, label_coverage=0.5
    )
    assert [window.name for window in scenario.schedule.windows()] == ["trouble"]


BAD = {
    "more down than there are": ("down: 1", "down: 4", "phases: phase trouble: expected at most 3"),
    "too many replicas": ("replicas: 3", "replicas: 11", "4: replicas: expected 1 to 10"),
    "an unknown build": ("mislabelled", "typo", "canary.build: no build 'typo'; known: usual, mis"),
    "a share over 1": ("share: 0.1", "share: 1.1", "canary.share: expected a share from 0 to 1"),
    "coverage below 0": ("coverage: 0.5", "coverage: -1", "labels.coverage: expected a share"),
    "a negative scan": ("scan: 2", "scan: -2", "15: phases[1].scan: expected hostile requests"),
    "another restart": ("down: 1", "restart: sudden", "phases[1].restart: Invalid enum value"),
    "a restart alone": ("replicas: 3", "replicas: 1", "phase trouble"),
    "lost scrapes": ("replicas: 3", "scrapes: {lost: 2}", "4: scrapes.lost: expected a share"),
}


@pytest.mark.parametrize(("old", "new", "message"), BAD.values(), ids=BAD)
def test_what_cannot_be_is_named_by_file_line_and_key(tmp_path, old, new, message):
    text = FILE.replace(old, new, 1)
    if new == "replicas: 1":
        text = text.replace("down: 1", "restart: rolling")
    with pytest.raises(BadFileError) as caught:
        load(written(tmp_path, text))
    assert message in str(caught.value)


def test_another_number_of_replicas_must_suit_the_phases(tmp_path):
    assert find("steady").with_replicas(3).fleet.places == 3
    scenario = load(written(tmp_path, FILE.replace("down: 1", "down: 2")))
    with pytest.raises(ValueError, match="mine on 1 replicas: phase trouble: expected at most 1"):
        scenario.with_replicas(1)


def test_operations_keep_their_pace_when_a_drill_is_stretched(tmp_path):
    longer = stretch(load(written(tmp_path)), 1.0)
    before, trouble = longer.schedule.phases
    assert (before.duration, trouble.duration) == (86_400 - 600, 600)


def traffic(folder: Path, elapsed: float) -> Traffic:
    """A drill that began so many production seconds ago."""
    return Traffic(load(written(folder)), 60.0, 0, t0=time.time() - elapsed / 60)


def test_requests_take_turns_and_the_canary_gets_its_share(tmp_path):
    made = traffic(tmp_path, 0)
    arrivals = [made.next_arrival() for _ in range(6000)]
    assert [arrival.replica for arrival in arrivals[:6]] == [0, 1, 2, 0, 1, 2]
    during = [arrival.replica for arrival in arrivals[3000:]]
    assert [during.count(place) for place in range(4)] == [1350, 1350, 0, 300]


def test_a_late_request_goes_to_who_serves_when_it_is_sent(tmp_path):
    in_time, late = traffic(tmp_path, 0), traffic(tmp_path, 630)
    assert {in_time.next_arrival().replica for _ in range(2000)} == {0, 1, 2}
    # The third replica is down since 600 s, and the canary has come.
    assert {late.next_arrival().replica for _ in range(2000)} == {0, 1, 3}


def test_outcomes_are_told_to_who_predicted_and_lost_when_nobody_honours_them(tmp_path):
    made = traffic(tmp_path, 0)
    arrivals = [made.next_arrival() for _ in range(3000)]
    made.t0 -= 630 / made.speed
    for arrival in arrivals[2994:]:
        due = arrival.due - 630 / made.speed
        made.answered(arrival._replace(due=due), due, f"token {arrival.replica}")
    told = made.due_labels(10)
    # The third replica is down by now; what it predicted goes to another of its version.
    assert {place for place, labels in told.items() if labels} <= {0, 1}
    tokens = sorted(label.token for labels in told.values() for label in labels)
    assert tokens == ["token 0", "token 0", "token 1", "token 1", "token 2", "token 2"]


def test_failures_that_the_drill_makes_are_excused_and_no_others(tmp_path):
    text = FILE.replace("down: 1", "down: 3").replace(
        "    canary: {build: mislabelled, share: 0.1}\n", ""
    )
    made = Traffic(load(written(tmp_path, text)), 60.0, 0, t0=time.time())
    arrivals = [made.next_arrival() for _ in range(6000)]
    made.failed_on(arrivals[100], arrivals[100].due, "status 500")
    assert (made.failed, made.excused, made.failure) == (1, 0, "status 500")
    assert arrivals[4000].life == NOBODY
    made.failed_on(arrivals[4000], arrivals[4000].due, "no answer")
    assert (made.failed, made.excused, made.failure) == (2, 1, "status 500")
    assert made.status().excuse == "no answer"


def test_outcomes_that_nobody_took_are_counted_but_for_those_that_the_drill_keeps_away(tmp_path):
    made = traffic(tmp_path, 0)
    made.heard(0, 3, taken=True)
    made.heard(1, 2, taken=False)
    made.t0 = time.time() - 10.05  # the third replica has crashed, at 60 times the speed
    made.heard(2, 5, taken=False)
    assert (made.status().told, made.status().untold) == (3, 2)


def test_hostile_requests_are_due_in_their_phase_and_judged_by_their_answer(tmp_path):
    made = traffic(tmp_path, 600)
    first = made.next_hostile()
    assert first.due == pytest.approx(made.t0 + 10)
    made.repelled(first, first.due, first.request.status)
    made.repelled(first, first.due, 200)
    assert (made.status().hostile, made.status().odd) == (2, 1)
    assert sum(1 for _ in iter(made.next_hostile, None)) == 1199


def test_a_drill_without_a_scan_has_no_hostile_request():
    made = Traffic(replace(find("steady")), 60.0, 0, t0=time.time())
    assert made.next_hostile() is None
