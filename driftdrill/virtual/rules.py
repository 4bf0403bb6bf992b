"""Rule files as the engines need them: groups in the order of evaluation, every duration a number.

All groups are evaluated at the multiples of their intervals, one after the other in the order of
the files and of the groups in them; what a rule records, every later rule sees at the same instant.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import yaml

from driftdrill.promapi import Rule
from driftdrill.rig.errors import UsageError
from driftdrill.rig.refusals import refuse_invalid
from driftdrill.rig.tools import Tool
from driftdrill.scaling import fault_in, milliseconds

ALERTS = ("ALERTS", "ALERTS_FOR_STATE")
"""Series that Prometheus writes for every alerting rule."""

_LITERAL = r'"(?:[^"\\]|\\.)*"|\'(?:[^\'\\]|\\.)*\'|`[^`]*`'
_STRING = re.compile(_LITERAL, re.DOTALL)
_STRING_OR_OPEN_STEP = re.compile(rf"{_LITERAL}|:\s*\]", re.DOTALL)
_NAME = re.compile(r"[a-zA-Z_:][\w:]*", re.ASCII)
_PLAIN_KEYS = {"name", "interval", "rules"}


_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""libyaml's, ten times as fast, where PyYAML was built with it."""


class _Texts(_Loader):  # type: ignore[misc]
    """Reads as Prometheus does, to which every scalar but null is text: `yes` is not True."""


_Texts.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in known if tag == "tag:yaml.org,2002:null"]
    for first, known in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


@dataclass(frozen=True)
class GroupRule:
    """One rule of a group.

    Attributes:
        name: The recorded metric, or the alert.
        labels: Added to every result, over the labels that it has.
        hold: Milliseconds that the expression must hold before the alert fires: `for`.
        keep_firing_for: Milliseconds that the alert outlives its expression.
    """

    name: str
    alerting: bool
    expr: str
    labels: Mapping[str, str]
    hold: int
    keep_firing_for: int


@dataclass(frozen=True)
class Group:
    """A group of rules.

    Attributes:
        interval: Milliseconds between two evaluations.
        plain: Whether it has nothing but a name, an interval and rules; no `limit` or `labels`.
        document: As in the file, with each rule's `expr` as in `rules`.
    """

    file: Path
    name: str
    interval: int
    rules: tuple[GroupRule, ...]
    plain: bool
    document: Mapping[str, Any]


def load_groups(files: Sequence[Path], interval: float, promtool: Tool) -> tuple[Group, ...]:
    """The groups of rule files, in the order of evaluation.

    Args:
        files: Rule files.
        interval: Seconds between two evaluations of a group that names no interval.
        promtool: Checks the files.

    Raises:
        UsageError: A file is not a valid rule file; names it.
    """
    refuse_invalid({path: path for path in files}, promtool)
    return tuple(group for path in files for group in _groups(path, interval))


def as_loaded(groups: Sequence[Group]) -> tuple[Rule, ...]:
    """The rules as a Prometheus server would list them."""
    return tuple(
        Rule(rule.name, rule.alerting, rule.expr, group.interval / 1000, None)
        for group in groups
        for rule in group.rules
    )


def groups_in(text: str) -> Sequence[Mapping[str, Any]]:
    """The groups of a rule file, as they stand there."""
    return (yaml.load(text, Loader=_Loader) or {}).get("groups") or []  # noqa: S506


def _groups(path: Path, interval: float) -> Iterator[Group]:
    text = path.read_text()
    documents = groups_in(text)
    texts = (yaml.load(text, Loader=_Texts) or {}).get("groups") or []  # noqa: S506  it is safe
    if fault := fault_in(texts):
        raise UsageError(f"{path}: {fault}")
    for document, group in zip(documents, texts, strict=True):
        rules = tuple(_rule(rule, interval) for rule in group.get("rules") or [])
        told = zip(document.get("rules") or [], rules, strict=True)
        yield Group(
            file=path,
            name=group["name"],
            interval=_duration(group.get("interval")) or round(interval * 1000),
            rules=rules,
            plain=set(group) <= _PLAIN_KEYS,
            document={**document, "rules": [{**raw, "expr": r.expr} for raw, r in told]},
        )


def _rule(raw: Mapping[str, Any], interval: float) -> GroupRule:
    return GroupRule(
        name=raw.get("alert") or raw["record"],
        alerting="alert" in raw,
        expr=_with_steps(raw["expr"], interval),
        labels=raw.get("labels") or {},
        hold=_duration(raw.get("for")),
        keep_firing_for=_duration(raw.get("keep_firing_for")),
    )


def _duration(text: str | None) -> int:
    return milliseconds(text) if text else 0


def _with_steps(expr: str, interval: float) -> str:
    """The expression with the step of each subquery told: the default is the global interval."""
    step = f":{round(interval * 1000)}ms]"
    return _STRING_OR_OPEN_STEP.sub(lambda m: step if m[0].startswith(":") else m[0], expr)


def words(expr: str) -> set[str]:
    """Every name in an expression: of metrics, labels and functions."""
    return set(_NAME.findall(_STRING.sub("", expr)))


def needed_by(groups: Sequence[Group], alerts: set[int]) -> tuple[Group, ...]:
    """The groups with no rules but some alerts, and those that record what they read.

    Args:
        groups: In the order of evaluation.
        alerts: The alerts' numbers in that order.
    """
    rules = [rule for group in groups for rule in group.rules]
    kept, found = set[int](), alerts
    while found:
        kept |= found
        read = {word for number in found for word in words(rules[number].expr)}
        everything = read & {"__name__", *ALERTS}
        found = {
            number for number, rule in enumerate(rules) if everything or rule.name in read
        } - kept
    parts, first = [], 0
    for group in groups:
        parts.append(_only(group, [n - first for n in sorted(kept) if n >= first]))
        first += len(group.rules)
    return tuple(part for part in parts if part.rules)


def _only(group: Group, numbers: Sequence[int]) -> Group:
    """The group with no rules but some."""
    kept = [number for number in numbers if number < len(group.rules)]
    documents = [group.document["rules"][number] for number in kept]
    rules = tuple(group.rules[number] for number in kept)
    return replace(group, rules=rules, document={**group.document, "rules": documents})
