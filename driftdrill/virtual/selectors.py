"""Which series the alerts of rule files need, so that a drill of a month writes no others."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import promql_parser as promql
import yaml

from driftdrill.rig.errors import UsageError
from driftdrill.virtual.gotext import NAME
from driftdrill.virtual.rules import ALERTS, groups_in, words

Wanted = Callable[[str, Mapping[str, str]], bool]
"""(metric name, labels) -> whether to record the series."""


def everything(name: str, labels: Mapping[str, str]) -> bool:
    """Every series is wanted."""
    del name, labels
    return True


def read_by(rules: Sequence[Path]) -> Wanted:
    """The series that an alert of the rule files needs, itself or by way of recorded metrics.

    Raises:
        UsageError: A file cannot be read, or is no rule file.
    """
    found: dict[str, Any] = {}
    for expression in _needed([rule for path in rules for rule in _rules(path)]):
        try:
            tree = promql.parse(expression)
        except ValueError:
            return everything  # Whether it is valid is for promtool to say.
        promql.walk(tree, _collect(found))
    named: defaultdict[str, list[Any]] = defaultdict(list)
    for selector in found.values():
        named[selector.name or ""].append(selector)

    def wanted(name: str, labels: Mapping[str, str]) -> bool:
        every = {**labels, NAME: name}
        return any(_takes(selector, every) for key in ("", name) for selector in named.get(key, ()))

    return wanted


@dataclass(frozen=True)
class _Rule:
    name: str
    alerting: bool
    expr: str


def _rules(path: Path) -> Iterator[_Rule]:
    try:
        for group in groups_in(path.read_text()):
            for rule in group.get("rules") or ():
                alert = rule.get("alert")
                yield _Rule(alert or rule["record"], bool(alert), str(rule["expr"]))
    except (OSError, yaml.YAMLError, AttributeError, KeyError, TypeError) as error:
        raise UsageError(f"{path}: not a valid rule file: {error}") from error


def _needed(rules: Sequence[_Rule]) -> Iterator[str]:
    """The expressions of the alerts, and of whatever records what they read."""
    left, read = list(rules), set[str]()
    while True:
        wanted = [r for r in left if r.alerting or r.name in read or read & {NAME, *ALERTS}]
        if not wanted:
            return
        left = [rule for rule in left if rule not in wanted]
        for rule in wanted:
            read |= words(rule.expr)
            yield rule.expr


def _collect(found: dict[str, Any]) -> Callable[[Any], bool]:
    def visit(node: Any) -> bool:
        if isinstance(node, promql.VectorSelector):
            found[str(node)] = node
        return True

    return visit


def _takes(selector: Any, labels: Mapping[str, str]) -> bool:
    """Whether it takes a series of the name that it asks for, if any."""
    if selector.matchers.or_matchers:
        return True
    return all(_matches(m, labels.get(m.name, "")) for m in selector.matchers.matchers)


def _matches(matcher: Any, value: str) -> bool:
    equal, unequal, like = (
        promql.MatchOp.Equal, promql.MatchOp.NotEqual, promql.MatchOp.Re,
    )  # fmt: skip
    if matcher.op == equal:
        return bool(matcher.value == value)
    if matcher.op == unequal:
        return bool(matcher.value != value)
    try:
        found = re.fullmatch(matcher.value, value) is not None
    except re.error:
        return True  # RE2 knows a few things that Python spells otherwise.
    return found if matcher.op == like else not found
