"""What is wrong with a service's metrics, found in one scrape."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import httpx
import promql_parser as promql
import yaml
from rich.console import Console
from rich.text import Text

from driftdrill.exposition import TIMEOUT_S, Exposition, Family, go_float, scrape
from driftdrill.text import printable

MANY = 50
"""Values of one label from which on it is worth a question, whatever they look like."""

FULL = 0.99
"""Share of the values in one bucket from which on a histogram says nothing."""

OBSERVED = 100
"""Values that a histogram must hold before its edges are judged."""


@dataclass(frozen=True)
class _Look:
    """What values that a client chose look like.

    Attributes:
        kind: What people call them.
        few: So many of them are no accident.
        share: And if they are at least this part of the label's values.
    """

    kind: str
    pattern: re.Pattern[str]
    few: int
    share: float


_FRACTION = r"-?\d*\.\d+(?:e[-+]?\d+)?"
_BOUND = rf"(?:{_FRACTION}|\d)"
_EDGES = rf"(?:{_FRACTION}|{_BOUND}-{_BOUND})$"
"""Edges of buckets and of groups, 0.25 or 0.25-0.5: there are as many as somebody chose."""

_LOOKS = (
    _Look("e-mail addresses", re.compile(r"[^@\s]+@[^@\s]+\.\w+"), 1, 0.0),
    _Look("UUIDs", re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.I), 2, 0.0),
    _Look("IP addresses", re.compile(r"\d{1,3}(\.\d{1,3}){3}(:\d+)?"), 5, 0.5),
    # A part of nothing but digits, or with several; /v1 is neither.
    _Look("paths", re.compile(r"/(.*/)?(\d+|[\w.-]*\d{2,}[\w.-]*)(/.*)?|.*\?.*=.*"), 3, 0.2),
    _Look(
        "ids", re.compile(rf"(?!{_EDGES})(?=.*\d)([0-9a-f]{{12,}}|[\w.-]*?\d{{2,}})", re.I), 5, 0.5
    ),
)
_NAMED = re.compile(
    r"(user|customer|client|account|visitor|session|request|trace|span|order|transaction)"
    r"_?(uu|gu)?id|(uu|gu)id|user(_?name)?|session|e_?mail|ip(_address)?|remote_addr(ess)?",
    re.I,
)
"""Labels that are called so hold a value per client or request, however few there are yet."""

_BOUNDED = frozenset({"le", "quantile"})
_SYNTHETIC = frozenset({"up", "ALERTS", "ALERTS_FOR_STATE"})


def examine(url: str, rules: Sequence[Path], console: Console) -> bool:
    """Scrape a service once, and say what will hurt; true when nothing will.

    Args:
        url: Its /metrics.
        rules: Rule files; what each of them would miss is told, which is no fault of the service.
        console: Where to print.

    Raises:
        RigError: There is no exposition at the URL.
    """
    with httpx.Client(trust_env=False, timeout=TIMEOUT_S, follow_redirects=True) as client:
        exposition = scrape(client, url)
    problems = list(find_problems(exposition))
    for problem in problems:
        console.print(Text(f"  BAD  {printable(problem)}", style="red"), soft_wrap=True)
    for note in missing_metrics(exposition, rules):
        console.print(Text(f"  note {printable(note)}"), soft_wrap=True)
    summary = f"{len(exposition.series)} series in {exposition.size:,} bytes"
    console.print(Text(f"  {'ok  ' if not problems else '    '} {summary}"), soft_wrap=True)
    return not problems


def find_problems(exposition: Exposition) -> Iterator[str]:
    """Labels without bounds, histograms with bad edges, families that say too little of them."""
    yield from unbounded_labels(exposition)
    for family in exposition.families:
        yield from _bad_family(family)


def unbounded_labels(exposition: Exposition) -> Iterator[str]:
    """Labels that seem to take their values from clients: each new value is a new series."""
    for (family, label), values in sorted(exposition.label_values.items()):
        if label in _BOUNDED:
            continue
        for look in _LOOKS:
            alike = sorted(value for value in values if look.pattern.fullmatch(value))
            if len(alike) >= max(look.few, look.share * len(values)):
                named = f"{family}: label {label!r} holds {look.kind}"
                yield f"{named}: {len(values)} values, {_some(alike)}"
                break
        else:
            if _NAMED.fullmatch(label):
                named = f"{family}: label {label!r} is called like what each client has its own of"
                yield f"{named}: {len(values)} values, {_some(sorted(values))}"
            elif len(values) >= MANY:
                named = f"{family}: label {label!r} may be unbounded"
                yield f"{named}: {len(values)} values, {_some(sorted(values))}"


def _some(values: Sequence[str]) -> str:
    return ", ".join(map(repr, values[:3])) + (" …" if len(values) > 3 else "")


def _bad_family(family: Family) -> Iterator[str]:
    if not family.documentation:
        yield f"{family.name}: no HELP: nobody will know what it counts"
    if family.type in {"unknown", "untyped"}:
        yield f"{family.name}: no TYPE: say whether it is a counter, a gauge or a histogram"
    every = Counter((s.name, frozenset(s.labels.items())) for s in family.samples)
    if twice := sum(count > 1 for count in every.values()):
        yield f"{family.name}: {twice} series stand there twice: Prometheus keeps one of each"
    if family.type == "histogram":
        yield from _bad_histogram(family)


def _bad_histogram(family: Family) -> Iterator[str]:
    edges = {s.labels["le"] for s in family.samples if "le" in s.labels}
    if wrong := sorted(edge for edge in edges if not _well_written(edge)):
        listed = ", ".join(wrong)
        yield f"{family.name}: le written as {listed}: Prometheus 3 writes 1.0 and 1e+06"
    for labels, buckets in _histograms(family).items():
        counts = [after - before for before, after in pairwise([0.0, *buckets.values()])]
        total = sum(counts)
        if total < OBSERVED:
            continue
        most = max(counts)
        if most >= FULL * total:
            le = list(buckets)[counts.index(most)]
            named = ", ".join(f'{name}="{value}"' for name, value in sorted(labels))
            yield (
                f"{family.name}{{{named}}}: {most / total:.0%} of {total:.0f} values lie in the"
                f" bucket up to {le}: its edges do not fit"
            )


def _well_written(le: str) -> bool:
    """Whether an `le` is written as Prometheus 3 writes it."""
    if le == "+Inf":
        return True
    try:
        return go_float(float(le)) == le
    except ValueError:
        return False


def _histograms(
    family: Family,
) -> Mapping[frozenset[tuple[str, str]], Mapping[str, float]]:
    """The cumulative buckets of each histogram of a family, by its labels without `le`."""
    found: dict[frozenset[tuple[str, str]], dict[str, float]] = {}
    for sample in family.samples:
        if sample.name.endswith("_bucket") and "le" in sample.labels:
            labels = frozenset(pair for pair in sample.labels.items() if pair[0] != "le")
            found.setdefault(labels, {})[sample.labels["le"]] = sample.value
    return found


def missing_metrics(exposition: Exposition, rules: Sequence[Path]) -> Iterator[str]:
    """What rules read that neither the service exposes nor another rule records."""
    groups = [group for path in rules for group in yaml.safe_load(path.read_text())["groups"]]
    every = [rule for group in groups for rule in group["rules"]]
    there = {name for name, _ in exposition.series} | {rule.get("record") for rule in every}
    blind: dict[tuple[str, ...], dict[str, None]] = {}
    for rule in every:
        missing = tuple(sorted(_names(str(rule["expr"])) - there - _SYNTHETIC))
        blind.setdefault(missing, {})[rule.get("alert") or rule["record"]] = None
    for missing, titles in blind.items():
        if missing:
            who = f"rules {', '.join(titles)}" if len(titles) > 1 else f"rule {min(titles)}"
            yield f"{who} would find no {', '.join(missing)}"


def _names(expression: str) -> set[str]:
    """The metrics that an expression selects by name."""
    found = set[str]()

    def visit(node: Any) -> bool:
        if isinstance(node, promql.VectorSelector) and node.name:
            found.add(node.name)
        return True

    promql.walk(promql.parse(expression), visit)
    return found
