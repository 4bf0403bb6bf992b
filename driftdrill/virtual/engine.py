"""Evaluate rules over a recording: one call, whichever engine."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from driftdrill.promapi import Prometheus, Series
from driftdrill.rig.interrupts import Interruption
from driftdrill.rig.tools import Tool, Tools
from driftdrill.virtual import blocks_engine, promtool_engine
from driftdrill.virtual.blocks_engine import alert_queries
from driftdrill.virtual.inline import Inliner
from driftdrill.virtual.reach import collisions, unexposed, unreachable
from driftdrill.virtual.recorders import Recorders
from driftdrill.virtual.recording import read_recording
from driftdrill.virtual.rules import Group, GroupRule, as_loaded, load_groups, needed_by
from driftdrill.virtual.selectors import read_by
from driftdrill.virtual.stages import Shared, Staged, shared_metrics, store_shared
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
    alerts = alert_queries(groups, inliner)
    work.mkdir(parents=True, exist_ok=True)
    with Store(recording, tools, work, interruption or Interruption(), read_by(rules)) as store:
        shared = shared_metrics(groups, recorders, store, span) if engine == "blocks" else ()
        stored = frozenset(metric.name for metric in shared)
        inlined = Recorders(groups, span.start, stored)
        asked = alert_queries(groups, Inliner(inlined))
        complete = Future[Prometheus]()
        with closing(Staged(store, complete)) as prometheus, ThreadPoolExecutor(2) as aside:
            loaded = Loaded(prometheus, recording, span, stored, tools.promtool, work)
            answering = aside.submit(answers, groups, loaded, engine=engine)
            drawing = aside.submit(statistics, asked, inlined, prometheus, span, points)
            _complete(complete, shared, store, span)
            with closing(complete.result()):
                collided = collisions(recorders, inliner, prometheus, span)
                answer, drawn = answering.result(), drawing.result()
                heard = [alert for alert in alerts if alert.place not in answer.unreachable]
                unread = unexposed(heard, prometheus, span)
    notes = [
        f"{alert.rule.name} was evaluated by promtool: {alert.obstacle}"
        for alert in alerts
        if alert.query is None and engine == "blocks"
    ]
    faults = (*answer.faults, *collided, *unread)
    return Timelines(answer.samples, as_loaded(groups), tuple(notes), faults, drawn)


def _complete(
    complete: Future[Prometheus], shared: Sequence[Shared], store: Store, span: Span
) -> None:
    """Store what rules share, and let those go on who wait for that; also when it went wrong."""
    try:
        store_shared(shared, store, span)
        complete.set_result(store.client())
    except BaseException as error:
        complete.set_exception(error)
        raise


@dataclass(frozen=True)
class Loaded:
    """A recording that can be asked.

    Attributes:
        prometheus: On its samples.
        recording: The same samples, for promtool.
        span: When rules are evaluated.
        stored: Recorded metrics whose samples Prometheus has as well.
        promtool: Evaluates what cannot be asked of Prometheus.
        work: New or empty folder for what promtool reads.
        kept: Rules of other metrics whose samples Prometheus has, too.
    """

    prometheus: Prometheus
    recording: Path
    span: Span
    stored: frozenset[str]
    promtool: Tool
    work: Path
    kept: Sequence[GroupRule] = ()


@dataclass(frozen=True)
class Answers:
    """What some alerts did.

    Attributes:
        samples: Those of `ALERTS`, as in `Timelines`.
        unreachable: By the alert's place in the order of evaluation, why its silence would prove
            nothing.
    """

    samples: tuple[Series, ...]
    unreachable: Mapping[int, str]

    @property
    def faults(self) -> tuple[str, ...]:
        """As in `Timelines`."""
        return tuple(self.unreachable.values())


def answers(
    groups: Sequence[Group],
    loaded: Loaded,
    names: Collection[str] | None = None,
    engine: EngineName = "blocks",
) -> Answers:
    """What the alerts of rule groups, or those of some names, would have done.

    Raises:
        EngineError: A rule cannot be evaluated, or not every evaluation took place.
    """
    span = loaded.span
    recorders = Recorders(groups, span.start, loaded.stored, loaded.kept)
    queries = alert_queries(groups, Inliner(recorders), names)
    # Alerts of one name stay together: promtool's answer does not tell them apart.
    exact = {q.rule.name for q in queries if q.query is None or engine == "promtool"}
    fast = [query for query in queries if query.rule.name not in exact]
    found = blocks_engine.evaluate(fast, recorders, loaded.prometheus, span)
    samples = tuple(series for timelines in found for series in timelines)
    if exact:
        samples += _exact(groups, {q.place for q in queries if q.rule.name in exact}, loaded)
    held = {query.place for query, timelines in zip(fast, found, strict=True) if timelines}
    # What is stored is what the rules say: only what was scraped says what they could have said.
    scraped = Inliner(Recorders(groups, span.start))
    quiet = [query for query in queries if query.place not in held]
    return Answers(samples, unreachable(quiet, scraped, loaded.prometheus, span))


def _exact(groups: Sequence[Group], places: set[int], loaded: Loaded) -> tuple[Series, ...]:
    """The samples of alerts, given by their places in the order of evaluation, by promtool."""
    needed = needed_by(groups, places)
    rules = [rule for group in groups for rule in group.rules]
    names = {rules[place].name for place in places}
    found = promtool_engine.evaluate(
        needed, loaded.recording, loaded.span, loaded.promtool, loaded.work
    )
    return tuple(series for series in found if series.labels["alertname"] in names)
