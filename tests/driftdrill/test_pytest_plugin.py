"""Drills as tests: the marker, collected files, and what a failure shows."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[2]

INI = """\
[pytest]
drill_files = drills/*.yaml
drill_rules = rules/*.yml
"""
RULES = """\
groups:
  - name: mine
    rules:
      - alert: MeanIncomeLow
        expr: |
          sum(increase(model_feature_sum{feature="income"}[10m]))
            / sum(increase(model_feature_count{feature="income"}[10m])) < 35000
"""
TESTS = """\
import pytest

@pytest.mark.drill("drills/recession.yaml")
def test_the_recession_is_found(verdict):
    assert verdict.outcome == "pass"
    assert verdict.expectations[0].alert == "MeanIncomeLow"

def test_a_test_that_names_nothing(verdict):
    pass

@pytest.mark.drill("no-such-drill")
def test_a_test_of_an_unknown_drill(verdict):
    pass

@pytest.mark.drill("steady", sed=3)
def test_a_test_of_an_unknown_setting(verdict):
    pass
"""
SCENARIO = """\
name: NAME
summary: Incomes fall.
model: credit
traffic: {rate: 1}
phases:
  - {name: calm, duration: 15m}
  - name: recession
    duration: 15m
    drifts: [{kind: covariate-shift, feature: income, shift: SHIFT}]
expect:
  - {alert: MeanIncomeLow, within: 12m}
"""


@pytest.fixture(scope="module")
def ran(tmp_path_factory) -> subprocess.CompletedProcess[str]:
    """A project of somebody's, tested."""
    folder = tmp_path_factory.mktemp("project")
    for name in ("drills", "rules"):
        (folder / name).mkdir()
    (folder / "pytest.ini").write_text(INI)
    (folder / "rules" / "mine.yml").write_text(RULES)
    (folder / "test_mine.py").write_text(TESTS)
    for name, shift in (("recession", "-1.5"), ("boom", "1.5")):
        text = SCENARIO.replace("NAME", name).replace("SHIFT", shift)
        (folder / "drills" / f"{name}.yaml").write_text(text)
    broken = SCENARIO.replace("NAME", "broken").replace("SHIFT", "much")
    (folder / "drills" / "broken.yaml").write_text(broken)
    (folder / "drills" / "notes.txt").write_text("not a drill")
    return subprocess.run(
        [
            sys.executable,
            "-m",
            "pytest",
            "-v",
            "-p",
            "driftdrill.pytest_plugin",
            "--strict-markers",
        ],
        cwd=folder,
        # As the entry point of an installed Driftdrill would load it, and nothing else.
        env={**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTHONPATH": str(PROJECT)},
        capture_output=True,
        text=True,
        check=False,
    )


def test_marked_tests_and_collected_files_are_drilled(ran):
    assert "drills/recession.yaml::recession PASSED" in ran.stdout, ran.stdout
    assert "test_mine.py::test_the_recession_is_found PASSED" in ran.stdout
    assert "2 passed" in ran.stdout


def test_a_drill_that_fails_shows_its_reasons(ran):
    assert ran.returncode == 1
    assert "drills/boom.yaml::boom FAILED" in ran.stdout
    assert "MeanIncomeLow did not fire within 12m of the change" in ran.stdout
    assert "Traceback" not in ran.stdout


def test_a_test_without_a_marker_is_told_what_to_write(ran):
    assert "test_mine.py::test_a_test_that_names_nothing ERROR" in ran.stdout
    assert "name what to drill" in ran.stdout


def test_what_is_wrong_is_said_without_the_code_that_found_it(ran):
    assert "ERROR at setup of test_a_test_of_an_unknown_drill" in ran.stdout
    assert "\nno scenario 'no-such-drill'; known: " in ran.stdout
    assert "\nthe marker drill takes rules and seed, and no sed\n" in ran.stdout
    assert "drills/broken.yaml::broken FAILED" in ran.stdout
    assert "broken.yaml:9: phases[1].drifts[0].shift: " in ran.stdout
    assert "pytest_plugin.py" not in ran.stdout.replace("-p driftdrill.pytest_plugin", "")
    assert "During handling of" not in ran.stdout
