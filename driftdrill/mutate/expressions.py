"""PromQL with one thing changed: an expression, taken apart and written again."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any, NamedTuple

import promql_parser as promql

from driftdrill.promapi import COMPARISONS
from driftdrill.virtual.filters import Matchers, sign
from driftdrill.virtual.gotext import quoted
from driftdrill.virtual.promql_text import (
    matchers_of,
    matching_text,
    milliseconds,
    offset_text,
    selector,
)

FACTOR = 10
"""A threshold is made so many times larger, and smaller."""

STRETCH = 20
"""A window is made so many times longer, and shorter."""

_SHORTEST_MS = 1000
_INVERTED = {">": "<", "<": ">", ">=": "<=", "<=": ">=", "==": "!=", "!=": "=="}
_SOFTENED = {">": ">=", "<": "<=", ">=": ">", "<=": "<"}
_SETS = {"and": ("or", "unless"), "or": ("and",), "unless": ("and",)}
_COUSINS = {"rate": "increase", "increase": "rate"}
_REFERENCES = {"_reference_cdf": "_reference_mass", "_reference_mass": "_reference_cdf"}


class Change(NamedTuple):
    """One thing changed.

    Attributes:
        operator: The kind of change.
        what: The change itself, for people.
        expr: The whole expression after it.
    """

    operator: str
    what: str
    expr: str


def changes(expr: str) -> Iterator[Change]:
    """Every expression that differs from `expr` in one thing.

    Raises:
        ValueError: It has something in it that cannot be written again.
    """
    return _changes(promql.parse(expr))


def rewritten(expr: str) -> str:
    """The same expression, as this module writes it; ValueError as in `changes`."""
    return _text(promql.parse(expr))


def _changes(node: Any) -> Iterator[Change]:
    inner = [_text(child) for child in _children(node)]
    yield from _own(node, inner)
    for i, child in enumerate(_children(node)):
        for operator, what, text in _changes(child):
            yield Change(operator, what, _write(node, [*inner[:i], text, *inner[i + 1 :]]))


def _children(node: Any) -> list[Any]:
    match node:
        case promql.BinaryExpr():
            return [node.lhs, node.rhs]
        case promql.AggregateExpr():
            return [node.expr] if node.param is None else [node.param, node.expr]
        case promql.Call():
            return list(node.args)
        case promql.ParenExpr() | promql.UnaryExpr() | promql.SubqueryExpr():
            return [node.expr]
    return []


def _text(node: Any) -> str:
    return _write(node, [_text(child) for child in _children(node)])


def _write(node: Any, inner: Sequence[str]) -> str:
    """A node as PromQL, given the text of its children."""
    match node:
        case promql.VectorSelector():
            return _range(node, 0)
        case promql.MatrixSelector():
            return _range(node.vector_selector, milliseconds(node.range))
        case promql.SubqueryExpr():
            return _subquery(node, inner[0], milliseconds(node.range))
        case promql.BinaryExpr():
            return _binary(node, inner, str(node.op), matching_text(node.modifier))
        case promql.AggregateExpr():
            return _aggregation(node, inner, _grouping_labels(node))
        case promql.Call():
            return f"{node.func.name}({', '.join(inner)})"
        case promql.ParenExpr():
            return f"({inner[0]})"
        case promql.UnaryExpr():
            return f"-({inner[0]})"
        case promql.NumberLiteral():
            return repr(node.val)
        case promql.StringLiteral():
            return quoted(node.val)
    raise ValueError(f"{node} is not understood")


def _own(node: Any, inner: Sequence[str]) -> Iterator[Change]:
    """The changes of a node itself."""
    match node:
        case promql.VectorSelector():
            yield from _selector_changes(node, partial(_range, node, 0))
        case promql.MatrixSelector():
            series, length = node.vector_selector, milliseconds(node.range)
            yield from _selector_changes(series, partial(_range, series, length))
            for what, other in _stretched(length):
                yield Change("window", what, _range(series, other))
        case promql.SubqueryExpr():
            for what, other in _stretched(milliseconds(node.range)):
                yield Change("window", what, _subquery(node, inner[0], other))
        case promql.BinaryExpr():
            yield from _operator_changes(node, inner)
        case promql.AggregateExpr():
            labels = _grouping_labels(node)
            for label in labels:
                rest = [other for other in labels if other != label]
                yield Change("missing label", f"by ({label})", _aggregation(node, inner, rest))
        case promql.Call() if node.func.name in _COUSINS:
            cousin = _COUSINS[node.func.name]
            what = f"{node.func.name} -> {cousin}"
            yield Change("rate for increase", what, f"{cousin}({', '.join(inner)})")
        case promql.NumberLiteral() if node.val:
            for number in (node.val * FACTOR, node.val / FACTOR):
                yield Change("threshold", f"{node.val:g} -> {number:g}", repr(number))


# --- Selectors ------------------------------------------------------------------------------------


def _range(
    node: Any, length: int, name: str | None = None, matchers: Matchers | None = None
) -> str:
    """A selector of series, over some milliseconds or at an instant."""
    if node.at is not None:
        raise ValueError(f"{node.name} is read with @")
    series = selector(name or node.name, matchers_of(node) if matchers is None else matchers)
    window = f"[{length}ms]" if length else ""
    return f"{series}{window}{offset_text(milliseconds(node.offset))}"


def _selector_changes(node: Any, write: Callable[..., str]) -> Iterator[Change]:
    if node.name:
        yield Change("wrong metric", f"{node.name} -> {node.name}x", write(f"{node.name}x"))
        for ending, other in _REFERENCES.items():
            if node.name.endswith(ending):
                swapped = node.name.removesuffix(ending) + other
                yield Change("reference swapped", f"{node.name} -> {swapped}", write(swapped))
    matchers = matchers_of(node)
    for i, matcher in enumerate(matchers):
        what = f"{matcher.name}{sign(matcher)}{quoted(matcher.value)}"
        wrong = promql.Matcher(matcher.op, matcher.name, matcher.value + "x")
        changed = (*matchers[:i], wrong, *matchers[i + 1 :])
        yield Change("wrong matcher", f"{what} -> {quoted(wrong.value)}", write(None, changed))


def _subquery(node: Any, inner: str, length: int) -> str:
    if node.at is not None:
        raise ValueError("a subquery is read with @")
    step = f"{milliseconds(node.step)}ms" if node.step is not None else ""
    return f"{inner}[{length}ms:{step}]{offset_text(milliseconds(node.offset))}"


def _stretched(length: int) -> Iterator[tuple[str, int]]:
    for other in (length * STRETCH, max(length // STRETCH, _SHORTEST_MS)):
        yield f"{length / 1000:g}s -> {other / 1000:g}s", other


# --- Operators and aggregations -------------------------------------------------------------------


def _binary(node: Any, inner: Sequence[str], operator: str, matching: str) -> str:
    boolean = node.modifier is not None and node.modifier.return_bool
    keyword = " bool" if boolean and operator in COMPARISONS else ""
    return f"{inner[0]} {operator}{keyword}{matching} {inner[1]}"


def _operator_changes(node: Any, inner: Sequence[str]) -> Iterator[Change]:
    operator, matching = str(node.op), matching_text(node.modifier)

    def other(kind: str, replacement: str) -> Change:
        text = _binary(node, inner, replacement, matching)
        return Change(kind, f"{operator} -> {replacement}", text)

    if operator in COMPARISONS:
        yield other("comparator", _INVERTED[operator])
        if operator in _SOFTENED:
            yield other("comparator", _SOFTENED[operator])
        yield Change("guard removed", f"{operator} {inner[1]}", inner[0])
    for replacement in _SETS.get(operator, ()):
        yield other("set operator", replacement)
    if operator in _SETS:
        yield Change("guard removed", f"{operator} {inner[1]}", inner[0])
    if operator == "or":
        yield Change("guard removed", f"{inner[0]} or", inner[1])
    yield from _matching_changes(node, inner)


def _matching_changes(node: Any, inner: Sequence[str]) -> Iterator[Change]:
    matching = node.modifier.matching if node.modifier is not None else None
    if matching is None:
        return
    text = matching_text(node.modifier)
    listed = f"({','.join(matching.labels)})"
    for label in matching.labels:
        rest = f"({','.join(other for other in matching.labels if other != label)})"
        changed = text.replace(listed, rest, 1)
        yield Change("missing label", f"on ({label})", _binary(node, inner, str(node.op), changed))


def _grouping_labels(node: Any) -> list[str]:
    return list(node.modifier.labels) if node.modifier is not None else []


def _aggregation(node: Any, inner: Sequence[str], labels: Sequence[str]) -> str:
    grouping = ""
    if node.modifier is not None:
        without = node.modifier.type == promql.AggModifierType.Without
        grouping = f" {'without' if without else 'by'} ({', '.join(labels)})"
    return f"{node.op}{grouping} ({', '.join(inner)})"
