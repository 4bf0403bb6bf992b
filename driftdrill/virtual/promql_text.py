"""PromQL in pieces: what a node of `promql_parser` says, and how it is written.

That parser's own writer does not escape what stands in strings, and drops a subquery's colon.
"""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import promql_parser as promql

from driftdrill.promapi import COMPARISONS
from driftdrill.virtual.filters import Matchers, sign
from driftdrill.virtual.gotext import quoted

_KEEP_NAMES = {"last_over_time", "first_over_time", "sort", "sort_desc", "label_replace"}
_KEEP_NAMES |= {"label_join", "sort_by_label", "sort_by_label_desc", "info"}
_PICK = {"topk", "bottomk", "limitk", "limit_ratio"}
_SET_OPERATORS = {"and", "or", "unless"}
_STRING = r'"(?:[^"\\]|\\.)*"'
_STRING_OR_SELECTOR = re.compile(
    rf'{_STRING}|([a-zA-Z_:][\w:]*\{{(?:[^"}}]|{_STRING})*\}})', re.ASCII
)


def selector(name: str | None, matchers: Matchers) -> str:
    """`name{label="value"}`."""
    inside = ",".join(f"{m.name}{sign(m)}{quoted(m.value)}" for m in matchers)
    return f"{name or ''}{{{inside}}}"


def matchers_of(node: Any) -> Matchers:
    """A selector's matchers; ValueError when it has alternatives, which are too new."""
    if node.matchers.or_matchers:
        raise ValueError("it uses `or` in a selector")
    return tuple(node.matchers.matchers)


def offset_text(offset: int) -> str:
    """` offset …` for milliseconds, nothing for none."""
    return f" offset {offset}ms" if offset else ""


def milliseconds(duration: timedelta | None) -> int:
    """A duration of the parser's; none is 0."""
    return round(duration / timedelta(milliseconds=1)) if duration is not None else 0


def grouping_text(modifier: Any) -> str:
    """` by (…)` or ` without (…)`, nothing for none."""
    if modifier is None:
        return ""
    without = modifier.type == promql.AggModifierType.Without
    return f" {'without' if without else 'by'} ({','.join(modifier.labels)})"


def matching_text(modifier: Any) -> str:
    """`on (…) group_left (…)`, or what there is of it; ValueError for the newer `fill`."""
    if modifier is None:
        return ""
    fill = modifier.fill_values
    if fill.lhs is not None or fill.rhs is not None:
        raise ValueError("it fills in missing matches")
    text = ""
    if modifier.matching is not None:
        on = modifier.matching.type == promql.LabelModifierType.Include
        text = f" {'on' if on else 'ignoring'} ({','.join(modifier.matching.labels)})"
    group = {
        str(promql.VectorMatchCardinality.ManyToOne): "group_left",
        str(promql.VectorMatchCardinality.OneToMany): "group_right",
    }.get(str(modifier.card))
    return f"{text} {group} ({','.join(modifier.group_labels or ())})" if group else text


def is_scalar(node: Any) -> bool:
    """Whether a node is one number, not a vector."""
    match node:
        case promql.NumberLiteral():
            return True
        case promql.ParenExpr() | promql.UnaryExpr():
            return is_scalar(node.expr)
        case promql.BinaryExpr():
            return is_scalar(node.lhs) and is_scalar(node.rhs)
        case promql.Call():
            return bool(node.func.return_type == promql.ValueType.Scalar)
    return False


def keeps_names(node: Any) -> bool:
    """Whether results may still have the metric name of the series that they come from."""
    match node:
        case promql.VectorSelector():
            return True
        case promql.ParenExpr():
            return keeps_names(node.expr)
        case promql.AggregateExpr():
            return str(node.op) in _PICK
        case promql.Call():
            return node.func.name in _KEEP_NAMES
        case promql.BinaryExpr():
            if str(node.op) in _SET_OPERATORS:
                return keeps_names(node.lhs) or keeps_names(node.rhs)
            return str(node.op) in COMPARISONS
    return False


def scraped_selectors(query: str) -> list[str]:
    """The selectors in an inlined expression, as often as they differ, in order.

    They are found in its text, where each stands as `selector` writes it: the parser copies all
    that is under a node to visit it.
    """
    return list(dict.fromkeys(filter(None, _STRING_OR_SELECTOR.findall(query))))
