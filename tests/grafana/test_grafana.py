"""Grafana's files: fresh, free of what breaks provisioning, and about what exists."""

import json
import re
import subprocess
import sys
from itertools import combinations
from pathlib import Path
from typing import Any

import promql_parser as promql
import pytest
import yaml

from driftdrill.scaling import milliseconds
from target_service.contract import GENERATOR_METRICS, METRICS

PROJECT = Path(__file__).parents[2]
GRAFANA = PROJECT / "grafana"
DASHBOARDS = sorted((GRAFANA / "dashboards").glob("*.json"))
RULES = [
    rule
    for path in sorted((PROJECT / "prometheus" / "rules").glob("*.yml"))
    for group in yaml.safe_load(path.read_text())["groups"]
    for rule in group["rules"]
]
MACHINE = [
    rule
    for group in yaml.safe_load((PROJECT / "prometheus/machine/machine.yml").read_text())["groups"]
    for rule in group["rules"]
    if "alert" in rule
]
FOREIGN = {
    "ALERTS",
    "node_cpu_seconds_total",
    "node_filefd_allocated",
    "node_filefd_maximum",
    "node_memory_MemAvailable_bytes",
    "node_memory_MemTotal_bytes",
    "up",
    "process_cpu_seconds_total",
    "process_max_fds",
    "process_open_fds",
    "process_resident_memory_bytes",
    "prometheus_rule_group_last_duration_seconds",
    "prometheus_tsdb_head_series",
    "scrape_duration_seconds",
    "scrape_samples_scraped",
}
"""Metrics that Prometheus, node-exporter and the process collector bring along."""

UNITS = {"short", "percentunit", "reqps", "s", "bytes"}
"""Of those that `@grafana/data`'s getValueFormats() lists, the ones that we use."""


def panels(path: Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(path.read_text())["panels"]
    return found


def expressions() -> list[Any]:
    return [
        pytest.param(target["expr"], id=f"{path.stem}-{panel['id']}{target['refId']}")
        for path in DASHBOARDS
        for panel in panels(path)
        for target in panel.get("targets", ())
    ]


def plain(expression: str) -> str:
    """The expression with a value for each of Grafana's variables."""
    return expression.replace("$__rate_interval", "1m").replace("$", "any_")


def grafana_rules() -> list[dict[str, Any]]:
    return [
        rule for group in provisioned("alerting/rules.yml")["groups"] for rule in group["rules"]
    ]


def selectors(expression: str) -> set[str]:
    """The metrics that an expression asks for."""
    found = set()

    def visit(node: Any) -> bool:
        if isinstance(node, promql.VectorSelector):
            found.add(node.name)
        elif isinstance(node, promql.MatrixSelector):
            found.add(node.vector_selector.name)
        return True

    promql.walk(promql.parse(expression), visit)
    return found


def provisioned(path: str) -> dict[str, Any]:
    read: dict[str, Any] = yaml.safe_load((GRAFANA / "provisioning" / path).read_text())
    return read


def test_the_committed_files_are_those_that_the_rules_make(tmp_path):
    subprocess.run([sys.executable, GRAFANA / "build.py", tmp_path], check=True)
    made = {path.relative_to(tmp_path): path.read_text() for path in tmp_path.rglob("*.*")}
    assert len(made) == 7
    stale = [str(name) for name, text in made.items() if (GRAFANA / name).read_text() != text]
    assert stale == [], "run: python grafana/build.py"


@pytest.mark.parametrize("expression", expressions())
def test_every_query_parses_and_asks_for_what_exists(expression):
    recorded = {rule["record"] for rule in RULES if "record" in rule}
    known = {*METRICS, *GENERATOR_METRICS, *FOREIGN, *recorded}
    asked = selectors(plain(expression))
    assert asked
    assert asked <= known


@pytest.mark.parametrize("path", DASHBOARDS, ids=lambda path: path.stem)
def test_panels_have_places_units_and_sources_of_their_own(path):
    found = panels(path)
    assert len({panel["id"] for panel in found}) == len(found)
    for one, other in combinations([panel["gridPos"] for panel in found], 2):
        assert (
            one["x"] + one["w"] <= other["x"]
            or other["x"] + other["w"] <= one["x"]
            or one["y"] + one["h"] <= other["y"]
            or other["y"] + other["h"] <= one["y"]
        )
    for panel in found:
        assert panel["gridPos"]["x"] + panel["gridPos"]["w"] <= 24
        assert panel["fieldConfig"]["defaults"]["unit"] in UNITS
        assert panel["title"]
        for target in panel.get("targets", ()):
            assert target["datasource"] == {"type": "prometheus", "uid": "prometheus"}
    assert "${DS_" not in path.read_text()


def test_dashboards_have_uids_of_their_own_and_lead_to_each_other():
    read = [json.loads(path.read_text()) for path in DASHBOARDS]
    assert len({screen["uid"] for screen in read}) == 4
    for screen in read:
        assert screen["links"][0]["tags"][0] in screen["tags"]
        assert screen["annotations"]["list"][0]["expr"] == "driftdrill_scenario_info"


def test_every_alert_is_on_a_panel_and_among_grafanas_rules():
    alerts = {rule["alert"] for rule in RULES if "alert" in rule}
    titles = {panel["title"] for path in DASHBOARDS for panel in panels(path)}
    assert alerts <= titles
    assert {rule["title"] for rule in grafana_rules()} == alerts | {r["alert"] for r in MACHINE}


def test_rules_are_converted_as_grafana_does():
    sources = {rule["alert"]: rule for rule in [*RULES, *MACHINE] if "alert" in rule}
    for rule in grafana_rules():
        query, math, threshold = rule["data"]
        assert query["model"]["expr"].replace("$$", "$") == sources[rule["title"]]["expr"]
        assert query["model"]["instant"]
        assert math["datasourceUid"] == threshold["datasourceUid"] == "__expr__"
        assert rule["condition"] == threshold["refId"]
        assert (rule["noDataState"], rule["execErrState"]) == ("OK", "OK")
        assert rule["for"] == sources[rule["title"]].get("for", "0s")


def test_no_dollar_is_left_for_grafana_to_eat():
    path = GRAFANA / "provisioning" / "alerting" / "rules.yml"
    assert re.findall(r"(?<!\$)\$(?!\$)", path.read_text()) == []
    assert "$$value " not in path.read_text()


def test_groups_are_evaluated_at_a_multiple_of_ten_seconds():
    for group in provisioned("alerting/rules.yml")["groups"]:
        assert milliseconds(group["interval"]) % 10_000 == 0


def test_uids_are_unique_and_short_enough():
    uids = [rule["uid"] for rule in grafana_rules()]
    assert len(set(uids)) == len(uids)
    assert all(re.fullmatch(r"[a-z0-9-]{1,40}", uid) for uid in uids)


def test_the_policy_names_a_receiver_that_exists():
    (policy,) = provisioned("alerting/policies.yml")["policies"]
    points = provisioned("alerting/contact-points.yml")["contactPoints"]
    assert policy["receiver"] in {point["name"] for point in points}


def test_sources_have_the_uids_that_panels_ask_for_and_folders_differ():
    sources = provisioned("datasources/driftdrill.yml")["datasources"]
    assert {source["uid"] for source in sources} == {"prometheus", "alertmanager"}
    (provider,) = provisioned("dashboards/driftdrill.yml")["providers"]
    folders = {group["folder"] for group in provisioned("alerting/rules.yml")["groups"]}
    assert provider["folder"] not in folders


RULE_FIELDS = {
    "uid",
    "title",
    "condition",
    "data",
    "noDataState",
    "execErrState",
    "missing_series_evals_to_resolve",
    "for",
    "keepFiringFor",
    "annotations",
    "labels",
    "isPaused",
}
FIELDS = {
    "alerting/rules.yml": (
        "groups",
        {"orgId", "name", "folder", "interval", "rules"},
    ),
    "alerting/contact-points.yml": ("contactPoints", {"orgId", "name", "receivers"}),
    "datasources/driftdrill.yml": (
        "datasources",
        {"name", "uid", "type", "access", "url", "isDefault", "editable", "jsonData"},
    ),
    "dashboards/driftdrill.yml": (
        "providers",
        {
            "name",
            "orgId",
            "folder",
            "type",
            "disableDeletion",
            "updateIntervalSeconds",
            "allowUiUpdates",
            "options",
        },
    ),
}
"""What Grafana reads of its provisioning files; a key that it does not know it passes over."""


@pytest.mark.parametrize("path", FIELDS)
def test_every_field_is_one_that_grafana_reads(path):
    kind, fields = FIELDS[path]
    document = provisioned(path)
    assert set(document) == {"apiVersion", kind}
    assert document["apiVersion"] == 1
    for entry in document[kind]:
        assert set(entry) <= fields


def test_every_rule_has_all_that_grafana_needs_and_nothing_else():
    """One without `for` stops Grafana's start, so does one without a data source or a range."""
    for rule in grafana_rules():
        assert set(rule) == RULE_FIELDS
        for step in rule["data"]:
            assert set(step) == {"refId", "relativeTimeRange", "datasourceUid", "model"}
            assert step["model"]["refId"] == step["refId"]
            assert step["relativeTimeRange"] == {"from": 600, "to": 0}


def test_the_policy_tree_has_routes_to_receivers_that_exist_and_times_that_are_named():
    document = provisioned("alerting/policies.yml")
    assert set(document) == {"apiVersion", "policies", "muteTimes"}
    (policy,) = document["policies"]
    points = {
        point["name"] for point in provisioned("alerting/contact-points.yml")["contactPoints"]
    }
    times = {time["name"] for time in document["muteTimes"]}
    for route in policy["routes"]:
        assert route["receiver"] in points
        assert set(route.get("mute_time_intervals", ())) <= times
