"""Editors know the format of scenarios as the parser does."""

from __future__ import annotations

import json
import re
from typing import Any

import jsonschema_rs
import pytest
import yaml

from scenarios import schema
from scenarios.spec import CATALOGUE, scenario_files

DRILL: dict[str, Any] = {
    "name": "mine",
    "summary": "Something.",
    "model": "credit",
    "traffic": {"rate": 5},
    "phases": [{"name": "one", "duration": "1h30m", "drifts": []}],
}
DRIFT = {"kind": "covariate-shift", "feature": "income", "shift": 1.0, "intensity": [0, 1]}


@pytest.fixture(scope="module")
def known() -> jsonschema_rs.Validator:
    return jsonschema_rs.validator_for(json.loads(schema.FILE.read_text()))


def test_the_shipped_schema_is_that_of_the_parser_and_of_the_reference():
    assert schema.FILE.read_text() == schema.text(), "run python -m scenarios.schema"


@pytest.mark.parametrize("path", scenario_files(CATALOGUE), ids=lambda path: path.stem)
def test_every_shipped_scenario_is_valid(known, path):
    known.validate(yaml.safe_load(path.read_text()))


def test_the_example_with_every_key_is_valid(known):
    example = re.search(r"```yaml\n(.*?)```", schema.REFERENCE.read_text(), re.S)
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
