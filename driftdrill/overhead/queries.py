"""What dashboards and alerts ask of a service's series."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml

from driftdrill.drill import RULES
from driftdrill.exposition import Exposition
from driftdrill.promapi import Prometheus
from driftdrill.rig import PROJECT
from driftdrill.rig.configs import write_rules
from driftdrill.rig.tools import Tool
from driftdrill.virtual.blocks_engine import alert_queries
from driftdrill.virtual.inline import Inliner
from driftdrill.virtual.recorders import Recorders
from driftdrill.virtual.rules import load_groups
from target_service.contract import METRICS

DASHBOARDS = PROJECT / "grafana" / "dashboards"
"""The shipped dashboards."""

SPEED = 600.0
"""At which the rules are asked: their longest windows, an hour, become 6 s."""

REACH_S = 6.0
"""How far back they look, but for evidence, which looks at 512 minutes."""

_VARIABLE = re.compile(r"\$\w+")
_EVALUATION_S = 60.0
_POINTS = 20


def queries_of(exposition: Exposition, promtool: Tool, folder: Path) -> tuple[str, ...]:
    """The questions to time: the shipped ones where the service has their metrics, else its own.

    Args:
        exposition: What the service exposes.
        promtool: Checks the rules.
        folder: For their scaled copies.
    """
    names = {name for name, _ in exposition.series}
    if names >= METRICS.keys():
        return shipped_queries(promtool, folder)
    return family_queries(exposition)


def shipped_queries(promtool: Tool, folder: Path, speed: float = SPEED) -> tuple[str, ...]:
    """Every shipped alert and dashboard query, what it reads from recording rules put in its place.

    Left out are the count of firing alerts, and what is recorded less often than dashboards read
    it: the alerts on that are asked.

    Args:
        promtool: Checks the rules.
        folder: For their scaled copies.
        speed: Production seconds per second; windows shrink by it.
    """
    asked = folder / "dashboards.yml"
    rules = [
        {"alert": f"Query{number}", "expr": query}
        for number, query in enumerate(dict.fromkeys(_dashboard_queries()), 1)
    ]
    asked.write_text(yaml.safe_dump({"groups": [{"name": "dashboards", "rules": rules}]}))
    write_rules((*RULES, asked), speed, folder / "rules", promtool)
    # What reads a recorded series comes after its rule.
    files = sorted(
        (folder / "rules").glob("*.yml"), key=lambda file: (asked.stem in file.stem, file.name)
    )
    groups = load_groups(files, _EVALUATION_S / speed, promtool)
    found = alert_queries(groups, Inliner(Recorders(groups, 0)))
    return tuple(alert.query for alert in found if alert.query is not None)


def _dashboard_queries() -> Iterator[str]:
    for path in sorted(DASHBOARDS.glob("*.json")):
        for panel in json.loads(path.read_text())["panels"]:
            for target in panel.get("targets", ()):
                if "expr" in target:
                    # Four scrapes of the bench at `SPEED`, as Grafana has it; everything is chosen.
                    rated = target["expr"].replace("$__rate_interval", "40m")
                    yield _VARIABLE.sub(".*", rated)


def family_queries(exposition: Exposition) -> tuple[str, ...]:
    """What dashboards ask of any service: rates, 95th percentiles, and levels of gauges."""
    window = f"{REACH_S:g}s"
    found = []
    for family in exposition.families:
        name = family.name
        if family.type == "counter":
            found.append(f"sum(rate({name}_total[{window}]))")
        elif family.type == "histogram":
            buckets = f"sum by (le) (rate({name}_bucket[{window}]))"
            found.append(f"histogram_quantile(0.95, {buckets})")
        elif family.type == "gauge":
            found.append(f"max({name})")
    return tuple(found)


@dataclass(frozen=True)
class Span:
    """What is asked about: a Prometheus, from `start` to `end` in unix seconds."""

    prometheus: Prometheus
    start: float
    end: float


def query_seconds(spans: Sequence[Span], queries: Sequence[str]) -> tuple[float, ...]:
    """How long all of the queries take over each span.

    Each query is asked over all spans in a row, forth and then back, so that whatever else a
    machine does meanwhile meets them alike.
    """
    seconds = [0.0] * len(spans)
    order = list(enumerate(spans))
    for query in queries:
        order.reverse()
        for number, span in order:
            step = (span.end - span.start) / _POINTS
            began = time.perf_counter()
            span.prometheus.curves(query, span.start, span.end, step)
            seconds[number] += time.perf_counter() - began
    return tuple(seconds)
