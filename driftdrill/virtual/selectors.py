"""Which series rule files read, so that a drill of a month writes no others."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import promql_parser as promql
import yaml

from driftdrill.rig.errors import UsageError

Wanted = Callable[[str, Mapping[str, str]], bool]
"""(metric name, labels) -> whether to record the series."""


def everything(name: str, labels: Mapping[str, str]) -> bool:
    """Every series is wanted."""
    del name, labels
    return True


def read_by(rules: Sequence[Path]) -> Wanted:
    """The series that some selector of the rule files takes.

    Raises:
        UsageError: A file cannot be read, or is no rule file.
    """
    found: dict[str, Any] = {}
    for path in rules:
        try:
            groups = (yaml.safe_load(path.read_text()) or {}).get("groups") or []
            expressions = [str(rule["expr"]) for group in groups for rule in group["rules"]]
        except (OSError, yaml.YAMLError, AttributeError, KeyError, TypeError) as error:
            raise UsageError(f"{path}: not a valid rule file: {error}") from error
        for expression in expressions:
            try:
                tree = promql.parse(expression)
            except ValueError:
                return everything  # Whether it is valid is for promtool to say.
            promql.walk(tree, _collect(found))
    selectors = list(found.values())

    def wanted(name: str, labels: Mapping[str, str]) -> bool:
        return any(_takes(selector, {**labels, "__name__": name}) for selector in selectors)

    return wanted


def _collect(found: dict[str, Any]) -> Callable[[Any], bool]:
    def visit(node: Any) -> bool:
        if isinstance(node, promql.VectorSelector):
            found[str(node)] = node
        return True

    return visit


def _takes(selector: Any, labels: Mapping[str, str]) -> bool:
    if selector.name and selector.name != labels["__name__"]:
        return False
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
