"""Study -> terminal, JSON, and one page that needs nothing but itself."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from xml.etree.ElementTree import tostring

import msgspec
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from driftdrill.overhead.claims import Claim, Outcome, Study
from driftdrill.overhead.plot import plot
from driftdrill.report.html import NARROW, WIDE
from driftdrill.report.rows import HEADLINES
from driftdrill.text import UNKNOWN, printable, short_number

_COLOURS: Mapping[Outcome, str] = {"pass": "green", "fail": "red", "inconclusive": "yellow"}

_PAGE = Environment(
    loader=PackageLoader("driftdrill", "."),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
).get_template("overhead/overhead.html.j2")


def study_json(study: Study) -> bytes:
    """One flat object of growth ratios, then everything that was measured.

    Keys are `<cost>_ratio`, `<cost>_ratio_low` and `<cost>_ratio_high`; null where unknown.
    """
    flat: dict[str, object] = {
        "mode": study.mode,
        "target": study.target,
        "outcome": study.outcome,
        "reasons": study.reasons,
    }
    for claim in study.claims:
        ratios = {"": claim.ratio, "_low": claim.low, "_high": claim.high}
        flat |= {f"{claim.cost.key}_ratio{end}": value for end, value in ratios.items()}
    compact = msgspec.json.encode({**flat, "steps": study.steps})
    return msgspec.json.format(compact, indent=2) + b"\n"


def write_study(study: Study, out: Path, json: Path | None) -> None:
    """Write overhead.json and overhead.html into a folder, and the JSON where it is asked for."""
    for path in filter(None, (out / "overhead.json", json)):
        path.write_bytes(study_json(study))
    (out / "overhead.html").write_text(study_html(study), encoding="utf-8")


def columns(study: Study) -> tuple[str, ...]:
    """The heads of the table."""
    rates = (f"{short_number(step.rate)}/s" for step in study.steps)
    return ("Cost", *rates, "Ratio", "95%", "At most")


def cells(claim: Claim) -> tuple[str, ...]:
    """The texts of one line of the table."""
    limit = claim.cost.limit
    between = UNKNOWN if claim.low is None else f"{_ratio(claim.low)} - {_ratio(claim.high)}"
    return (
        claim.cost.title,
        *(short_number(value) for value in claim.values),
        _ratio(claim.ratio),
        between,
        UNKNOWN if limit is None else f"{limit:g}",
    )


def _ratio(value: float | None) -> str:
    """To a thousandth where that matters."""
    return short_number(value) if value is None or value >= 100 else f"{value:.3f}"


def headline(study: Study) -> str:
    """One sentence: how many claims held, over what growth of traffic."""
    judged = [claim.outcome for claim in study.claims if claim.outcome is not None]
    factor = study.steps[-1].rate / study.steps[0].rate
    constant = judged.count("pass")
    return f"{constant} of {len(judged)} costs constant under {short_number(factor)} times the load"


def print_study(study: Study, console: Console) -> None:
    """The table, the reasons, and the outcome in one bold line."""
    table = Table(box=None, pad_edge=False, header_style="dim")
    for number, column in enumerate((*columns(study), "Outcome")):
        table.add_column(column, overflow="fold", justify="left" if number == 0 else "right")
    for claim in study.claims:
        outcome = claim.outcome
        colour = _COLOURS[outcome] if outcome else "dim"
        table.add_row(*map(Text, cells(claim)), Text(outcome or UNKNOWN, style=colour))
    console.print()
    console.print(table)
    console.print()
    for reason in study.reasons:
        console.print(Padding(Text(printable(reason)), (0, 0, 0, 2)))
    style = f"bold {_COLOURS[study.outcome]}"
    name = printable(study.target)
    console.print(Text(f"{HEADLINES[study.outcome]}  {name}: {headline(study)}", style=style))


def study_html(study: Study) -> str:
    """The study as a page; equal inputs give equal text."""
    return _PAGE.render(
        target=printable(study.target),
        mode=study.mode,
        outcome=study.outcome,
        outcome_title=HEADLINES[study.outcome],
        headline=headline(study),
        reasons=[printable(reason) for reason in study.reasons],
        columns=columns(study),
        rows=[(cells(claim), claim.outcome) for claim in study.claims],
        unknown=UNKNOWN,
        drawings=[
            (kind, _markup(study, width)) for kind, width in (("wide", WIDE), ("narrow", NARROW))
        ],
    )


def _markup(study: Study, width: float) -> Markup:
    # ElementTree has escaped every text and attribute of the drawing.
    return Markup(tostring(plot(study, width), encoding="unicode"))  # noqa: S704
