"""Several load generators send what one would: each request once, whoever comes or goes."""

from __future__ import annotations

import math
import time
from datetime import UTC, datetime

import pytest
from msgspec.structs import replace

from scenarios.roster import LEAD_S, SILENT_S, Roster
from scenarios.spec import find
from scenarios.status import Status
from scenarios.traffic import Arrival, Traffic
from scenarios.turns import ALONE, Turn, Turns

SPEED = 60.0
T0 = 1_000_000.0
BATCHES = """\
name: batches
summary: At first one row in each request, then three.
model: credit
traffic: {rate: 1}
phases:
  - {name: single, duration: 5m}
  - {name: batches, duration: 5m, rows: 3}
"""
STATUS = Status(T0, 1.0, due=0, sent=0, failed=0, late=0.0)


def traffic(turns: Turns = ALONE, me: str = "", scenario: str = "covariate-sudden") -> Traffic:
    made = Traffic(find(scenario), SPEED, seed=0, t0=T0)
    if turns is not ALONE:
        made.divide(turns, me)
    return made


def requests(made: Traffic) -> dict[int, Arrival]:
    return {arrival.number: arrival for arrival in iter(made.next_arrival, None)}


def test_each_request_knows_its_hour_in_the_drill_s_calendar_whatever_the_speed():
    hours = [
        datetime.fromtimestamp(arrival.time, UTC).strftime("%a %H")
        for _, arrival in sorted(requests(traffic(scenario="weekend")).items())
    ]
    assert hours[0] == "Fri 00"
    assert hours[-1] == "Mon 23"
    assert len(set(hours)) == 4 * 24


def test_workers_send_together_exactly_what_one_load_generator_sends():
    turns = Turns((Turn(0.0, ("a", "b", "c")),))
    shares = [requests(traffic(turns, me)) for me in "abc"]
    alone = requests(traffic())
    assert sum(map(len, shares)) == len(alone)
    assert {number: arrival for share in shares for number, arrival in share.items()} == alone
    assert max(map(len, shares)) - min(map(len, shares)) <= 1


def test_who_goes_and_who_joins_in_mid_drill_changes_who_sends_and_not_what():
    first = Turns((Turn(0.0, ("a", "b")),))
    later = first.then(1000.0, ("a", "c"))
    ones = {me: traffic(first, me) for me in "ab"}
    sent = [ones["a"].next_arrival() for _ in range(1500)]  # until 600 s
    ones["a"].divide(later, "a")
    shares = {
        "a": {arrival.number: arrival for arrival in sent} | requests(ones["a"]),
        "b": {n: a for n, a in requests(ones["b"]).items() if (a.due - T0) * SPEED < 1000.0},
        "c": requests(traffic(later, "c")),
    }
    assert sum(map(len, shares.values())) == traffic().scenario.schedule.total_arrivals
    assert min((arrival.due - T0) * SPEED for arrival in shares["c"].values()) >= 1000.0
    assert shares["a"] | shares["b"] | shares["c"] == requests(traffic())


def test_requests_of_many_rows_are_the_same_from_each_worker(tmp_path):
    path = tmp_path / "batches.yaml"
    path.write_text(BATCHES)
    turns = Turns((Turn(0.0, ("a", "b")),))
    alone = requests(traffic(scenario=str(path)))
    assert {len(arrival.rows) for arrival in alone.values()} == {1, 3}
    shares = [requests(traffic(turns, me, str(path))) for me in "ab"]
    assert shares[0] | shares[1] == alone


def test_hostile_requests_take_turns_too():
    turns = Turns((Turn(0.0, ("a", "b")),))
    alone = list(iter(traffic(scenario="url-scan").next_hostile, None))
    shares = [list(iter(traffic(turns, me, "url-scan").next_hostile, None)) for me in "ab"]
    assert shares == [alone[::2], alone[1::2]]


def test_who_has_no_turn_sends_nothing():
    made = traffic(Turns((Turn(0.0, ("a",)),)), "late")
    assert (made.next_arrival(), made.next_hostile(), made.until_next()) == (None, None, math.inf)


def test_the_next_request_is_so_many_seconds_away():
    made = Traffic(find("steady"), SPEED, seed=0, t0=time.time() + 5)
    assert made.until_next() == pytest.approx(5, abs=1)


def test_a_worker_that_falls_silent_gives_its_share_to_the_others():
    roster = Roster(["a", "b"], T0, SPEED)
    for second in range(1, 6):
        roster.hear("a", STATUS, T0 + second)
    now = T0 + 5
    assert roster.review(now)
    assert roster.turns.turns[-1] == Turn((5 + LEAD_S) * SPEED, ("a",))
    assert not roster.review(now)


def test_a_worker_has_time_to_read_the_scenario_before_it_counts_as_silent():
    roster = Roster(["a"], T0, SPEED)
    assert not roster.review(T0 + SILENT_S)
    assert roster.review(T0 + 2 * SILENT_S)
    assert roster.turns.members == ()


def test_a_worker_that_joins_late_gets_its_share():
    roster = Roster(["a"], T0, SPEED)
    roster.hear("b", STATUS, T0 + 1)
    assert roster.review(T0 + 1)
    assert roster.turns.members == ("a", "b")


def test_a_report_of_an_earlier_drill_says_nothing_about_this_one():
    roster = Roster(["a"], T0, SPEED)
    roster.hear("b", replace(STATUS, t0=T0 - 100), T0 + 1)
    assert not roster.review(T0 + 1)


def test_what_a_worker_has_sent_counts_after_it_has_gone():
    roster = Roster(["a", "b"], T0, SPEED)
    roster.hear("a", replace(STATUS, sent=30, failed=2, late=0.5, failure="status 500"), T0 + 1)
    roster.hear("b", replace(STATUS, elapsed=9.0, sent=12, late=0.1, excuse="status 422"), T0 + 9)
    roster.review(T0 + 9)
    total = roster.total(replace(STATUS, due=45))
    assert (total.due, total.sent, total.failed, total.late) == (45, 42, 2, 0.5)
    assert (total.failure, total.workers, total.problem) == ("status 500", 1, "")
    assert total.excuse == "status 422"


def test_a_clock_that_is_off_is_a_problem_that_names_its_worker():
    roster = Roster(["a"], T0, SPEED)
    roster.hear("a", replace(STATUS, elapsed=4.0), T0 + 1)
    assert roster.total(STATUS).problem == "the clock of worker a is off by 3.0 s"
    roster.hear("a", replace(STATUS, elapsed=1.5), T0 + 1.6)
    assert roster.total(STATUS).problem == ""
