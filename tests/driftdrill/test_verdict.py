"""The verdict, as sentences."""

from pathlib import Path

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from driftdrill.verdict import Alert, Observation, judge
from scenarios.spec import Expect, Scenario
from simulators.schedule import Phase, Ramp, Schedule

ONSET = 1200.0
SCENARIO = Scenario(
    name="made-up",
    summary="Something changes after twenty minutes.",
    model="credit",
    schedule=Schedule((Phase("calm", ONSET, Ramp(5, 5)), Phase("change", 2400, Ramp(5, 5)))),
    label_delay=300,
    label_coverage=1.0,
    expects=(Expect("FeatureDrift", {"feature": "income"}, ONSET, 600.0),),
    path=Path("made-up.yaml"),
)
RULES = ("FeatureDrift", "ScoreDrift")


def alert(name="FeatureDrift", feature="income", firing=1500.0, notified=1510.0) -> Alert:
    return Alert(name, {"feature": feature, "model": "credit"}, None, firing, None, notified)


def seen(*alerts: Alert, **changes) -> Observation:
    observation = Observation("live", 60.0, 0, 3600.0, rules=RULES, alerts=alerts)
    return msgspec.structs.replace(observation, **changes)


def test_an_alert_that_fires_in_time_and_arrives_passes():
    verdict = judge(SCENARIO, seen(alert()))
    assert (verdict.outcome, verdict.reasons) == ("pass", ())
    line = verdict.expectations[0]
    assert (line.alert, line.kind, line.outcome, line.delay_s) == (
        "FeatureDrift", "fires", "pass", 300.0,
    )  # fmt: skip
    assert [(e.alert, e.kind) for e in verdict.expectations[1:]] == [("ScoreDrift", "silent")]


def test_a_virtual_alert_needs_no_notification():
    unnotified = alert(notified=None)
    assert judge(SCENARIO, seen(unnotified)).outcome == "fail"
    assert judge(SCENARIO, seen(unnotified, mode="virtual", speed=0.0)).outcome == "pass"


def test_silence_fails():
    verdict = judge(SCENARIO, seen())
    assert verdict.outcome == "fail"
    assert verdict.reasons == (
        'FeatureDrift{feature="income"} did not fire within 10m of the change',
    )


def test_the_right_alert_for_the_wrong_feature_fails_twice():
    verdict = judge(SCENARIO, seen(alert(feature="age")))
    assert verdict.outcome == "fail"
    assert len(verdict.reasons) == 2
    assert 'feature="age"' in verdict.reasons[1]
    assert "nothing expects it" in verdict.reasons[1]


def test_a_late_alert_fails():
    verdict = judge(SCENARIO, seen(alert(firing=2000.0)))
    assert verdict.outcome == "fail"
    assert "13m20s after the change, not within 10m" in verdict.reasons[0]


def test_an_alert_that_fired_before_the_change_is_a_false_alarm_even_if_it_fires_again():
    verdict = judge(SCENARIO, seen(alert(firing=600.0), alert(firing=1500.0)))
    assert verdict.outcome == "fail"
    assert "fired 10m before the change" in verdict.reasons[0]


def test_an_alert_that_reaches_nobody_fails():
    verdict = judge(SCENARIO, seen(alert(notified=None)))
    assert verdict.outcome == "fail"
    assert "no notification" in verdict.reasons[0]


def test_an_alert_that_only_pends_has_not_fired():
    pending = Alert("ScoreDrift", {}, 1500.0, None)
    assert judge(SCENARIO, seen(alert(), pending)).outcome == "pass"
    waiting = Alert("FeatureDrift", {"feature": "income"}, 1500.0, None)
    assert judge(SCENARIO, seen(waiting)).outcome == "fail"


def test_a_missing_rule_is_named():
    verdict = judge(SCENARIO, seen(rules=("ScoreDrift",)))
    assert verdict.outcome == "fail"
    assert "no loaded rule has this name" in verdict.reasons[0]


def test_no_rules_at_all_is_no_silence():
    quiet = msgspec.structs.replace(seen(), rules=())
    scenario = Scenario(**{**vars(SCENARIO), "expects": ()})
    verdict = judge(scenario, quiet)
    assert verdict.outcome == "inconclusive"
    assert verdict.reasons == ("no alerting rule is loaded",)


def test_a_drill_that_ended_early_cannot_say_that_nothing_fired():
    verdict = judge(SCENARIO, seen(observed_s=1300.0, faults=("Prometheus was killed by SIGKILL",)))
    assert verdict.outcome == "inconclusive"
    assert verdict.reasons[0] == "Prometheus was killed by SIGKILL"
    assert {line.outcome for line in verdict.expectations} == {"inconclusive"}


ALERTS = st.lists(
    st.builds(
        alert,
        name=st.sampled_from([*RULES, "Other"]),
        feature=st.sampled_from(["income", "age"]),
        firing=st.none() | st.floats(0, 3600),
        notified=st.none() | st.floats(0, 3600),
    ),
    max_size=4,
)
GOODNESS = {"fail": 0, "inconclusive": 1, "pass": 2}


@given(ALERTS, st.floats(0, 3600))
def test_one_more_unexpected_alert_never_improves_the_outcome(alerts, firing):
    before = judge(SCENARIO, seen(*alerts))
    after = judge(SCENARIO, seen(*alerts, alert("ScoreDrift", "x", firing)))
    assert GOODNESS[after.outcome] <= GOODNESS[before.outcome]
    assert after.outcome != "pass"


@given(ALERTS)
def test_a_fault_never_passes(alerts):
    assert judge(SCENARIO, seen(*alerts, faults=("a gap",))).outcome == "inconclusive"
