"""Certificates -> a table, JSON, and a page with operating curves."""

from __future__ import annotations

from collections.abc import Sequence
from math import isfinite
from pathlib import Path

import msgspec
import numpy as np
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from rich.console import Console
from rich.table import Table
from rich.text import Text

from driftdrill.certify.certificate import Certificate
from driftdrill.certify.study import best_points, flat
from driftdrill.text import UNKNOWN, short_time

WIDTH, HEIGHT, MARGIN = 640.0, 260.0, 46.0

_PAGE = Environment(
    loader=FileSystemLoader(Path(__file__).parent),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
).get_template("certificate.html.j2")

CALM_COLUMNS = ("Rules", "Alert", "False alarms", "In evaluations", "In 30 days", "Run length")
FOUND_COLUMNS = (
    "Rules", "Alert", "Drill", "Effect", "Missed", "Early", "Delay", "Oracle", "Ratio",
)  # fmt: skip


def calm_rows(certificates: Sequence[Certificate]) -> list[tuple[str, ...]]:
    """What each alert of each rule set did where nothing changed."""
    return [
        (
            one.rules,
            one.alert,
            f"{one.calm.alarms}",
            f"{one.calm.evaluations:,}",
            _number(one.calm.false_alarms_per_30d),
            _run_length(one),
        )
        for one in certificates
    ]


def found_rows(certificates: Sequence[Certificate]) -> list[tuple[str, ...]]:
    """How each found each change; delays in production time."""
    return [
        (
            one.rules,
            one.alert,
            found.scenario,
            f"{found.effect:g}",
            f"{found.missed} of {found.runs}",
            f"{found.early} of {found.runs}",
            _time(found.delay_mean),
            _time(found.oracle_mean),
            _number(found.oracle_ratio),
        )
        for one in certificates
        for found in one.found
    ]


def findings(certificates: Sequence[Certificate]) -> list[str]:
    """Which rules alarm without a change or miss one, a sentence each; or that none does."""
    said = []
    for rules in dict.fromkeys(one.rules for one in certificates):
        wrong = []
        for one in certificates:
            if one.rules != rules:
                continue
            if one.calm.alarms:
                wrong.append(
                    f"{rules}: {one.alert} is nervous: {one.calm.alarms} false alarms in"
                    f" {one.calm.evaluations:,} evaluations"
                )
            wrong += [
                f"{rules}: {one.alert} is insensitive: it missed {found.scenario} x"
                f" {found.effect:g} in {found.missed} of {found.runs} runs"
                for found in one.found
                if found.missed
            ]
        judged = any(one.rules == rules and one.found for one in certificates)
        said += wrong or [f"{rules}: no false alarm" + (", no change missed" if judged else "")]
    return said


def print_tables(certificates: Sequence[Certificate], console: Console) -> None:
    """Both in the terminal, and what stands out of them."""
    for columns, rows in (
        (CALM_COLUMNS, calm_rows(certificates)),
        (FOUND_COLUMNS, found_rows(certificates)),
    ):
        table = Table(box=None, pad_edge=False, header_style="dim")
        for column in columns:
            table.add_column(column, overflow="fold")
        for row in rows:
            table.add_row(*map(Text, row))
        console.print()
        console.print(table)
    console.print()
    for finding in findings(certificates):
        console.print(Text(finding), soft_wrap=True)


def write_json(certificates: Sequence[Certificate], path: Path) -> None:
    """A list of flat objects, one per rule set, alert, drill and effect size; unknown is null."""
    found = msgspec.json.encode(list(flat(certificates)))
    path.write_bytes(msgspec.json.format(found) + b"\n")


def write_page(certificates: Sequence[Certificate], path: Path) -> None:
    """The table and the operating curves, on a page that needs nothing but itself."""
    names = sorted({one.rules for one in certificates})
    drawings = [
        {"title": f"{alert}: {drill}", "lines": lines}
        for alert in sorted({one.alert for one in certificates})
        for drill, lines in _drawings([one for one in certificates if one.alert == alert], names)
    ]
    text = _PAGE.render(
        tables=[
            (CALM_COLUMNS, calm_rows(certificates)),
            (FOUND_COLUMNS, found_rows(certificates)),
        ],
        names=names,
        drawings=drawings,
        width=WIDTH,
        height=HEIGHT,
        margin=MARGIN,
    )
    path.write_text(text)


def _drawings(
    certificates: Sequence[Certificate], names: Sequence[str]
) -> list[tuple[str, list[dict[str, object]]]]:
    """Per drill and effect size, each rule set's curve: false alarms to the right, delay up."""
    drawn = []
    for drill in {drill: None for one in certificates for drill in one.curves}:
        points = {
            one.rules: best_points(one.curves[drill]) for one in certificates if drill in one.curves
        }
        known = [point for found in points.values() for point in found]
        if not known:
            continue
        most = max(np.log1p(point.false_alarms_per_30d) for point in known) or 1.0
        longest = max(point.delay_mean for point in known) or 1.0
        lines = []
        for one in certificates:
            placed = [
                (
                    MARGIN + np.log1p(p.false_alarms_per_30d) / most * (WIDTH - 2 * MARGIN),
                    HEIGHT - MARGIN - p.delay_mean / longest * (HEIGHT - 2 * MARGIN),
                    p,
                )
                for p in points.get(one.rules, [])
            ]
            lines.append(
                {
                    "hue": names.index(one.rules),
                    "name": one.rules,
                    "path": " ".join(f"{x:.1f},{y:.1f}" for x, y, _ in placed),
                    "dots": [
                        {
                            "x": f"{x:.1f}",
                            "y": f"{y:.1f}",
                            "own": p.factor == 1.0,
                            "title": f"{one.rules}, threshold x {p.factor:g}: "
                            f"{p.false_alarms_per_30d:.3g} false alarms in 30 days, "
                            f"{short_time(p.delay_mean)} of delay, {p.missed} missed",
                        }
                        for x, y, p in placed
                    ],
                }
            )
        drawn.append((drill, lines))
    return drawn


def _run_length(one: Certificate) -> str:
    if not one.calm.alarms:
        return f"> {one.calm.arl_low:,.0f}"
    return f"{one.calm.arl:,.0f} ({one.calm.arl_low:,.0f} to {one.calm.arl_high:,.0f})"


def _number(value: float) -> str:
    return f"{value:.3g}" if isfinite(value) else UNKNOWN


def _time(seconds: float) -> str:
    return short_time(seconds) if isfinite(seconds) else UNKNOWN
