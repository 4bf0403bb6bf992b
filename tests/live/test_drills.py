"""Real drills on real servers: right alerts pass, wrong ones fail, and drills do not meet."""

from __future__ import annotations

import re
from pathlib import Path
from xml.etree import ElementTree

import httpx
import pytest
import yaml

from driftdrill.drill import RULES
from driftdrill.rig import BUILD
from driftdrill.rig.debian import is_debian
from driftdrill.rig.fetch import fetch_tools
from scenarios.spec import CATALOGUE

pytestmark = [pytest.mark.live, pytest.mark.alone]

VERDICT_KEYS = [
    "scenario", "mode", "speed", "seed", "outcome", "reasons", "expectations", "alerts",
    "requests", "versions", "notes",
]  # fmt: skip

BRIEFLY = [
    {"name": "baseline", "duration": "5m"},
    {
        "name": "recession",
        "duration": "16m",
        "drifts": [{"kind": "covariate-shift", "feature": "income", "shift": -1.0}],
    },
]
"""What covariate-sudden does, for no longer than its deadlines last."""


def scenario(folder: Path, name: str, **changes: object) -> str:
    """A copy of a shipped scenario with some keys replaced; the path of its file."""
    document = yaml.safe_load((CATALOGUE / f"{name}.yaml").read_text())
    path = folder / f"{name}.yaml"
    path.write_text(yaml.safe_dump({**document, **changes}, sort_keys=False))
    return str(path)


def fired(verdict: dict) -> set[tuple[str, str]]:
    return {
        (alert["alert"], alert["labels"].get("feature", ""))
        for alert in verdict["alerts"]
        if alert["firing_at"] is not None
    }


def found(verdict: dict) -> set[tuple[str, str]]:
    """What the drill was to find, and found in time."""
    return {
        (line["alert"], line["labels"].get("feature", ""))
        for line in verdict["expectations"]
        if (line["kind"], line["outcome"]) == ("fires", "pass")
    }


def test_the_first_drill_passes_beside_another_and_can_be_watched_meanwhile(run):
    calm = run("steady", "--speed", "60")
    drill = run("covariate-sudden", "--live", "--speed", "60")
    drill.wait_until_running()
    asked = {"query": "rate(http_request_count_total[1m])"}
    url, seen = drill.prometheus_url(), 0.0
    while seen < 100:  # the window fills
        answer = httpx.get(f"{url}/api/v1/query", params=asked, trust_env=False).json()
        rates = {
            series["metric"]["endpoint"]: float(series["value"][1])
            for series in answer["data"]["result"]
            if series["metric"]["http_status"] == "200"
        }
        seen = rates.get("/predict", 0.0)
    assert seen < 330  # 5 a second in production, 60 times faster
    page = httpx.get(f"{url}/graph", trust_env=False, follow_redirects=True)
    assert page.status_code == 200

    code, verdict = drill.finish()
    assert (code, verdict["outcome"], verdict["reasons"]) == (0, "pass", [])
    assert list(verdict) == VERDICT_KEYS
    assert found(verdict) == {("FeatureDrift", "income"), ("ScoreDrift", "")}
    for line in verdict["expectations"][:2]:
        assert 0 < line["delay_s"] < line["deadline_s"]
    for alert in verdict["alerts"]:
        if alert["firing_at"] is not None:
            assert alert["firing_at"] <= alert["notified_at"]
    requests = verdict["requests"]
    assert requests["rate_achieved"] == pytest.approx(requests["rate_target"], rel=0.03)
    assert requests["failed"] == 0
    suite = ElementTree.parse(drill.out / "junit.xml").getroot()
    cases = [case.get("name", "") for case in suite.iter("testcase")]
    assert cases[0].startswith('FeatureDrift{feature="income"}')
    assert "<svg" in (drill.out / "report.html").read_text()
    assert re.search(r"PASS +covariate-sudden", drill.said)

    assert calm.prometheus_url() != url
    code, verdict = calm.finish()
    assert (code, verdict["outcome"], fired(verdict)) == (0, "pass", set()), verdict["reasons"]
    assert {line["kind"] for line in verdict["expectations"]} == {"silent"}


def test_an_alert_that_nothing_expects_fails_the_drill_and_is_named(run, tmp_path):
    unexpected = scenario(tmp_path, "covariate-sudden", phases=BRIEFLY, expect=[])
    code, verdict = run(unexpected, "--speed", "120").finish()
    assert (code, verdict["outcome"]) == (1, "fail")
    assert any(
        "ScoreDrift" in reason and "nothing expects" in reason for reason in verdict["reasons"]
    )


def test_a_rule_that_was_removed_fails_the_drill(run, tmp_path):
    rules = []
    for path in RULES:
        document = yaml.safe_load(path.read_text())
        for group in document["groups"]:
            group["rules"] = [r for r in group["rules"] if r.get("alert") != "ScoreDrift"]
        copy = tmp_path / path.name
        copy.write_text(yaml.safe_dump(document))
        rules += ["--rules", str(copy)]
    drill = scenario(tmp_path, "covariate-sudden", phases=BRIEFLY)
    code, verdict = run(drill, "--speed", "120", *rules).finish()
    assert (code, verdict["outcome"]) == (1, "fail")
    assert "ScoreDrift must fire, but no loaded rule has this name" in verdict["reasons"]


@pytest.mark.parametrize(("series", "suite"), [("2.42", "bookworm"), ("3.5", "sid")])
def test_the_outcome_is_the_same_on_old_and_new_prometheus(run, tmp_path, series, suite):
    assert is_debian(), "these versions are fetched from Debian's archive"
    folder = BUILD / "versions" / suite
    fetch_tools(folder, suite)
    binaries = folder / "debian" / "usr" / "bin"
    env = {
        "PROMETHEUS": str(binaries / "prometheus"),
        "PROMTOOL": str(binaries / "promtool"),
    }
    drill = scenario(tmp_path, "covariate-sudden", phases=BRIEFLY)
    code, verdict = run(drill, "--speed", "120", env=env).finish()
    assert verdict["versions"]["prometheus"].startswith(series)
    assert code == 0, verdict["reasons"]
    assert found(verdict) == {("FeatureDrift", "income"), ("ScoreDrift", "")}
