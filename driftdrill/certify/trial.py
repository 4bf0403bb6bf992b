"""One virtual run of a certificate: a drill at some effect size, and what rules made of it."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import msgspec
import numpy as np

from driftdrill.rig.tools import find_tools
from driftdrill.verdict import Alert, Observation, Statistic
from driftdrill.virtual.observe import observe, record
from driftdrill.virtual.queries import MAX_POINTS
from driftdrill.virtual.selectors import read_by
from scenarios.spec import Scenario
from scenarios.values import DAY_S
from simulators.schedule import Phase, Ramp
from target_service.contract import Floats

SENSITIVITIES = tuple(float(round(factor, 3)) for factor in np.geomspace(0.25, 4, 17))
"""What thresholds are multiplied by for the operating curves."""


class Trial(msgspec.Struct, frozen=True):
    """One run that is to be made.

    Attributes:
        scenario: Path of the drill.
        effect: What the share of changed rows is multiplied by; 0 is the drill without its drifts.
        days: How long a run without drifts takes; one with them takes what the drill takes.
        seed: Of the traffic.
        rules: Sets of rule files, each evaluated alone, by name.
        models: Folders of the artifacts that serve.
    """

    scenario: str
    effect: float
    days: float
    seed: int
    rules: Mapping[str, tuple[str, ...]]
    models: tuple[str, ...]

    @property
    def key(self) -> str:
        """A name for the result that no other trial has, whatever its files then hold."""
        digest = hashlib.sha256(msgspec.json.encode(self, order="deterministic"))
        rules = (Path(file) for files in self.rules.values() for file in files)
        models = (file for folder in self.models for file in sorted(Path(folder).iterdir()))
        for path in (Path(self.scenario), *rules, *models):
            digest.update(path.read_bytes())
        return digest.hexdigest()[:24]


class AlertLives(msgspec.Struct, frozen=True):
    """When one alert fired, and how close it came.

    Attributes:
        labels: Of the instance.
        firing: Seconds at which it began to fire.
        exceeded: Per factor of `SENSITIVITIES`, the seconds at which what it compares began to
            exceed that many times its threshold. Empty where that is not known.
    """

    alert: str
    labels: Mapping[str, str]
    firing: tuple[float, ...]
    exceeded: tuple[tuple[float, ...], ...] = ()


class TrialResult(msgspec.Struct, frozen=True):
    """What came of a trial.

    Attributes:
        duration: Seconds.
        alerts: By the name of the rule set, the alerts that there are.
        lives: By the name of the rule set, their instances.
        faults: What could not be observed, a sentence each.
    """

    duration: float
    alerts: Mapping[str, tuple[str, ...]]
    lives: Mapping[str, tuple[AlertLives, ...]]
    faults: tuple[str, ...] = ()


def run(trial: Trial, scenario: Scenario) -> TrialResult:
    """Simulate, evaluate, and keep when each alert fired."""
    drill = at_effect(scenario, trial.effect, trial.days)
    tools = find_tools()
    seen: dict[str, Observation] = {}
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        files = {name: tuple(map(Path, paths)) for name, paths in trial.rules.items()}
        record(
            drill,
            work / "recording",
            seed=trial.seed,
            days=None,
            wanted=read_by([path for paths in files.values() for path in paths]),
            portable=False,
            tools=tools,
            show=lambda _: None,
        )
        for name, paths in files.items():
            seen[name], _ = observe(
                work / "recording", paths, "blocks", tools, work / name, MAX_POINTS
            )
    return TrialResult(
        duration=drill.schedule.duration,
        alerts={name: one.rules for name, one in seen.items()},
        lives={name: _lives(one.alerts, one.statistics) for name, one in seen.items()},
        faults=tuple(f"{name}: {fault}" for name, one in seen.items() for fault in one.faults),
    )


def at_effect(scenario: Scenario, effect: float, days: float) -> Scenario:
    """The drill with the share of changed rows multiplied; at 0, its calm world for some days."""
    schedule = scenario.schedule
    if not effect:
        calm = Phase("calm", days * DAY_S, schedule.phases[0].rate)
        return replace(scenario, schedule=replace(schedule, phases=(calm,)))
    phases = tuple(
        replace(
            phase,
            drifts=tuple(
                replace(active, intensity=_times(active.intensity, effect))
                for active in phase.drifts
            ),
        )
        for phase in schedule.phases
    )
    return replace(scenario, schedule=replace(schedule, phases=phases))


def _times(ramp: Ramp, factor: float) -> Ramp:
    return Ramp(min(ramp.start * factor, 1.0), min(ramp.end * factor, 1.0))


def _lives(alerts: Sequence[Alert], statistics: Sequence[Statistic]) -> tuple[AlertLives, ...]:
    found: dict[tuple[str, tuple[tuple[str, str], ...]], AlertLives] = {}
    for statistic in statistics:
        for labels, times, ratio in _ratios(statistic):
            key = statistic.alert, tuple(sorted(labels.items()))
            exceeded = tuple(_beginnings(times, ratio > factor) for factor in SENSITIVITIES)
            found[key] = AlertLives(statistic.alert, labels, (), exceeded)
    for alert in alerts:
        if alert.firing_at is None:
            continue
        # An alert has the labels of what it compares, and those that its rule adds.
        key = next(
            (
                key
                for key in found
                if key[0] == alert.alert and dict(key[1]).items() <= alert.labels.items()
            ),
            (alert.alert, tuple(sorted(alert.labels.items()))),
        )
        before = found.get(key, AlertLives(alert.alert, alert.labels, ()))
        found[key] = msgspec.structs.replace(before, firing=(*before.firing, alert.firing_at))
    return tuple(found.values())


def _ratios(statistic: Statistic) -> list[tuple[Mapping[str, str], Floats, Floats]]:
    """How many times its threshold each compared series is, at each of its evaluations."""
    found = []
    for curve in statistic.values:
        threshold = next(
            (t for t in statistic.thresholds if t.labels.items() <= curve.labels.items()), None
        )
        if threshold is None:
            continue
        limits = dict(zip(threshold.times, threshold.values, strict=True))
        pairs = [
            (time, value / limits[time])
            for time, value in zip(curve.times, curve.values, strict=True)
            if limits.get(time, 0.0) > 0
        ]
        times, ratios = np.array(pairs, dtype=np.float64).reshape(-1, 2).T
        found.append((curve.labels, times, ratios))
    return found


def _beginnings(times: Floats, holds: np.ndarray) -> tuple[float, ...]:
    """The times at which something begins to hold."""
    begins = holds & ~np.concatenate([[False], holds[:-1]])
    return tuple(times[begins].tolist())
