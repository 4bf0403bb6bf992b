"""The format of scenario files as a JSON Schema, for editors that complete and check YAML.

    python -m scenarios.schema    writes scenarios/scenario.schema.json

Names, types and defaults are those that the parser reads by; what a key means is the text of the
reference in docs/scenarios.md. An editor sees less than `driftdrill check`, which knows the model.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import msgspec

from scenarios.changes import DriftKeys
from scenarios.spec import FOLDER, ScenarioKeys
from scenarios.values import DURATION
from simulators.kinds import KINDS
from target_service.builds import BUILDS

FILE = FOLDER / "scenario.schema.json"
"""The schema as it is shipped."""

REFERENCE = FOLDER.parent / "docs" / "scenarios.md"

Schema = dict[str, Any]

_REF = "#/$defs/"
_DURATIONS = {"duration", "within", "resolves", "delay"}
_ROW = re.compile(r"^\| (`[^|]+`) \| (.+?) \|", re.M)
_MARKUP = re.compile(r"\[([^\]]+)\]\([^)]+\)|`")


def document() -> Schema:
    """The whole schema; ValueError where the reference does not explain a key."""
    (root,), parts = msgspec.json.schema_components([ScenarioKeys], ref_template=_REF + "{name}")
    (common,), more = msgspec.json.schema_components([DriftKeys], ref_template=_REF + "{name}")
    parts |= more
    parts["Drift"] = {"oneOf": [_drift(kind, parts[_name(common)]) for kind in KINDS]}
    del parts[_name(common)]
    explained = dict(_explained(REFERENCE.read_text(encoding="utf-8")))
    _explain(parts, root, "", explained)
    for part in parts.values():
        part.pop("title", None)
        if "Attributes:" in part.get("description", ""):
            part["description"] = part["description"].partition("\n")[0]
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Driftdrill scenario",
        **root,
        "$defs": dict(sorted(parts.items())),
    }


def text() -> str:
    """What the file holds."""
    return json.dumps(document(), indent=2, ensure_ascii=False) + "\n"


def _name(reference: Schema) -> str:
    return str(reference["$ref"]).removeprefix(_REF)


def _drift(kind: str, common: Schema) -> Schema:
    """One kind: the keys that every kind takes, and its own."""
    own = next(iter(msgspec.json.schema(KINDS[kind])["$defs"].values()))
    return {
        "description": own["description"].partition("\n")[0],
        "type": "object",
        "properties": {**common["properties"], "kind": {"const": kind}, **own["properties"]},
        "required": ["kind", *own["required"]],
        "additionalProperties": False,
    }


def _explain(parts: Schema, reference: Schema, path: str, explained: dict[str, str]) -> None:
    """Put what the reference says of it beside every key of a part, and of the parts below."""
    for key, value in parts[_name(reference)]["properties"].items():
        if "$ref" in value:
            value.pop("default", None)  # its keys have theirs
        at = f"{path}{key}"
        if key == "drifts":
            value["items"] = {"$ref": f"{_REF}Drift"}
        if key in _DURATIONS:
            value["pattern"] = f"^({DURATION})+$"
        if key == "build":
            value["enum"] = list(BUILDS)
        inner = [choice for choice in [value, *value.get("anyOf", ())] if "$ref" in choice]
        if at in explained:
            value["description"] = explained[at]
        elif not inner:
            raise ValueError(f"docs/scenarios.md does not explain {at}")
        for choice in inner:
            if _name(choice) != "SeasonFile":  # explained once for all that have a season
                _explain(parts, choice, f"{at}.", explained)
        if "$ref" in value.get("items", {}) and key != "drifts":
            _explain(parts, value["items"], f"{at}[].", explained)


def _explained(page: str) -> Iterator[tuple[str, str]]:
    """(path of a key, what it means), from the tables of the reference."""
    for heading, prefix in (("\n## Keys\n", ""), ("\n## Operations\n", "phases[].")):
        section = page.partition(heading)[2].partition("\n## ")[0]
        for keys, meaning in _ROW.findall(section):
            for key in re.findall(r"`([^`]+)`", keys):
                yield prefix + key, _MARKUP.sub(r"\1", meaning)


if __name__ == "__main__":
    FILE.write_text(text(), encoding="utf-8")
