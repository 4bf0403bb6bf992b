"""The verdict, as sentences."""

from dataclasses import replace
from pathlib import Path

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from driftdrill.verdict import Alert, Observation, judge
from scenarios.expectations import Allow, Expect, Resolve
from scenarios.spec import Scenario
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


END = 3000.0
RESOLVING = replace(
    SCENARIO, expects=(replace(SCENARIO.expects[0], resolve=Resolve(END, within=300.0)),)
)
ALLOWING = replace(SCENARIO, allows=(Allow("ScoreDrift", {}, ONSET),))


def alert(
    name="FeatureDrift", feature="income", firing=1500.0, notified=1510.0, resolved=None
) -> Alert:
    return Alert(name, {"feature": feature, "model": "credit"}, None, firing, resolved, notified)


def seen(*alerts: Alert, **changes) -> Observation:
    observation = Observation("live", 60.0, 0, 3600.0, rules=RULES, alerts=alerts)
    return msgspec.structs.replace(observation, **changes)


def test_an_allowed_alert_may_fire_so_many_times_and_no_more():
    twice = [alert("ScoreDrift", firing=time) for time in (1300.0, 1900.0)]
    for at_most, outcome in ((1, "fail"), (2, "pass"), (None, "pass")):
        drill = replace(SCENARIO, allows=(Allow("ScoreDrift", {}, ONSET, at_most),))
        verdict = judge(drill, seen(alert(), *twice))
        assert verdict.outcome == outcome
        said = () if outcome == "pass" else ("ScoreDrift fired 2 times, and may 1 at most",)
        assert verdict.reasons == said


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


def test_an_alert_that_nothing_expects_fails_beside_the_right_one():
    verdict = judge(SCENARIO, seen(alert(), alert("ScoreDrift")))
    assert verdict.outcome == "fail"
    (reason,) = verdict.reasons
    assert reason.startswith("ScoreDrift{")
    assert reason.endswith("but nothing expects it")


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


def resolution(*alerts: Alert, **changes) -> tuple[str, float | None, str]:
    """The verdict, and the line on the resolving."""
    verdict = judge(RESOLVING, seen(*alerts, **changes))
    line = verdict.expectations[1]
    assert (line.alert, line.kind, line.deadline_s) == ("FeatureDrift", "resolves", 300.0)
    return line.outcome, line.delay_s, verdict.outcome


def test_an_alert_that_is_over_in_time_has_resolved():
    assert resolution(alert(resolved=3200.0)) == ("pass", 200.0, "pass")


def test_an_alert_may_be_over_before_the_change_is():
    assert resolution(alert(resolved=2900.0)) == ("pass", -100.0, "pass")


def test_an_alert_that_is_over_too_late_fails():
    assert resolution(alert(resolved=3400.0)) == ("fail", 400.0, "fail")


def test_an_alert_that_goes_on_firing_fails():
    assert resolution(alert()) == ("fail", None, "fail")


def test_every_life_of_an_alert_must_be_over():
    again = alert(firing=3100.0, resolved=3350.0)
    assert resolution(alert(resolved=2000.0), again) == ("fail", 350.0, "fail")


def test_an_alert_that_never_fired_has_not_resolved():
    assert resolution() == ("fail", None, "fail")


def test_a_drill_that_ended_before_the_deadline_cannot_say_whether_an_alert_resolved():
    assert resolution(alert(), observed_s=3250.0) == ("inconclusive", None, "inconclusive")


def test_an_allowed_alert_may_fire_and_need_not():
    for alerts, delay in (((alert(),), None), ((alert(), alert("ScoreDrift")), 300.0)):
        verdict = judge(ALLOWING, seen(*alerts))
        assert verdict.outcome == "pass"
        line = verdict.expectations[1]
        assert (line.alert, line.kind, line.delay_s) == ("ScoreDrift", "may", delay)


def test_an_allowed_alert_that_fires_before_it_is_allowed_fails():
    verdict = judge(ALLOWING, seen(alert(), alert("ScoreDrift", firing=600.0)))
    assert verdict.outcome == "fail"
    assert "ScoreDrift" in verdict.reasons[0]


TWICE = replace(SCENARIO, expects=(*SCENARIO.expects, replace(SCENARIO.expects[0], onset=2400.0)))


def test_an_alert_that_must_fire_twice_does_so():
    first, second = alert(resolved=2000.0), alert(firing=2500.0, notified=2510.0)
    assert judge(TWICE, seen(first, second)).outcome == "pass"
    assert judge(TWICE, seen(first)).outcome == "fail"


def test_an_alert_that_still_fires_before_the_next_change_may_be_over_by_then():
    first, second = judge(TWICE, seen(alert(), observed_s=2000.0)).expectations[:2]
    assert (first.outcome, second.outcome) == ("pass", "inconclusive")


def test_an_alert_that_still_fires_when_the_next_change_comes_does_not_find_it():
    verdict = judge(TWICE, seen(alert(resolved=2700.0), alert(firing=2800.0)))
    assert verdict.outcome == "fail"
    assert "before the change" in verdict.reasons[0]


ALERTS = st.lists(
    st.builds(
        alert,
        name=st.sampled_from([*RULES, "Other"]),
        feature=st.sampled_from(["income", "age"]),
        firing=st.none() | st.floats(0, 3600),
        notified=st.none() | st.floats(0, 3600),
        resolved=st.none() | st.floats(0, 3600),
    ),
    max_size=4,
)
SCENARIOS = st.sampled_from([SCENARIO, RESOLVING, ALLOWING, TWICE])
GOODNESS = {"fail": 0, "inconclusive": 1, "pass": 2}


@given(SCENARIOS, ALERTS, st.floats(0, ONSET, exclude_max=True))
def test_one_more_unexpected_alert_never_improves_the_outcome(scenario, alerts, firing):
    before = judge(scenario, seen(*alerts))
    after = judge(scenario, seen(*alerts, alert("ScoreDrift", "x", firing)))
    assert GOODNESS[after.outcome] <= GOODNESS[before.outcome]
    assert after.outcome != "pass"


@given(SCENARIOS, ALERTS)
def test_a_fault_never_passes(scenario, alerts):
    assert judge(scenario, seen(*alerts, faults=("a gap",))).outcome == "inconclusive"


@given(SCENARIOS, ALERTS, st.floats(0, 3590))
def test_a_part_of_a_drill_never_passes(scenario, alerts, until):
    part = judge(scenario, seen(*alerts, observed_s=until))
    assert part.outcome != "pass"
    assert any("were watched" in reason for reason in part.reasons)
