"""Evaluate rules over a recording: one call, whichever engine."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Literal

from driftdrill.promapi import Series
from driftdrill.rig.interrupts import Interruption
from driftdrill.rig.tools import Tools
from driftdrill.virtual import blocks_engine, promtool_engine
from driftdrill.virtual.inline import Inliner
from driftdrill.virtual.reach import collisions, unexposed, unreachable
from driftdrill.virtual.recorders import Recorders
from driftdrill.virtual.recording import read_recording
from driftdrill.virtual.rules import as_loaded, load_groups, needed_by
from driftdrill.virtual.selectors import read_by
from driftdrill.virtual.stages import store_shared
from driftdrill.virtual.statistics import CURVE_POINTS, statistics
from driftdrill.virtual.store import Store
from driftdrill.virtual.timelines import Span, Timelines

EngineName = Literal["blocks", "promtool"]


def evaluate(
    recording: Path,
    rules: Sequence[Path],
    tools: Tools,
    work: Path,
    engine: EngineName = "blocks",
    interruption: Interruption | None = None,
    points: int = CURVE_POINTS,
) -> Timelines:
    """Evaluate rule files over a recording.

    Args:
        recording: Its folder.
        rules: Rule files, in the order of evaluation.
        tools: Prometheus and promtool.
        work: New or empty folder for everything that the tools read and write.
        engine: `promtool` is Prometheus' own rule code, and slow. `blocks` answers the same, and
            leaves to promtool by itself the rules of which that is not certain.
        interruption: Ends the wait for Prometheus.
        points: At how many evaluations to tell what alerts compare.

    Raises:
        UsageError: The folder holds no recording, or a rule file is not valid.
        EngineError: A rule cannot be evaluated, or not every evaluation took place.
        RigError: Prometheus did not start, or died.
    """
    about = read_recording(recording)
    groups = load_groups(rules, about.evaluation_interval, tools.promtool)
    span = Span(round(about.start * 1000), round(about.duration * 1000))
    recorders = Recorders(groups, span.start)
    inliner = Inliner(recorders)
    alerts = blocks_engine.alert_queries(groups, inliner)
    # Alerts of one name stay together: promtool's answer does not tell them apart.
    names = {a.rule.name for a in alerts if a.query is None or engine == "promtool"}
    exact = [alert for alert in alerts if alert.rule.name in names]
    work.mkdir(parents=True, exist_ok=True)
    samples: tuple[Series, ...] = ()
    with Store(recording, tools, work, interruption or Interruption(), read_by(rules)) as store:
        stored = frozenset[str]()
        if engine == "blocks":
            stored = store_shared(groups, recorders, store, span)
        with closing(store.client()) as prometheus:
            inlined = Inliner(Recorders(groups, span.start, stored))
            with ThreadPoolExecutor(1) as aside:
                drawing = aside.submit(statistics, alerts, inlined, prometheus, span, points)
                faults = (
                    *unreachable(alerts, inliner, prometheus, span),
                    *collisions(recorders, inliner, prometheus, span),
                )
                unknown = unexposed(alerts, prometheus)
                if engine == "blocks":
                    queries = blocks_engine.alert_queries(groups, inlined)
                    fast = [query for query in queries if query.rule.name not in names]
                    samples = blocks_engine.evaluate(fast, prometheus, span)
            drawn = drawing.result()
    if exact:
        needed = needed_by(groups, {alert.place for alert in exact})
        found = promtool_engine.evaluate(needed, recording, span, tools.promtool, work)
        samples += tuple(series for series in found if series.labels["alertname"] in names)
    notes = [
        f"{alert.rule.name} was evaluated by promtool: {alert.obstacle}"
        for alert in exact
        if alert.query is None and engine == "blocks"
    ]
    return Timelines(samples, as_loaded(groups), (*notes, *unknown), faults, drawn)
