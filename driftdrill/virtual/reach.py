"""Alerts that no traffic could make fire: their silence proves nothing."""

from __future__ import annotations

from collections.abc import Sequence

from driftdrill.promapi import Prometheus
from driftdrill.virtual.blocks_engine import AlertQuery
from driftdrill.virtual.inline import NOTHING, Inliner
from driftdrill.virtual.promql_text import scraped_selectors
from driftdrill.virtual.queries import Inlined, somewhere
from driftdrill.virtual.recorders import CannotInlineError
from driftdrill.virtual.rules import words
from driftdrill.virtual.timelines import EngineError, Span

_POINTS = 240
_ABSENCE = {"absent", "absent_over_time"}


def unreachable(
    alerts: Sequence[AlertQuery], inliner: Inliner, prometheus: Prometheus, span: Span
) -> tuple[str, ...]:
    """A sentence for each alert whose expression has no value at any time.

    That is asked of the expression without its comparisons, so it says nothing about thresholds: a
    metric is missing, or no labels match. An alert on absence is silent for a good reason.
    """
    found = (_why_unreachable(alert, inliner, prometheus, span) for alert in alerts)
    return tuple(
        f"rule {alert.rule.name} of {alert.group.file} can never fire here: {reason}"
        for alert, reason in zip(alerts, found, strict=True)
        if reason is not None
    )


def _why_unreachable(
    alert: AlertQuery, inliner: Inliner, prometheus: Prometheus, span: Span
) -> str | None:
    try:
        query = inliner.inline(alert.rule.expr, alert.place, alert.group, relaxed=True)
    except CannotInlineError:
        return None
    if words(query) & _ABSENCE:
        return None
    try:
        if somewhere(Inlined(alert.rule, alert.group, query), prometheus, span, _POINTS):
            return None
    except EngineError:
        return None  # Values that a comparison leaves out may collide: so there are values.
    missing = [s for s in scraped_selectors(query) if not _exists(s, prometheus, span)]
    if f"{NOTHING}{{}}" in missing:
        return "no rule records the labels that it selects"
    if missing:
        return f"no series matches {', '.join(missing)}"
    return "what it compares has no value at any time, or no labels in common"


def _exists(selector: str, prometheus: Prometheus, span: Span) -> bool:
    asked = {
        "match[]": selector,
        "start": f"{span.start / 1000:.3f}",
        "end": f"{(span.start + span.duration) / 1000:.3f}",
    }
    return bool(prometheus.get("series", asked))
