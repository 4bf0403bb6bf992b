"""Rules that prove nothing: no traffic could make them fire, or which one counts is undefined."""

from __future__ import annotations

from collections.abc import Container, Sequence
from itertools import combinations

from driftdrill.promapi import Prometheus
from driftdrill.virtual.blocks_engine import AlertQuery
from driftdrill.virtual.inline import Inliner
from driftdrill.virtual.promql_text import scraped_selectors
from driftdrill.virtual.queries import Inlined, as_curves, at_some_evaluations
from driftdrill.virtual.recorders import CannotInlineError, Recorder, Recorders
from driftdrill.virtual.rules import words
from driftdrill.virtual.timelines import EngineError, Span
from driftdrill.virtual.voids import NOTHING
from target_service.contract import METRICS

_PROBES, _POINTS = 4, 240
_ABSENCE = {"absent", "absent_over_time"}


def unreachable(
    alerts: Sequence[AlertQuery], inliner: Inliner, prometheus: Prometheus, span: Span
) -> dict[int, str]:
    """A sentence, by the alert's place, for each of some that never held and have no value either.

    That is asked of the expression without its comparisons, so it says nothing about thresholds: a
    metric is missing, or no labels match. An alert on absence is silent for a good reason.
    """
    found = (_why_unreachable(alert, inliner, prometheus, span) for alert in alerts)
    return {
        alert.place: f"rule {alert.rule.name} of {alert.group.file} can never fire here: {reason}"
        for alert, reason in zip(alerts, found, strict=True)
        if reason is not None
    }


def collisions(
    recorders: Recorders, inliner: Inliner, prometheus: Prometheus, span: Span
) -> tuple[str, ...]:
    """A sentence for each two rules that record the same series at the same time.

    Prometheus keeps one of the values, and warns in its log alone.
    """
    pairs = (
        pair
        for name in sorted(recorders.names)
        for pair in combinations(recorders.of(name), 2)
        if pair[0].rule.labels == pair[1].rule.labels
    )
    return tuple(
        f"rule {later.rule.name} of {later.group.file} records what another rule of that name"
        " does, too: which value counts is undefined"
        for earlier, later in pairs
        if _collide(earlier, later, inliner, prometheus, span)
    )


def _collide(
    earlier: Recorder, later: Recorder, inliner: Inliner, prometheus: Prometheus, span: Span
) -> bool:
    try:
        query = f"({inliner.recorded(earlier)}) and ({inliner.recorded(later)})"
    except CannotInlineError:
        return False
    asked = Inlined(later.rule, later.group, query)
    return any(True for _ in at_some_evaluations(asked, prometheus, span, _PROBES))


def unexposed(
    alerts: Sequence[AlertQuery],
    prometheus: Prometheus,
    span: Span,
    sound: Container[str] = frozenset(),
) -> tuple[str, ...]:
    """A sentence for each selector of an alert that no series matches at any time.

    One side of an `or` can be misspelled while the other one answers: what it would say is unknown.
    A metric that our services do expose may be missing as a whole for a reason: a model without
    categories counts none; and so may whatever an alert on absence reads.

    Args:
        alerts: Those that could be inlined are looked at.
        prometheus: On the recording.
        span: All of it.
        sound: Selectors that need not be looked at.
    """
    missing = {*METRICS}.difference(prometheus.get("label/__name__/values"))
    return tuple(
        f"{alert.rule.name} reads {selector.removesuffix('{}')}, which nothing here exposes"
        for alert in alerts
        for selector in scraped_selectors(alert.query or "vector(1)")
        if selector != NOTHING
        and selector not in sound
        and not words(alert.rule.expr) & _ABSENCE
        and selector.partition("{")[0] not in missing
        and not _exists(selector, prometheus, span)
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
        asked = Inlined(alert.rule, alert.group, query)
        if any(True for _ in at_some_evaluations(asked, prometheus, span, _PROBES)):
            return None
        if as_curves(asked, prometheus, span, _POINTS):
            return None
    except EngineError:
        return None  # Values that a comparison leaves out may collide: so there are values.
    missing = [s for s in scraped_selectors(query) if not _exists(s, prometheus, span)]
    if NOTHING in missing:
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
