"""Label matchers, carried from a recorded series to the series that it is made of."""

from __future__ import annotations

import re
from typing import Any

import promql_parser as promql

Matchers = tuple[Any, ...]
"""What `promql_parser` makes of `{a="b", c!~"d"}`."""

_SIGNS = {
    str(promql.MatchOp.Equal): "=",
    str(promql.MatchOp.NotEqual): "!=",
    str(promql.MatchOp.Re): "=~",
    str(promql.MatchOp.NotRe): "!~",
}

SAME_LABELS = {"sum", "min", "max", "avg", "count", "group", "stddev", "stdvar", "quantile"}
"""Aggregations whose results have the labels of their groups and no others."""


def sign(matcher: Any) -> str:
    """`=`, `!=`, `=~` or `!~`."""
    return _SIGNS[str(matcher.op)]


def holds(matcher: Any, value: str) -> bool:
    """Whether a label's value matches; a label that is not there has the value "".

    Raises:
        ValueError: Python does not read the pattern; Prometheus knows a few more.
    """
    kind = sign(matcher)
    if "~" not in kind:
        found = value == matcher.value
    else:
        try:
            found = re.fullmatch(matcher.value, value, re.DOTALL) is not None
        except re.error as error:
            raise ValueError(f"{matcher.value!r}: {error}") from None
    return found is not kind.startswith("!")


def divide(matchers: Matchers, labels: set[str]) -> tuple[Matchers, Matchers]:
    """The matchers of some labels, and those of all others."""
    return (
        tuple(matcher for matcher in matchers if matcher.name in labels),
        tuple(matcher for matcher in matchers if matcher.name not in labels),
    )


def through_aggregation(node: Any, matchers: Matchers) -> tuple[Matchers, Matchers] | None:
    """What matches an aggregation's results, told of what it aggregates.

    Returns:
        The matchers for the aggregated series, and those that have to match "", since the results
        lack their label; None when neither is so.
    """
    if str(node.op) not in SAME_LABELS:
        return None
    named = set(node.modifier.labels) if node.modifier is not None else set()
    inside, outside = divide(matchers, named)
    if node.modifier is not None and node.modifier.type == promql.AggModifierType.Without:
        return outside, inside
    return inside, outside


def through_operator(node: Any, matchers: Matchers) -> tuple[Matchers, Matchers, Matchers] | None:
    """What matches a binary operator's results, told of its sides, both vectors.

    Returns:
        The matchers for the left side, for the right side, and those that have to match "", since
        the results lack their label; None when it cannot be told.
    """
    operator, modifier = str(node.op), node.modifier
    matching = modifier.matching if modifier is not None else None
    others: Matchers
    if matching is None:
        shared, others = matchers, ()
    elif matching.type == promql.LabelModifierType.Include:
        shared, others = divide(matchers, set(matching.labels))
    else:
        others, shared = divide(matchers, set(matching.labels))
    if operator in {"and", "unless"}:
        return matchers, shared, ()
    if operator == "or":
        return None if others else (matchers, matchers, ())
    card = modifier.card if modifier is not None else promql.VectorMatchCardinality.OneToOne
    if card == promql.VectorMatchCardinality.OneToOne:
        return shared, shared, others
    if {matcher.name for matcher in others} & set(modifier.group_labels or ()):
        return None
    if card == promql.VectorMatchCardinality.ManyToOne:
        return matchers, shared, ()
    return shared, matchers, ()
