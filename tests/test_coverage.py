"""Scenarios and shipped rules, held to each other."""

from pathlib import Path

import pytest
import yaml

from scenarios.spec import catalogue, find

RULES = Path(__file__).parents[1] / "prometheus" / "rules"
ALERTS = [
    rule["alert"]
    for path in sorted(RULES.glob("*.yml"))
    for group in yaml.safe_load(path.read_text())["groups"]
    for rule in group["rules"]
    if "alert" in rule
]
SCENARIOS = catalogue()
MUST_FIRE = {scenario.name: {e.alert for e in scenario.expects} for scenario in SCENARIOS}
MAY_FIRE = {scenario.name: {a.alert for a in scenario.allows} for scenario in SCENARIOS}


@pytest.mark.parametrize("alert", ALERTS)
def test_every_alert_must_fire_in_some_scenario(alert):
    assert [name for name in MUST_FIRE if alert in MUST_FIRE[name]]


@pytest.mark.parametrize("alert", ALERTS)
def test_every_alert_must_stay_silent_while_another_fires_and_while_nothing_changes(alert):
    silent = {name for name in MUST_FIRE if alert not in MUST_FIRE[name] | MAY_FIRE[name]}
    assert "steady" in silent
    assert [name for name in silent if MUST_FIRE[name]]


def test_no_scenario_names_an_alert_that_no_shipped_rule_raises():
    assert set(ALERTS) >= set().union(*MUST_FIRE.values(), *MAY_FIRE.values())


def test_one_scenario_expects_silence():
    assert find("steady").expects == find("steady").allows == ()
