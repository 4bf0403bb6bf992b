"""One recorded drill, and whether it notices that the rules are broken."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path

from driftdrill.mutate.mutants import Mutant
from driftdrill.promapi import Clock, Series, alert_lives
from driftdrill.rig.configs import DRILL_LABELS
from driftdrill.rig.interrupts import Interruption
from driftdrill.rig.tools import Tools
from driftdrill.verdict import Observation, Verdict, judge
from driftdrill.virtual.blocks_engine import AlertQuery, alert_queries
from driftdrill.virtual.engine import Loaded, answers
from driftdrill.virtual.inline import Inliner
from driftdrill.virtual.promql_text import scraped_selectors
from driftdrill.virtual.reach import unexposed
from driftdrill.virtual.recorders import Recorders, label_apart
from driftdrill.virtual.recording import read_recording, recorded_scenario
from driftdrill.virtual.rules import Group, words
from driftdrill.virtual.stages import shared_metrics, store_shared
from driftdrill.virtual.store import Store
from driftdrill.virtual.timelines import EngineError, Span
from driftdrill.virtual.voids import NOTHING

Samples = dict[str, tuple[Series, ...]]


@contextmanager
def opened(
    recording: Path, groups: Sequence[Group], tools: Tools, work: Path, mutants: int
) -> Iterator[Trial]:
    """A recorded drill, with a Prometheus on it while the `with` block lasts.

    Args:
        recording: Its folder.
        groups: The sound rules, which mutants are compared with.
        tools: Prometheus and promtool.
        work: New or empty folder.
        mutants: How many will be brought. What it pays to store for as many is evaluated once, for
            all that leave it as it is.
    """
    about = read_recording(recording)
    span = Span(round(about.start * 1000), round(about.duration * 1000))
    recorders = Recorders(groups, span.start)
    alert_queries(groups, Inliner(recorders))
    for name in recorders.names:
        recorders.reads[name] *= 1 + mutants
    with Store(recording, tools, work / "store", Interruption()) as store:
        shared = shared_metrics(groups, recorders, store, span)
        store_shared(shared, store, span)
        stored = frozenset(metric.name for metric in shared)
        with closing(store.client()) as prometheus:
            loaded = Loaded(prometheus, recording, span, stored, tools.promtool, work)
            yield Trial(recording, groups, loaded)


class Trial:
    """A recorded drill, before which any number of mutants can be brought.

    Args:
        recording: Its folder.
        groups: The sound rules.
        loaded: The recording, as it can be asked.
    """

    def __init__(self, recording: Path, groups: Sequence[Group], loaded: Loaded) -> None:
        self._about = read_recording(recording)
        self._scenario = recorded_scenario(recording)
        self._groups = groups
        self._loaded = loaded
        self._sound: Samples = {}
        self._read = {
            selector
            for alert in self._queries(groups)
            for selector in scraped_selectors(alert.query or NOTHING)
        }
        self._runs = 0

    def verdict(self) -> Verdict:
        """How the drill ends with the sound rules; to be asked before any mutant is brought."""
        found = answers(self._groups, self._next_run())
        self._sound = _by_alert(found.samples)
        return self._judge(self._groups, self._sound, found.faults)

    def notices(self, mutant: Mutant, alerts: Collection[str]) -> str | None:
        """Why the drill does not pass with a mutant of those rules; None when it does.

        Args:
            mutant: The broken rules.
            alerts: The alerts that depend on the rule that is broken.
        """
        others = {name: found for name, found in self._sound.items() if name not in alerts}
        loaded = self._next_run(mutant.rule)
        try:
            found = answers(mutant.groups, loaded, alerts)
            faults = found.faults or unexposed(
                self._queries(mutant.groups, alerts), loaded.prometheus, loaded.span, self._read
            )
            verdict = self._judge(mutant.groups, others | _by_alert(found.samples), faults)
        except EngineError as error:
            verdict = self._judge(mutant.groups, others, (str(error),))
        return None if verdict.outcome == "pass" else next(iter(verdict.reasons), verdict.outcome)

    def _queries(
        self, groups: Sequence[Group], names: Collection[str] | None = None
    ) -> tuple[AlertQuery, ...]:
        return alert_queries(groups, Inliner(Recorders(groups, self._loaded.span.start)), names)

    def _next_run(self, broken: str = "") -> Loaded:
        """The recording with a folder of its own, without what is stored of a broken metric.

        Nor is there what reads it. But where a label sets its rules apart, what those record that
        are not broken is left.
        """
        self._runs += 1
        work = self._loaded.work / f"run-{self._runs}"
        spoilt, stored = _spoilt(self._groups, broken), self._loaded.stored
        recorders = Recorders(self._groups, self._loaded.span.start).of(broken)
        apart = broken in stored and label_apart(recorders) is not None
        kept = [r.rule for r in recorders if apart and not words(r.rule.expr) & spoilt]
        return replace(self._loaded, stored=stored - spoilt, work=work, kept=kept)

    def _judge(self, groups: Sequence[Group], samples: Samples, faults: tuple[str, ...]) -> Verdict:
        about, clock = self._about, Clock(self._about.start, 1.0)
        rules = [(rule, group) for group in groups for rule in group.rules if rule.alerting]
        names = {rule.name for rule, _ in rules}
        seen = Observation(
            mode="virtual",
            speed=0.0,
            seed=about.seed,
            observed_s=about.duration,
            requests=about.requests,
            rules=tuple(sorted(names)),
            alerts=alert_lives(
                [series for name in names for series in samples.get(name, ())],
                clock,
                {rule.name: group.interval / 1000 for rule, group in rules},
                clock.unix(about.duration),
                DRILL_LABELS,
            ),
            faults=faults,
        )
        return judge(self._scenario, seen)


def _by_alert(samples: Sequence[Series]) -> Samples:
    found: defaultdict[str, tuple[Series, ...]] = defaultdict(tuple)
    for series in samples:
        found[series.labels["alertname"]] += (series,)
    return found


def _spoilt(groups: Sequence[Group], name: str) -> set[str]:
    """The metrics that are recorded otherwise when the rules of one of them are broken."""
    spoilt, found = set[str](), {name}
    while found:
        spoilt |= found
        found = {
            rule.name
            for group in groups
            for rule in group.rules
            if words(rule.expr) & found and not rule.alerting
        } - spoilt
    return spoilt
