"""Neither engine takes a fault for silence."""

from dataclasses import replace

import pytest
from recordings import names, rule_file, rules

from driftdrill.rig.errors import UsageError
from driftdrill.virtual.engine import evaluate
from driftdrill.virtual.timelines import EngineError

pytestmark = pytest.mark.usefixtures("stores_as_in_a_long_drill")

BROKEN = {
    "a syntax error": "{alert: Broken, expr: 'up == '}",
    "a negative duration": "{alert: Broken, expr: up == 0, for: -5m}",
    "a negative keep": "{alert: Broken, expr: up == 0, keep_firing_for: -5m}",
    "a negative range": "{alert: Broken, expr: 'rate(up[-5m]) > 0'}",
    "an unknown function": "{alert: Broken, expr: frobnicate(up)}",
    "a vector where a range belongs": "{alert: Broken, expr: rate(up) > 0}",
    "a scalar where a vector belongs": "{alert: Broken, expr: sum(1)}",
    "a label that is no text": "{alert: Broken, expr: up == 0, labels: {severity: [page, ticket]}}",
    "a label that has no such name": "{alert: Broken, expr: up == 0, labels: {a-b: c}}",
    "an unknown key": "{alert: Broken, expr: up == 0, fro: 5m}",
    "no expression": "{alert: Broken}",
}

FAILING = {
    "many on one side": "up == on (job) twice",
    "many on both sides": "twice == on (job) group_left () twice",
    "text": "'\"down\"'",
}

UNREACHABLE = {
    "an unknown metric": ("model_scroe_count > 5", "model_scroe_count{}"),
    "a label value that no series has": ('up{job="nobody"} == 0', 'up{job="nobody"}'),
    "labels that never match": ("up == on (job, le) model_score_bucket", "labels in common"),
    "a misspelt label value behind a rule": ("missing:up == 0", 'up{job="nobody"}'),
    "a label value that no rule records": ('ok:up{window="1y"} == 0', "no rule records"),
}


@pytest.mark.parametrize("engine", ["blocks", "promtool"])
@pytest.mark.parametrize("line", BROKEN.values(), ids=BROKEN)
def test_a_file_that_is_not_valid_is_refused_by_its_name_and_the_rules(
    line, engine, small, tmp_path, tools
):
    with pytest.raises(UsageError, match=r"(?s)rules\.yml.*(Broken|line 4)"):
        evaluate(small, rules(tmp_path, line), tools, tmp_path / "work", engine)


@pytest.mark.parametrize("engine", ["blocks", "promtool"])
@pytest.mark.parametrize("expr", FAILING.values(), ids=FAILING)
def test_a_rule_that_fails_is_named(expr, engine, small, tmp_path, tools):
    file = rules(tmp_path, f"{{alert: TwoSides, expr: {expr}}}")
    with pytest.raises(EngineError, match=r"rule TwoSides of .*rules\.yml cannot be evaluated"):
        evaluate(small, file, tools, tmp_path / "work", engine)


@pytest.mark.parametrize(
    "other", ["up", "2 * up", "sum by (job, instance) (up)"], ids=["same", "twice", "sum"]
)
def test_what_two_rules_record_at_once_is_a_fault(other, small, tmp_path, tools):
    file = rules(
        tmp_path,
        "{record: 'my:up', expr: up}",
        f"{{record: 'my:up', expr: '{other}'}}",
        "{alert: Down, expr: 'my:up == 0'}",
    )
    (fault,) = evaluate(small, file, tools, tmp_path / "work").faults
    assert fault.startswith("rule my:up of ")
    assert "which value counts is undefined" in fault


def test_rules_that_share_a_name_and_no_series_are_no_fault(small, tmp_path, tools):
    file = rules(
        tmp_path,
        "{record: 'my:up', expr: up}",
        "{record: 'my:up', expr: up, labels: {window: 5m}}",
        "{record: 'my:up', expr: twice}",
        "{alert: Down, expr: 'my:up == 0'}",
    )
    assert evaluate(small, file, tools, tmp_path / "work").faults == ()


@pytest.mark.parametrize("text", ["", "groups: []", "groups: [{name: g}]"])
def test_a_file_without_rules_has_none(text, small, tmp_path, tools):
    file = rule_file(tmp_path / "rules.yml", text)
    assert evaluate(small, [file], tools, tmp_path / "work").rules == ()


@pytest.mark.parametrize("engine", ["blocks", "promtool"])
def test_two_alerts_that_labels_make_the_same_are_an_error(engine, small, tmp_path, tools):
    line = "{alert: Same, expr: twice == 1, labels: {k: ''}}"
    with pytest.raises(EngineError, match="rule Same of"):
        evaluate(small, rules(tmp_path, line), tools, tmp_path / "work", engine)


@pytest.mark.parametrize("engine", ["blocks", "promtool"])
@pytest.mark.parametrize(("expr", "reason"), UNREACHABLE.values(), ids=UNREACHABLE)
def test_an_alert_that_can_never_fire_is_a_fault(expr, reason, engine, small, tmp_path, tools):
    file = rules(
        tmp_path,
        "{record: 'ok:up', expr: up, labels: {window: 5m}}",
        "{record: 'missing:up', expr: 'up{job=\"nobody\"}'}",
        f"{{alert: Deaf, expr: '{expr}'}}",
    )
    found = evaluate(small, file, tools, tmp_path / "work", engine)
    assert len(found.faults) == 1
    assert "rule Deaf of" in found.faults[0]
    assert reason in found.faults[0]


def test_an_alert_that_could_fire_is_no_fault(small, tmp_path, tools):
    file = rules(
        tmp_path,
        "{alert: Threshold, expr: up > 1e9}",
        "{alert: Absence, expr: absent(up)}",
        "{alert: Unless, expr: up unless on (job) twice}",
    )
    found = evaluate(small, file, tools, tmp_path / "work")
    assert found.faults == ()
    assert names(found) == {"Absence"}  # before the first scrape


@pytest.mark.parametrize("unread", ["never_there", 'up{job="nobody"}'])
def test_a_part_of_an_alert_that_reads_nothing_is_a_fault(unread, small, tmp_path, tools):
    file = rules(tmp_path, f"{{alert: OneSide, expr: 'up == 0 or {unread} == 0'}}")
    found = evaluate(small, file, tools, tmp_path / "work")
    assert found.faults == (f"OneSide reads {unread}, which nothing here exposes",)


def test_promtool_without_the_sentinel_is_an_error_not_silence(small, tmp_path, tools):
    mute = tmp_path / "promtool"
    real = tools.promtool.path
    mute.write_text(f'#!/bin/sh\n[ "$1" = check ] && exec "{real}" "$@"\necho "  SUCCESS"\n')
    mute.chmod(0o755)
    muted = replace(tools, promtool=replace(tools.promtool, path=mute))
    with pytest.raises(EngineError, match="promtool answered 0 of 11 evaluations"):
        evaluate(small, rules(tmp_path, "{alert: A, expr: up}"), muted, tmp_path / "w", "promtool")


def test_promtool_does_not_answer_for_rules_on_the_calendar(small, tmp_path, tools):
    file = rules(tmp_path, "{alert: Night, expr: hour() < 25}")
    assert names(evaluate(small, file, tools, tmp_path / "fast")) == {"Night"}
    with pytest.raises(EngineError, match=r"rule Night of .* uses hour"):
        evaluate(small, file, tools, tmp_path / "exact", "promtool")
