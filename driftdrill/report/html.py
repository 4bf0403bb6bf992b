"""Verdict, scenario and observation -> one page that needs nothing but itself."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from xml.etree.ElementTree import tostring

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from driftdrill.report.rows import COLUMNS, HEADLINES, headline, rows, run_again
from driftdrill.report.timeline import timeline
from driftdrill.text import (
    UNKNOWN,
    alert_title,
    printable,
    printable_lines,
    short_number,
    short_time,
)
from driftdrill.verdict import Alert, Observation, Verdict
from scenarios.spec import Scenario

WIDE, NARROW = 1040.0, 340.0
"""Widths, in pixels, that the timeline is drawn for: a screen's and a phone's."""

PAGES = Environment(
    loader=FileSystemLoader(Path(__file__).parent),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
"""The templates of this folder; every text is escaped."""


def report_html(scenario: Scenario, observation: Observation, verdict: Verdict) -> str:
    """The report as HTML; equal inputs give equal text."""
    silent = set(observation.rules) - {alert.alert for alert in observation.alerts}
    return PAGES.get_template("report.html.j2").render(
        name=printable(verdict.scenario),
        summary=printable(scenario.summary),
        outcome=verdict.outcome,
        outcome_title=HEADLINES[verdict.outcome],
        headline=headline(verdict),
        facts=list(_facts(observation, verdict)),
        reasons=[printable_lines(reason) for reason in verdict.reasons],
        notes=[printable_lines(note) for note in verdict.notes],
        unknown=UNKNOWN,
        columns=COLUMNS,
        rows=rows(scenario, verdict),
        drawings=[
            (kind, _markup(scenario, observation, width))
            for kind, width in (("wide", WIDE), ("narrow", NARROW))
        ],
        alerts=[
            (
                alert_title(alert.alert, alert.labels),
                short_time(alert.pending_at),
                short_time(alert.firing_at),
                short_time(alert.notified_at),
                _end(alert),
            )
            for alert in verdict.alerts
        ],
        silent=[printable(name) for name in sorted(silent)],
        versions=[(printable(k), printable(v)) for k, v in sorted(verdict.versions.items())],
        run_again=printable(run_again(verdict)),
    )


def _markup(scenario: Scenario, observation: Observation, width: float) -> Markup:
    # ElementTree has escaped every text and attribute of the drawing.
    return Markup(tostring(timeline(scenario, observation, width), encoding="unicode"))  # noqa: S704


def _end(alert: Alert) -> str:
    fires = alert.firing_at is not None and alert.resolved_at is None
    return "still firing" if fires else short_time(alert.resolved_at)


def _facts(observation: Observation, verdict: Verdict) -> Iterator[tuple[str, str]]:
    requests = verdict.requests
    live = f"live, {verdict.speed:g} times as fast as production"
    yield "Ran", live if verdict.mode == "live" else "virtual, without a clock"
    yield "Watched", f"{short_time(observation.observed_s)} of production time"
    share = (
        f" ({requests.rate_achieved / requests.rate_target:.1%})"
        if requests.rate_target > 0
        else ""
    )
    yield (
        "Traffic",
        f"{short_number(requests.rate_achieved)} of {short_number(requests.rate_target)} "
        f"requests/s{share}",
    )
    yield "Requests", f"{requests.sent:,} sent, {requests.failed:,} failed"
    yield "Seed", str(verdict.seed)
