"""Editors and the reference know the formats of files as the parser does."""

from __future__ import annotations

import json
import re
from dataclasses import fields
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
import yaml

from scenarios import schema
from scenarios.reference import reference
from scenarios.spec import CATALOGUE, scenario_files
from simulators.kinds import KINDS

PEERS = Path(__file__).parents[1] / "peers"

DRILL: dict[str, Any] = {
    "name": "mine",
    "summary": "Something.",
    "model": "credit",
    "traffic": {"rate": 5},
    "phases": [{"name": "one", "duration": "1h30m", "drifts": []}],
}
DRIFT = {"kind": "covariate-shift", "feature": "income", "shift": 1.0, "intensity": [0, 1]}


TARGET: dict[str, Any] = {
    "url": "http://127.0.0.1:8000",
    "model": "credit",
    "predict": {"path": "/score", "request": {"rows": "{*rows}"}, "score": "scores[0]"},
}


@pytest.fixture(scope="module")
def known() -> jsonschema_rs.Validator:
    return jsonschema_rs.validator_for(json.loads(schema.SCENARIO.read_text()))


@pytest.fixture(scope="module")
def known_target() -> jsonschema_rs.Validator:
    return jsonschema_rs.validator_for(json.loads(schema.TARGET.read_text()))


@pytest.mark.parametrize(
    ("file", "made"),
    [
        (schema.SCENARIO, lambda: schema.text(schema.scenario())),
        (schema.TARGET, lambda: schema.text(schema.target())),
        (schema.REFERENCE, lambda: reference(schema.scenario(), schema.target())),
    ],
    ids=lambda value: getattr(value, "name", ""),
)
def test_what_is_made_from_the_parser_and_the_docs_is_up_to_date(file, made):
    assert file.read_text() == made(), "run python -m scenarios.schema"


def test_the_reference_has_every_key_of_every_kind_of_drift_with_its_meaning():
    page = schema.REFERENCE.read_text()
    for kind, drift in KINDS.items():
        section = page.partition(f"\n### {kind}\n")[2].partition("\n#")[0]
        rows = re.findall(r"^\| `(\w+)` \| [^|]+ \| [^|]* \| \S.*\|$", section, re.M)
        assert set(rows) == {field.name for field in fields(drift)} - {"where"}


@pytest.mark.parametrize("path", sorted(PEERS.glob("*.yaml")), ids=lambda path: path.stem)
def test_every_target_file_of_the_tests_is_valid(known_target, path):
    document = yaml.safe_load(path.read_text())
    assert known_target.is_valid(document) == ("url" in document)


@pytest.mark.parametrize(
    "wrong",
    [
        {key: value for key, value in TARGET.items() if key != "url"},
        TARGET | {"preset": "kserv"},
        TARGET | {"predict": {"pth": "/score"}},
        TARGET | {"feedback": {"path": "/outcome"}},
        TARGET | {"tls": {"verify": "no"}},
    ],
    ids=lambda wrong: json.dumps(wrong)[-60:],
)
def test_what_is_refused_of_a_target_file_an_editor_marks(known_target, wrong):
    assert known_target.is_valid(TARGET)
    assert not known_target.is_valid(wrong)


@pytest.mark.parametrize("path", scenario_files(CATALOGUE), ids=lambda path: path.stem)
def test_every_shipped_scenario_is_valid(known, path):
    known.validate(yaml.safe_load(path.read_text()))


def test_the_example_with_every_key_is_valid(known):
    example = re.search(r"```yaml\n(.*?)```", (schema.DOCS / "scenarios.md").read_text(), re.S)
    assert example
    known.validate(yaml.safe_load(example[1]))


def with_drift(**changes: Any) -> dict[str, Any]:
    drift = {key: value for key, value in (DRIFT | changes).items() if value is not None}
    return DRILL | {"phases": [{"name": "one", "duration": "1h", "drifts": [drift]}]}


def test_a_drift_takes_the_keys_of_its_kind(known):
    assert known.is_valid(with_drift())
    assert known.is_valid(with_drift(kind="feature-missing", shift=None))


@pytest.mark.parametrize(
    "wrong",
    [
        DRILL | {"phase": []},
        {key: value for key, value in DRILL.items() if key != "model"},
        DRILL | {"traffic": {"rate": "5"}},
        DRILL | {"source": "elsewhere"},
        DRILL | {"phases": [{"name": "one", "duration": "90 minutes"}]},
        DRILL | {"phases": [{"name": "one", "duration": "1h", "build": "unknown"}]},
        DRILL | {"expect": [{"alert": "FeatureDrift"}]},
        with_drift(kind="covariate-shfit"),
        with_drift(shfit=1.0),
        with_drift(feature=None),
        with_drift(kind="feature-missing"),
    ],
    ids=lambda wrong: json.dumps(wrong)[-60:],
)
def test_what_the_parser_refuses_an_editor_marks(known, wrong):
    assert not known.is_valid(wrong)
