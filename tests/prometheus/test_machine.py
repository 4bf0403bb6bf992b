"""The rules about machines, which no drill loads: valid, tested both ways, and in production."""

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from driftdrill.rig.tools import find_tools

PROJECT = Path(__file__).parents[2]
FOLDER = PROJECT / "prometheus" / "machine"
(GROUP,) = yaml.safe_load((FOLDER / "machine.yml").read_text())["groups"]
ALERTS = [rule for rule in GROUP["rules"] if "alert" in rule]
TESTS = yaml.safe_load((FOLDER / "machine_test.yml").read_text())["tests"]


def promtool(*arguments: str | Path) -> None:
    command = [find_tools().promtool.path, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def samples(test: dict[str, Any]) -> list[str]:
    expected = [s for one in test["promql_expr_test"] for s in one["exp_samples"]]
    return [name for s in expected for name in re.findall(r'alertname="(\w+)"', s["labels"])]


def test_promtool_finds_no_fault_in_them_and_they_do_as_their_tests_say():
    promtool("check", "rules", "--lint=all", "--lint-fatal", FOLDER / "machine.yml")
    promtool("test", "rules", FOLDER / "machine_test.yml")


def test_every_alert_is_tested_to_fire_and_to_stay_silent():
    fired, silent = TESTS
    assert {alert["alert"] for alert in ALERTS} == set(samples(fired))
    assert samples(silent) == []
    read = set(re.findall(r"(?:node|process)_\w+", str(GROUP)))
    for test in TESTS:
        assert {re.findall(r"^\w+", s["series"])[0] for s in test["input_series"]} == read
    assert any("count_over_time(ALERTS" in one["expr"] for one in silent["promql_expr_test"])


@pytest.mark.parametrize("alert", ALERTS, ids=lambda alert: alert["alert"])
def test_every_alert_says_what_to_look_at_and_has_a_runbook(alert):
    assert "Look at" in alert["annotations"]["description"]
    assert alert["annotations"]["runbook_url"] == f"docs/runbooks/{alert['alert']}.md"
    assert (PROJECT / alert["annotations"]["runbook_url"]).exists()
    assert f"`{alert['alert']}`" in (PROJECT / "docs" / "rules.md").read_text()


def test_production_loads_them_and_scrapes_what_they_read():
    config = yaml.safe_load((PROJECT / "prometheus" / "prometheus.yml").read_text())
    assert "machine/machine.yml" in config["rule_files"]
    assert "node" in {job["job_name"] for job in config["scrape_configs"]}
