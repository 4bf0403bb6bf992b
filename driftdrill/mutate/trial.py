"""One recorded drill, and whether it notices that the rules are broken."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

from driftdrill.mutate.mutants import Mutant
from driftdrill.promapi import Clock, Prometheus, Series, alert_lives
from driftdrill.rig.interrupts import Interruption
from driftdrill.rig.tools import Tool, Tools
from driftdrill.verdict import Observation, Verdict, judge
from driftdrill.virtual import blocks_engine, promtool_engine
from driftdrill.virtual.blocks_engine import AlertQuery
from driftdrill.virtual.inline import Inliner
from driftdrill.virtual.reach import unreachable
from driftdrill.virtual.recorders import Recorders
from driftdrill.virtual.recording import read_recording, recorded_scenario
from driftdrill.virtual.rules import Group, needed_by
from driftdrill.virtual.store import Store
from driftdrill.virtual.timelines import EngineError, Span

Samples = dict[str, tuple[Series, ...]]


@contextmanager
def opened(recording: Path, tools: Tools, work: Path) -> Iterator[Trial]:
    """A recorded drill, with a Prometheus on it while the `with` block lasts.

    Args:
        recording: Its folder.
        tools: Prometheus and promtool.
        work: New or empty folder.
    """
    with (
        Store(recording, tools, work / "store", Interruption()) as store,
        closing(store.client()) as prometheus,
    ):
        yield Trial(recording, prometheus, tools.promtool, work)


class Trial:
    """A recorded drill, before which any number of rule sets can be brought.

    An alert whose expression is the same in two rule sets is evaluated once.

    Args:
        recording: Its folder.
        prometheus: On the recording.
        promtool: Evaluates what cannot be asked of Prometheus.
        work: Folder for what promtool reads.
    """

    def __init__(self, recording: Path, prometheus: Prometheus, promtool: Tool, work: Path) -> None:
        self._recording = recording
        self._about = read_recording(recording)
        self._scenario = recorded_scenario(recording)
        self._span = Span(round(self._about.start * 1000), round(self._about.duration * 1000))
        self._prometheus = prometheus
        self._promtool = promtool
        self._work = work
        self._answers: dict[object, tuple[Series, ...]] = {}
        self._sound: Samples = {}
        self._runs = 0

    def verdict(self, groups: Sequence[Group]) -> Verdict:
        """How the drill ends with these rules, which are sound: mutants are compared with them."""
        names = {rule.name for group in groups for rule in group.rules if rule.alerting}
        self._sound, faults = self._evaluate(groups, names)
        return self._judge(groups, self._sound, faults)

    def notices(self, mutant: Mutant, alerts: Collection[str]) -> str | None:
        """Why the drill does not pass with a mutant of those rules; None when it does.

        Args:
            mutant: The broken rules.
            alerts: The alerts that depend on the rule that is broken.
        """
        try:
            samples, faults = self._evaluate(mutant.groups, alerts)
        except EngineError as error:
            samples, faults = {}, (str(error),)
        verdict = self._judge(mutant.groups, self._sound | samples, faults)
        return None if verdict.outcome == "pass" else next(iter(verdict.reasons), verdict.outcome)

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
            ),
            faults=faults,
        )
        return judge(self._scenario, seen)

    def _evaluate(
        self, groups: Sequence[Group], names: Collection[str]
    ) -> tuple[Samples, tuple[str, ...]]:
        """The samples of `ALERTS` of some alerts, by name, and why one of them can never fire."""
        inliner = Inliner(Recorders(groups, self._span.start))
        queries = blocks_engine.alert_queries(groups, inliner, names)
        # Alerts of one name stay together: promtool's answer does not tell them apart.
        exact = {query.rule.name for query in queries if query.query is None}
        samples: Samples = dict.fromkeys(names, ())
        for query in queries:
            if query.rule.name not in exact:
                samples[query.rule.name] += self._fast(query)
        for series in self._exact(groups, queries, exact) if exact else ():
            samples[series.labels["alertname"]] += (series,)
        return samples, unreachable(queries, inliner, self._prometheus, self._span)

    def _fast(self, query: AlertQuery) -> tuple[Series, ...]:
        rule = query.rule
        labels = frozenset(rule.labels.items())
        key = (rule.name, query.query, labels, rule.hold, rule.keep_firing_for)
        if key not in self._answers:
            found = blocks_engine.evaluate([query], self._prometheus, self._span)
            self._answers[key] = found
        return self._answers[key]

    def _exact(
        self, groups: Sequence[Group], queries: Sequence[AlertQuery], names: set[str]
    ) -> tuple[Series, ...]:
        places = {query.place for query in queries if query.rule.name in names}
        needed = needed_by(groups, places)
        key = tuple((rule.name, rule.expr, rule.hold) for g in needed for rule in g.rules)
        if key not in self._answers:
            self._runs += 1
            self._answers[key] = promtool_engine.evaluate(
                needed,
                self._recording,
                self._span,
                self._promtool,
                self._work / f"run-{self._runs}",
            )
        return tuple(s for s in self._answers[key] if s.labels["alertname"] in names)
