"""Scenarios and shipped rules, held to each other."""

from itertools import chain
from pathlib import Path

import yaml

from scenarios.spec import catalogue, find

RULES = Path(__file__).parents[1] / "prometheus" / "rules"


def alerts(*files: str) -> set[str]:
    groups = chain.from_iterable(yaml.safe_load((RULES / f).read_text())["groups"] for f in files)
    return {rule["alert"] for group in groups for rule in group["rules"] if "alert" in rule}


EXPECTED = {expect.alert for scenario in catalogue() for expect in scenario.expects}


def test_every_drift_and_quality_alert_is_drilled():
    """Alerts on the service itself need a service that fails, which no scenario can ask for yet."""
    assert alerts("score_drift.yml", "feature_drift.yml", "model_quality.yml") <= EXPECTED


def test_no_scenario_waits_for_an_alert_that_no_shipped_rule_raises():
    assert alerts(*(path.name for path in RULES.glob("*.yml"))) >= EXPECTED


def test_one_scenario_expects_silence():
    assert find("steady").expects == ()
