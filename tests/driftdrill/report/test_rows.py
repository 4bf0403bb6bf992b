from __future__ import annotations

from dataclasses import replace

import msgspec
from report_examples import MODEL, Drill

from driftdrill.report.rows import headline, rows, run_again
from driftdrill.verdict import Alert, Expectation, judge
from scenarios.expectations import Allow, Expect, Resolve


def test_times_count_from_the_onset_of_the_change(passed: Drill) -> None:
    first, second, *_ = rows(passed.scenario, passed.verdict)
    assert first.cells[2:] == ("10m", "2m", "2m30s", "38m")
    assert second.cells[2:] == ("15m", "5m", "5m30s", "still firing")


def test_a_false_alarm_before_the_onset_is_not_taken_for_the_alert(passed: Drill) -> None:
    early = Alert("ScoreDrift", MODEL, 60.0, 60.0, 120.0, 75.0)
    verdict = msgspec.structs.replace(passed.verdict, alerts=(early, *passed.verdict.alerts))
    assert rows(passed.scenario, verdict)[1].cells[4] == "5m30s"


def test_the_same_alert_expected_twice_counts_from_its_own_onset_each_time(passed: Drill) -> None:
    scenario = replace(
        passed.scenario,
        expects=(Expect("ScoreDrift", {}, 100.0, 60.0), Expect("ScoreDrift", {}, 1000.0, 60.0)),
    )
    verdict = msgspec.structs.replace(
        passed.verdict,
        expectations=(
            Expectation("ScoreDrift", {}, "fires", 60.0, "pass", 10.0),
            Expectation("ScoreDrift", {}, "fires", 60.0, "pass", 20.0),
        ),
        alerts=(
            Alert("ScoreDrift", MODEL, None, 110.0, 200.0, 111.0),
            Alert("ScoreDrift", MODEL, None, 1020.0, 1200.0, 1025.0),
        ),
    )
    assert [row.cells[4] for row in rows(scenario, verdict)] == ["11s", "25s"]


def test_what_must_resolve_and_what_may_fire_have_rows_of_their_own(passed: Drill) -> None:
    first = replace(passed.scenario.expects[0], resolve=Resolve(3000.0, 600.0))
    allow = Allow("HighLatency", {}, 1200.0)
    scenario = replace(passed.scenario, expects=(first,), allows=(allow,))
    calm = tuple(a for a in passed.observation.alerts if a.alert != "ScoreDrift")
    verdict = judge(scenario, msgspec.structs.replace(passed.observation, alerts=calm))
    found = [row.cells[1:] for row in rows(scenario, verdict)]
    assert found[1] == ("resolves", "10m", "-", "-", "8m")
    assert found[2] == ("may fire", "-", "-", "-", "-")
    assert headline(verdict).startswith("1 of 1 expected alerts fired in time; 1 of 1 resolved in")


def test_an_alert_that_broke_its_silence_says_when(failed: Drill) -> None:
    assert rows(failed.scenario, failed.verdict)[-1].cells[1:] == (
        "silent",
        "-",
        "at 11m",
        "at 11m30s",
        "at 15m",
    )


def test_the_headline_counts_what_held(passed: Drill, died: Drill) -> None:
    fired = "2 of 2 expected alerts fired in time; 5 of 5 others stayed silent"
    assert headline(passed.verdict) == fired
    assert headline(died.verdict).endswith("2 could not be known")
    nothing = msgspec.structs.replace(died.verdict, expectations=())
    assert headline(nothing) == "no expectation could be judged"


def test_the_command_repeats_the_drill(passed: Drill) -> None:
    live = "driftdrill run covariate-sudden --live --speed 60 --seed 7"
    assert run_again(passed.verdict) == live
    virtual = msgspec.structs.replace(passed.verdict, mode="virtual", speed=0.0)
    assert run_again(virtual) == "driftdrill run covariate-sudden --virtual --seed 7"
