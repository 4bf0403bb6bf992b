"""What the documentation lists is whole: metrics, alerts, keys, kinds, dependencies."""

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml
from pages import (
    BLOCKS,
    PROJECT,
    page,
    rules,
    table_rows,
)

from scenarios.presets import PRESETS
from scenarios.rowsfile import load_rows
from scenarios.spec import load
from scenarios.target import load_target
from scenarios.yamlfile import BadFileError
from simulators.kinds import KINDS
from target_service.contract import METRICS


def test_the_metrics_table_is_the_contract():
    shown = {
        row[0].strip("`"): tuple(re.findall(r"`(\w+)`", row[1]))
        for row in table_rows(page("service.md").partition("## Metrics")[2])
        if row[0].startswith("`") and len(row) == 3
    }
    assert {name: shown.get(name) for name in METRICS} == METRICS


@pytest.mark.parametrize(
    "alert", [rule for rule in rules() if "alert" in rule], ids=lambda rule: rule["alert"]
)
def test_every_alert_is_in_the_table_with_its_delay_and_severity(alert):
    (row,) = (r for r in table_rows(page("rules.md")) if r[0] == f"`{alert['alert']}`")
    assert row[2:] == [alert["for"], alert["labels"]["severity"]]


def test_every_recorded_series_is_named():
    # The page says once that features have the series of the scores.
    names = {
        r["record"].replace("drift:feature_", "drift:score_") for r in rules() if "record" in r
    }
    assert names <= set(re.findall(r"`([\w:]+)`", page("rules.md")))


def test_the_thresholds_worked_out_are_those_of_the_formula():
    for seconds, shown in ((600, "0.091 in 10 minutes"), (3600, "0.069 in an\nhour")):
        value = 0.05 + 2.2 * (1 / (5 * seconds) + 1 / 60_188) ** 0.5
        assert shown.startswith(f"{value:.3f}")
        assert shown in page("rules.md")


def known_keys(path: Path, document: dict[str, Any]) -> set[str]:
    """The keys that the reader says it knows, where one is wrong."""
    path.write_text(yaml.safe_dump(document))
    with pytest.raises(BadFileError) as caught:
        load(path)
    return set(str(caught.value).rpartition("known: ")[2].split(", "))


@pytest.mark.parametrize(
    "place",
    ["", "traffic", "labels", "scrapes", "phases", "canary", "drifts", "expect", "allow"],
)
def test_every_key_of_a_scenario_is_explained_and_in_the_example(tmp_path, place):
    (example,) = (b.text for b in BLOCKS if b.page == "scenarios.md" and b.language == "yaml")
    document = yaml.safe_load(example)
    phases = document["phases"]
    drifts = [drift for phase in phases for drift in phase.get("drifts", ())]
    at_place = {
        "": [document],
        "traffic": [document["traffic"]],
        "labels": [document["labels"]],
        "scrapes": [document["scrapes"]],
        "phases": phases,
        "canary": [phase["canary"] for phase in phases if "canary" in phase],
        "drifts": drifts,
        "expect": document["expect"],
        "allow": document["allow"],
    }[place]
    shown = {key for mapping in at_place for key in mapping}
    for mapping in at_place:
        mapping["nonsense"] = 1
        keys = known_keys(tmp_path / "example.yaml", document)
        del mapping["nonsense"]
        assert keys <= shown
        assert all(
            re.search(rf"^\| `(\S+\.)?{key}[`.\[]", page("scenarios.md"), re.M) for key in keys
        )


def test_every_kind_of_drift_is_explained():
    explained = re.findall(r"^\*\*`([\w-]+)`\*\*", page("scenarios.md"), re.M)
    assert set(explained) == set(KINDS)


@pytest.mark.parametrize("preset", PRESETS)
def test_every_preset_is_explained(preset):
    assert f"| `{preset}` |" in page("targets.md")


@pytest.mark.parametrize("place", ["", "predict", "feedback", "tls"])
def test_every_key_of_a_target_is_explained(tmp_path, place):
    document: dict[str, Any] = {"url": "http://127.0.0.1:1", "model": "credit"}
    nonsense = {"path": "/x", "request": "{*row}", "nonsense": 1}
    document |= {place: nonsense if place == "feedback" else {"nonsense": 1}} if place else nonsense
    (tmp_path / "target.yaml").write_text(yaml.safe_dump(document))
    with pytest.raises(BadFileError) as caught:
        load_target(tmp_path / "target.yaml")
    keys = str(caught.value).rpartition("known: ")[2].split(", ")
    rows = {row[0].strip("`") for row in table_rows(page("targets.md"))}
    leaves = {f"{place}.{key}".lstrip(".") for key in keys} - {"predict", "feedback", "tls"}
    assert leaves <= rows


def test_every_key_of_a_file_of_rows_is_explained(tmp_path):
    (tmp_path / "rows.yaml").write_text("rows: x.csv\nnonsense: 1\n")
    with pytest.raises(BadFileError) as caught:
        load_rows(tmp_path / "rows.yaml")
    keys = str(caught.value).rpartition("known: ")[2].split(", ")
    assert keys == [row[0].strip("`") for row in table_rows(page("data.md"))[1:]]


def test_every_dependency_has_a_reason():
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"].values()
    listed = [*project["dependencies"], *(name for extra in extras for name in extra)]
    names = {re.split(r"[\[<>=]", name)[0] for name in listed}
    explained = {name for row in table_rows(page("decisions.md")) for name in row[0].split(", ")}
    assert names <= explained
