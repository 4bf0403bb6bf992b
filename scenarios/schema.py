"""The formats of scenario and target files as JSON Schemas, for editors that complete and check.

    python -m scenarios.schema    writes both, and the reference that is made from them

Names, types and defaults are those that the parser reads by; what a key means is the text of the
tables in docs/, and of the classes of drifts. An editor sees less than `driftdrill check`, which
knows the model.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import msgspec

from scenarios.changes import DriftKeys
from scenarios.presets import PRESETS
from scenarios.reference import reference
from scenarios.spec import FOLDER, ScenarioKeys
from scenarios.target import TargetKeys
from scenarios.values import DURATION, Wave
from simulators.kinds import KINDS
from target_service.builds import BUILDS

SCENARIO, TARGET = FOLDER / "scenario.schema.json", FOLDER / "target.schema.json"
"""The schemas as they are shipped."""

DOCS = FOLDER.parent / "docs"
REFERENCE = DOCS / "reference.md"

Schema = dict[str, Any]

_REF = "#/$defs/"
_DURATIONS = {"duration", "within", "resolves", "delay"}
_ROW = re.compile(r"^\| (`[^|]+`) \| (.+?) \|", re.M)
_ATTRIBUTE = re.compile(r"^        (\w+): (.+?)(?=^        \w+: |\Z)", re.M | re.S)
_MARKUP = re.compile(r"\[([^\]]+)\]\([^)]+\)|`")


def scenario() -> Schema:
    """The schema of scenario files; ValueError where docs/scenarios.md does not explain a key."""
    (root,), parts = msgspec.json.schema_components([ScenarioKeys], ref_template=_REF + "{name}")
    (common,), more = msgspec.json.schema_components([DriftKeys], ref_template=_REF + "{name}")
    parts |= more
    explained = {
        **dict(_explained("scenarios.md", "\n## Keys\n", "")),
        **dict(_explained("scenarios.md", "\n## Operations\n", "phases[].")),
    }
    season = dict(_explained("scenarios.md", "\nA season is a factor", ""))
    for key, value in parts["SeasonFile"]["properties"].items():
        value["description"] = season[key]
    _describe(parts["Wave"], Wave)
    shared = parts.pop(_name(common))
    for key, value in shared["properties"].items():
        value["description"] = explained[f"phases[].drifts[].{key}"]
    parts["Drift"] = {"oneOf": [_drift(kind, shared) for kind in KINDS]}
    _explain(parts, root, "", explained)
    return _document("Driftdrill scenario", root, parts)


def target() -> Schema:
    """The schema of target files; ValueError where docs/targets.md does not explain a key."""
    (root,), parts = msgspec.json.schema_components([TargetKeys], ref_template=_REF + "{name}")
    _explain(parts, root, "", dict(_explained("targets.md", "\n## Keys\n", "")))
    return _document("Driftdrill target", root, parts)


def _document(title: str, root: Schema, parts: Schema) -> Schema:
    for part in parts.values():
        part.pop("title", None)
        if "Attributes:" in part.get("description", ""):
            part["description"] = part["description"].partition("\n")[0]
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": title,
        **root,
        "$defs": dict(sorted(parts.items())),
    }


def text(schema: Schema) -> str:
    """What a schema's file holds."""
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"


def _name(reference: Schema) -> str:
    return str(reference["$ref"]).removeprefix(_REF)


def _drift(kind: str, common: Schema) -> Schema:
    """One kind: the keys that every kind takes, and its own."""
    own = next(iter(msgspec.json.schema(KINDS[kind])["$defs"].values()))
    _describe(own, KINDS[kind])
    return {
        "description": own["description"].partition("\n")[0],
        "type": "object",
        "properties": {**common["properties"], "kind": {"const": kind}, **own["properties"]},
        "required": ["kind", *own["required"]],
        "additionalProperties": False,
    }


def _describe(part: Schema, kind: type) -> None:
    """Put what a class and its bases say of their attributes beside the keys."""
    meanings: dict[str, str] = {}
    for base in reversed(kind.__mro__):
        _, _, listed = (base.__doc__ or "").partition("Attributes:\n")
        meanings |= {key: " ".join(said.split()) for key, said in _ATTRIBUTE.findall(listed)}
    for key, value in part["properties"].items():
        value["description"] = _MARKUP.sub(r"\1", meanings[key])


def _explain(parts: Schema, reference: Schema, path: str, explained: dict[str, str]) -> None:
    """Put what the page says of it beside every key of a part, and of the parts below."""
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
        if key == "preset":
            value["enum"] = list(PRESETS)
        inner = [choice for choice in [value, *value.get("anyOf", ())] if "$ref" in choice]
        if at in explained:
            value["description"] = explained[at]
        elif not inner:
            raise ValueError(f"no table of the docs explains {at}")
        for choice in inner:
            if _name(choice) != "SeasonFile":  # explained once for all that have a season
                _explain(parts, choice, f"{at}.", explained)
        if "$ref" in value.get("items", {}) and key != "drifts":
            _explain(parts, value["items"], f"{at}[].", explained)


def _explained(page: str, heading: str, prefix: str) -> Iterator[tuple[str, str]]:
    """(path of a key, what it means), from the tables below a heading of a page."""
    written = (DOCS / page).read_text(encoding="utf-8")
    section = written.partition(heading)[2].partition("\n## ")[0]
    for keys, meaning in _ROW.findall(section):
        for key in re.findall(r"`([^`]+)`", keys):
            yield prefix + key, _MARKUP.sub(r"\1", meaning.removesuffix("see below").rstrip("; ,"))


if __name__ == "__main__":
    SCENARIO.write_text(text(scenario()), encoding="utf-8")
    TARGET.write_text(text(target()), encoding="utf-8")
    REFERENCE.write_text(reference(scenario(), target()), encoding="utf-8")
