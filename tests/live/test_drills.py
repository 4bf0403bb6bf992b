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

pytestmark = pytest.mark.live

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

LIGHTLY = {"rate": 2}
"""Traffic that leaves the machine to whoever drills at the same time, and alarms as surely."""


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


def test_the_first_drill_passes_beside_another_and_can_be_watched_meanwhile(run, tmp_path):
    calm = run(scenario(tmp_path, "steady", traffic=LIGHTLY), "--speed", "60")
    drill = run("covariate-sudden", "--live", "--speed", "60")
    drill.wait_until_running()

    def rate() -> float:
        asked = 'sum(rate(http_request_count_total{endpoint="/predict",http_status="200"}[1m]))'
        return sum(float(series["value"][1]) for series in drill.asked(asked))

    drill.wait_for(lambda: rate() > 100, "traffic in the window")
    assert rate() < 330  # 5 a second in production, 60 times faster
    url = drill.prometheus_url()
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


@pytest.fixture(scope="module")
def deaf(run_shared, tmp_path_factory):
    """The verdict of a drill that expects one alert, whose rule is gone, and gets another."""
    folder = tmp_path_factory.mktemp("deaf")
    rules = []
    for path in RULES:
        document = yaml.safe_load(path.read_text())
        for group in document["groups"]:
            group["rules"] = [r for r in group["rules"] if r.get("alert") != "ScoreDrift"]
        copy = folder / path.name
        copy.write_text(yaml.safe_dump(document))
        rules += ["--rules", str(copy)]
    expected = [{"alert": "ScoreDrift", "within": "15m"}]
    drill = scenario(folder, "covariate-sudden", traffic=LIGHTLY, phases=BRIEFLY, expect=expected)
    code, verdict = run_shared(drill, "--speed", "60", *rules).finish()
    assert (code, verdict["outcome"]) == (1, "fail"), verdict["reasons"]
    return verdict


def test_an_alert_that_nothing_expects_fails_the_drill_and_is_named(deaf):
    assert any(
        "FeatureDrift" in reason and "nothing expects" in reason for reason in deaf["reasons"]
    )


def test_a_rule_that_was_removed_fails_the_drill(deaf):
    assert "ScoreDrift must fire, but no loaded rule has this name" in deaf["reasons"]


VERSIONS = {"2.42": "bookworm", "3.5": "sid"}


def programs(series: str) -> dict[str, str]:
    """The environment in which a version is used."""
    assert is_debian(), "these versions are fetched from Debian's archive"
    tools = BUILD / "versions" / VERSIONS[series]
    fetch_tools(tools, VERSIONS[series])
    binaries = tools / "debian" / "usr" / "bin"
    return {name.upper(): str(binaries / name) for name in ("prometheus", "promtool")}


@pytest.fixture(scope="module")
def versions(run_shared, at_once, tmp_path_factory):
    """The same drill on an old and a new Prometheus, at the same time."""
    folder = tmp_path_factory.mktemp("versions")
    file = scenario(folder, "covariate-sudden", traffic=LIGHTLY, phases=BRIEFLY)

    def on(series):
        drill = run_shared(file, "--speed", "60", env=programs(series))
        return (drill, *drill.finish())

    return at_once(on, VERSIONS)


@pytest.mark.parametrize("series", VERSIONS)
def test_the_outcome_is_the_same_on_old_and_new_prometheus(versions, series):
    _, code, verdict = versions[series]
    assert verdict["versions"]["prometheus"].startswith(series)
    assert code == 0, verdict["reasons"]
    assert found(verdict) == {("FeatureDrift", "income"), ("ScoreDrift", "")}


def test_a_virtual_drill_has_the_same_timelines_on_all_of_them(run):
    drills = [run("concept-sudden", "--virtual", env=env) for env in ({}, *map(programs, VERSIONS))]
    usual, *others = (drill.finish()[1] for drill in drills)
    series = [verdict["versions"].pop("prometheus")[:4] for verdict in (usual, *others)]
    assert series[1:] == ["2.42", "3.5."]
    assert usual["alerts"]
    assert others == [usual, usual]
