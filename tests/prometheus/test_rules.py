"""The shipped rules, configurations and promtool tests, held to the contract and to each other."""

import re
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import promql_parser
import pytest
import yaml

from driftdrill.rig.tools import find_tools
from driftdrill.scaling import unscalable
from target_service.contract import METRICS

SHIPPED = Path(__file__).parents[2] / "prometheus"
RULE_FILES = sorted((SHIPPED / "rules").glob("*.yml"))
TEST_FILES = sorted((SHIPPED / "tests").glob("*.yml"))
ALERTS = {
    "ScoreDrift",
    "FeatureDrift",
    "SegmentDrift",
    "FeatureMissing",
    "FeatureOutOfRange",
    "UnseenCategory",
    "ScoreCollapse",
    "ModelQualityDegraded",
    "CalibrationDrift",
    "LabelsMissing",
    "MonitoringBlind",
    "CardinalityGrowth",
    "TargetDown",
    "NoTraffic",
    "HighErrorRate",
    "HighLatency",
}
TARGET_LABELS = {"job", "instance"}
OF_EACH_SCRAPE = {"up", "scrape_samples_scraped"}


def rules_of(path: Path) -> list[dict[str, Any]]:
    return [r for group in yaml.safe_load(path.read_text())["groups"] for r in group["rules"]]


RULES = [rule for path in RULE_FILES for rule in rules_of(path)]
RECORDED = {rule["record"] for rule in RULES if "record" in rule}


def name_of(rule: dict[str, Any]) -> str:
    return str(rule.get("record") or rule["alert"])


def selectors(expr: str) -> list[promql_parser.VectorSelector]:
    found = []

    def collect(node: promql_parser.Expr) -> bool:
        if isinstance(node, promql_parser.VectorSelector):
            found.append(node)
        return True

    promql_parser.walk(promql_parser.parse(expr), collect)
    return found


@cache
def promtool() -> Path:
    return find_tools().promtool.path


def run(*arguments: str | Path) -> None:
    done = subprocess.run([promtool(), *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def expressions_tested(path: Path) -> Iterator[dict[str, Any]]:
    for group in yaml.safe_load(path.read_text())["tests"]:
        yield from group.get("promql_expr_test", [])


@pytest.mark.parametrize("path", RULE_FILES, ids=lambda path: path.stem)
def test_promtool_finds_no_fault_in_the_rules(path: Path) -> None:
    run("check", "rules", "--lint=all", "--lint-fatal", path)


def test_promtool_finds_no_fault_in_the_configuration() -> None:
    run("check", "config", "--lint=all", "--lint-fatal", SHIPPED / "prometheus.yml")


@pytest.mark.parametrize("path", TEST_FILES, ids=lambda path: path.stem)
def test_the_rules_fire_and_stay_silent_as_their_tests_say(path: Path) -> None:
    run("test", "rules", path)


def test_every_rule_file_has_a_test_of_its_name() -> None:
    assert [path.name for path in TEST_FILES] == [path.name for path in RULE_FILES]


def test_the_alerts_are_those_that_the_project_promises() -> None:
    assert {rule["alert"] for rule in RULES if "alert" in rule} == ALERTS


def test_last_week_stands_in_for_hours_and_goes_blind_after_a_week() -> None:
    """The fallback that is shipped beside the rules, with a test of its own."""
    folder = SHIPPED / "optional"
    run("check", "rules", "--lint=none", folder / "last_week.yml")
    run("test", "rules", folder / "tests" / "last_week.yml")
    assert all(not unscalable(rule["expr"]) for rule in rules_of(folder / "last_week.yml"))


@pytest.mark.parametrize("path", TEST_FILES, ids=lambda path: path.stem)
def test_every_alert_is_tested_to_fire_and_to_stay_silent(path: Path) -> None:
    tested = list(expressions_tested(path))
    fired = {
        name
        for test in tested
        for sample in test["exp_samples"]
        for name in re.findall(r'alertname="(\w+)"', str(sample.get("labels")))
    }
    silent = [t for t in tested if "count_over_time(ALERTS" in t["expr"] and not t["exp_samples"]]
    promised = {
        rule["alert"] for rule in rules_of(SHIPPED / "rules" / path.name) if "alert" in rule
    }
    assert fired == promised
    assert len(silent) >= len(promised)


@pytest.mark.parametrize("rule", RULES, ids=name_of)
def test_every_metric_and_label_selected_is_exposed_or_recorded(rule: dict[str, Any]) -> None:
    found = selectors(rule["expr"])
    assert found
    for selector in found:
        assert selector.name in METRICS or selector.name in {*RECORDED, *OF_EACH_SCRAPE}
        recorded = {"le", "window", "alternative"} if selector.name in RECORDED else set()
        allowed = {*METRICS.get(selector.name, ()), *TARGET_LABELS, *recorded}
        assert {matcher.name for matcher in selector.matchers.matchers} <= allowed


@pytest.mark.parametrize(
    "rule", [r for r in RULES if "alert" in r and "threshold" in r["expr"]], ids=name_of
)
def test_every_statistic_that_alerts_has_a_recorded_threshold(rule: dict[str, Any]) -> None:
    watched = {s.name for s in selectors(rule["expr"])}
    statistics = {name for name in watched if not name.endswith(":threshold")}
    assert watched - statistics == {f"{name}:threshold" for name in statistics}


@pytest.mark.parametrize("rule", RULES, ids=name_of)
def test_every_rule_can_be_drilled_at_any_speed(rule: dict[str, Any]) -> None:
    assert unscalable(rule["expr"]) == []


@pytest.mark.parametrize("alert", [r for r in RULES if "alert" in r], ids=name_of)
def test_every_alert_says_how_severe_it_is_and_what_to_look_at(alert: dict[str, Any]) -> None:
    assert alert["labels"]["severity"] in {"page", "ticket", "info"}
    assert "$labels" in alert["annotations"]["summary"]
    assert "Look at" in alert["annotations"]["description"]
