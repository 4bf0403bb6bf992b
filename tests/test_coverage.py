"""Scenarios and shipped rules, held to each other."""

import io
from pathlib import Path
from xml.etree import ElementTree

import pytest
import yaml
from rich.console import Console

from driftdrill.report.drawing import draw
from driftdrill.report.poster import poster
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


def must_fire(alert: str) -> set[str]:
    """The scenarios that expect an alert."""
    return {name for name in MUST_FIRE if alert in MUST_FIRE[name]}


def must_stay_silent(alert: str) -> set[str]:
    """The scenarios that neither expect an alert nor allow it."""
    return {name for name in MUST_FIRE if alert not in MUST_FIRE[name] | MAY_FIRE[name]}


@pytest.mark.parametrize("alert", ALERTS)
def test_every_alert_must_fire_in_some_scenario(alert):
    assert must_fire(alert)


@pytest.mark.parametrize("alert", ALERTS)
def test_every_alert_must_stay_silent_while_another_fires_and_while_nothing_changes(alert):
    silent = must_stay_silent(alert)
    assert "steady" in silent
    assert [name for name in silent if MUST_FIRE[name]]


def test_an_alert_that_no_scenario_knows_would_be_missed():
    assert not must_fire("AlertOfARuleThatIsNew")


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name)
def test_every_scenario_is_drawn_in_the_terminal_and_as_a_picture(scenario):
    """Its phases, and each alert that it expects."""
    terminal = Console(width=200, record=True, file=io.StringIO())
    draw(scenario, terminal)
    drawn, picture = terminal.export_text(), poster(scenario)
    ElementTree.fromstring(picture)
    for expect in scenario.expects:
        assert expect.alert in drawn
        assert expect.alert in picture
    assert scenario.name in drawn
    assert scenario.name in picture
    assert all(phase.name in drawn for phase in scenario.schedule.phases)


def test_no_scenario_names_an_alert_that_no_shipped_rule_raises():
    assert set(ALERTS) >= set().union(*MUST_FIRE.values(), *MAY_FIRE.values())


def test_one_scenario_expects_silence():
    assert find("steady").expects == find("steady").allows == ()
