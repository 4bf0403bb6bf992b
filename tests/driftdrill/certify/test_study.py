"""Whole studies, over a few hours of virtual traffic."""

import json

import pytest
from rich.console import Console

from driftdrill.certify import study
from driftdrill.certify.command import certify_rules
from driftdrill.certify.study import Plan, certify
from scenarios.spec import find

DEAF = """
groups:
- name: deaf
  rules:
  - {alert: ScoreDrift, expr: "sum(increase(model_score_sum[10m])) / sum(increase(model_score_count[10m])) > 0.9"}
"""  # noqa: E501

NERVOUS = DEAF.replace("> 0.9", "> 0.19").replace("10m", "2m")


@pytest.fixture(scope="module")
def plan(tmp_path_factory) -> Plan:
    folder = tmp_path_factory.mktemp("rules")
    for name, text in (("deaf", DEAF), ("nervous", NERVOUS)):
        (folder / f"{name}.yml").write_text(text)
    rules = {name: (folder / f"{name}.yml",) for name in ("deaf", "nervous")}
    return Plan((find("covariate-sudden"),), rules, runs=2, days=0.1, effects=(1.0,), seed=0)


@pytest.fixture(scope="module")
def trials(plan, tmp_path_factory):
    """The folder of a study that was run once."""
    folder = tmp_path_factory.mktemp("study")
    console = Console(quiet=True)
    certify_rules(plan, folder, None, 2, console)
    return folder


def test_deaf_and_nervous_rules_are_told_apart(plan, trials):
    deaf, nervous = certify(plan, trials / "trials", 1, lambda *_: None)
    assert (deaf.rules, nervous.rules) == ("deaf", "nervous")
    assert deaf.calm.alarms == 0
    assert deaf.found[0].missed == 2
    assert nervous.calm.alarms >= 2
    assert nervous.calm.arl_high < deaf.calm.arl_low or nervous.calm.arl < deaf.calm.arl_low


def test_a_study_that_was_interrupted_runs_only_what_is_left(plan, trials, monkeypatch):
    ran = []
    monkeypatch.setattr(study, "_run_and_keep", lambda trial, _: ran.append(trial))
    seen = []
    certify(plan, trials / "trials", 1, lambda done, total: seen.append((done, total)))
    assert ran == []
    assert seen == [(4, 4)]
    (lost,) = [t for t in plan.trials() if t.seed == 1 and t.effect == 1.0]
    kept = trials / "trials" / f"{lost.key}.json"
    content = kept.read_bytes()
    kept.unlink()
    with pytest.raises(FileNotFoundError):
        certify(plan, trials / "trials", 1, lambda *_: None)
    kept.write_bytes(content)
    assert ran == [lost]


def test_the_figures_are_flat_and_the_page_shows_both_rule_sets(trials):
    figures = json.loads((trials / "certificate.json").read_text())
    assert [row["rules"] for row in figures] == ["deaf", "nervous"]
    assert {
        "arl",
        "arl_low",
        "false_alarms_per_30d",
        "delay_mean",
        "missed",
        "oracle_ratio",
    } <= set(figures[0])
    assert figures[0]["delay_mean"] is None
    assert figures[0]["oracle_delay_mean"] > 0
    page = (trials / "certificate.html").read_text()
    assert "deaf" in page
    assert "nervous, threshold x 1:" in page
    assert "http" not in page
