"""The reference of the file formats: their JSON Schemas as tables for people."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

Schema = dict[str, Any]

_HEAD = """\
# Reference of the file formats

Made from [`scenario.schema.json`](../scenarios/scenario.schema.json) and
[`target.schema.json`](../scenarios/target.schema.json) by `python -m scenarios.schema`; a test
holds it against the parser. How the keys work together is in [scenarios.md](scenarios.md) and
[targets.md](targets.md). A duration is written as in `90s`, `30m` or `1h30m`.
"""
_COLUMNS = "| key | value | default | |\n|---|---|---|---|"
_REF = "#/$defs/"


def reference(scenario: Schema, target: Schema) -> str:
    """The page, from the two schemas."""
    drifts = scenario["$defs"]["Drift"]["oneOf"]
    common = set.intersection(*(set(drift["properties"]) for drift in drifts)) - {"kind"}
    shared = {**drifts[0], "properties": {key: drifts[0]["properties"][key] for key in common}}
    blocks = [
        _HEAD,
        "## Scenario file\n",
        _table(_rows(scenario, scenario, "")),
        "## Season\n\nThe value of every `season`.\n",
        _table(_rows(scenario, scenario["$defs"]["SeasonFile"], "")),
        "## Drifts\n\nThe elements of `phases[].drifts`. Each has its `kind`, and takes:\n",
        _table(_rows(scenario, _sorted(shared), "")),
    ]
    for drift in drifts:
        own = {key: value for key, value in drift["properties"].items() if key not in common}
        kind = own.pop("kind")["const"]
        blocks += [f"### {kind}\n\n{drift['description']}\n"]
        blocks += [_table(_rows(scenario, {**drift, "properties": own}, ""))]
    blocks += ["## Target file\n", _table(_rows(target, target, ""))]
    return "\n".join(blocks)


def _sorted(schema: Schema) -> Schema:
    return {**schema, "properties": dict(sorted(schema["properties"].items()))}


def _table(rows: Iterator[tuple[str, ...]]) -> str:
    lines = [f"| {' | '.join(row)} |" for row in rows]
    return "\n".join([_COLUMNS, *lines, ""])


def _rows(root: Schema, schema: Schema, path: str) -> Iterator[tuple[str, ...]]:
    """(key, type, default, meaning) of every key of an object, and of the objects below it."""
    schema = _resolved(root, schema)
    for key, value in schema["properties"].items():
        inside = [_resolved(root, choice) for choice in value.get("anyOf", [value])]
        inside = [choice for choice in inside if "properties" in choice]
        items = _resolved(root, value.get("items") or {})
        if key == "season":
            inside = []  # has a table of its own
        if not inside or "description" in value:
            default = "required" if key in schema["required"] else _default(value)
            yield f"`{path}{key}`", _type(root, value), default, value.get("description", "")
        for choice in inside:
            yield from _rows(root, choice, f"{path}{key}.")
        if "properties" in items:
            yield from _rows(root, items, f"{path}{key}[].")


def _resolved(root: Schema, schema: Schema) -> Schema:
    if "$ref" not in schema:
        return schema
    found: Schema = root["$defs"][schema["$ref"].removeprefix(_REF)]
    return found


def _default(value: Schema) -> str:
    default = value.get("default")
    if default is None or isinstance(default, list | tuple | dict):
        return ""  # nothing, or a list that says nothing
    return f"`{json.dumps(default, ensure_ascii=False)}`"


def _type(root: Schema, value: Schema) -> str:
    """What a value may be, in words."""
    if "pattern" in value:
        return "duration"
    choices = [choice for choice in value.get("anyOf", [value]) if choice.get("type") != "null"]
    return " or ".join(dict.fromkeys(_simple(root, choice) for choice in choices))


def _simple(root: Schema, value: Schema) -> str:
    if "$ref" in value:
        return "mapping"
    if "enum" in value:
        return ", ".join(f"`{name}`" for name in value["enum"])
    kind = value.get("type")
    if kind == "string":
        return "text"
    if kind == "array":
        parts = value.get("prefixItems")
        if parts:
            return f"[{', '.join(_type(root, part) for part in parts)}]"
        return f"list of {_plural(_type(root, value['items']))}"
    if kind == "object":
        inner = value.get("additionalProperties")
        return f"mapping to {_type(root, inner)}" if isinstance(inner, dict) else "mapping"
    return {"integer": "number", "number": "number", "boolean": "true or false"}.get(
        str(kind), "any JSON"
    )


def _plural(word: str) -> str:
    return word if word.endswith("s") else f"{word}s"
