"""Joins that come to nothing for a part of a recording, told by what their cheaper side leaves out.

Prometheus evaluates both sides of a join before it looks whether they match. Where one of them is
filtered by a comparison with a number (a window that holds too many values to show a small change)
and has no value at any of some evaluations, the join has none there either, and the other side need
not be asked.
"""

from __future__ import annotations

import re
from typing import Any

import promql_parser as promql

from driftdrill.promapi import COMPARISONS, Prometheus, PrometheusError
from driftdrill.virtual.promql_text import is_scalar

NOTHING = "driftdrill:nothing{}"
"""Selects a metric that no series has."""

_WORTH_ASKING = 3_600_000_000
"""Milliseconds, a thousand hours, that all evaluations together have to look through: what a
question may save. As many samples of 60 s take Prometheus 0.1 ms a series, and there are dozens."""

_MAY_FAIL = {"label_replace", "label_join", "histogram_quantile", "histogram_fraction", "info"}
"""Functions whose results may collide, which ends an evaluation, as a join of two vectors can."""


class Voids:
    """Tells which joins have no value at some evaluations.

    Args:
        prometheus: On the recording.
        instants: Unix milliseconds of the evaluations.
    """

    def __init__(self, prometheus: Prometheus, instants: range) -> None:
        self._prometheus = prometheus
        self._instants = instants

    def without(self, node: Any, left: str, right: str) -> str | None:
        """What is left of an operation.

        Args:
            node: The operation.
            left: Its left side over what was scraped, or `NOTHING`.
            right: Its right side, likewise.

        Returns:
            `NOTHING` where it has no value, one side where the other never adds to it, None where
            both count.
        """
        operator = str(node.op)
        if operator == "or":
            return {left: right, right: left}.get(NOTHING)
        if self._void(node.lhs, left, right):
            return NOTHING
        if not self._void(node.rhs, right, left):
            return None
        return left if operator == "unless" else NOTHING

    def _void(self, side: Any, text: str, other: str) -> bool:
        if text == NOTHING:
            return True
        saved = len(self._instants) * _longest_window(other)
        return (
            saved >= _WORTH_ASKING
            and _is_filtered(side)
            and not _may_fail(other)
            and self._never(text)
        )

    def _never(self, query: str) -> bool:
        """Whether an expression has no value; the last evaluation tells most that have one."""
        try:
            return not any(
                self._prometheus.arrays(
                    f"count({query})", part[0] / 1000, part[-1] / 1000, part.step / 1000
                )
                for part in (self._instants[-1:], self._instants)
            )
        except PrometheusError:
            return False  # The alert's own evaluation says what is wrong, by its name.


def _longest_window(query: str) -> int:
    """Milliseconds; 0 without a window."""
    return max(map(int, re.findall(r"\[(\d+)ms", query)), default=0)


def _is_filtered(node: Any) -> bool:
    """Whether a comparison with a number decides what a node has values for."""
    match node:
        case promql.ParenExpr():
            return _is_filtered(node.expr)
        case promql.BinaryExpr():
            boolean = node.modifier is not None and node.modifier.return_bool
            compares = str(node.op) in COMPARISONS and not boolean
            return compares and (is_scalar(node.lhs) or is_scalar(node.rhs))
    return False


def _may_fail(query: str) -> bool:
    """Whether evaluating an expression may fail, for which a rule's evaluation fails, too."""
    failing = False

    def look(node: Any) -> bool:
        nonlocal failing
        if isinstance(node, promql.BinaryExpr):
            failing = failing or not (is_scalar(node.lhs) or is_scalar(node.rhs))
        elif isinstance(node, promql.Call):
            failing = failing or node.func.name in _MAY_FAIL
        return not failing

    promql.walk(promql.parse(query), look)
    return failing
