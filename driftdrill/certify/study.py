"""`driftdrill certify`: from rule files to certificates, over many virtual runs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np
from joblib import Parallel, delayed

from driftdrill.certify.certificate import Certificate, Found, Point, alarms, calm, curve, delays
from driftdrill.certify.oracle import Oracle, oracle
from driftdrill.certify.trial import Trial, TrialResult, at_effect, run
from driftdrill.models import artifact, service
from driftdrill.rig.errors import RigError
from driftdrill.virtual.recording import EVALUATION_INTERVAL_S
from driftdrill.virtual.service import VirtualService
from scenarios.expectations import Expect
from scenarios.spec import Scenario, find

DRILLS = ("covariate-sudden", "covariate-gradual", "concept-sudden")
"""Certified unless others are named."""


@dataclass(frozen=True)
class Plan:
    """How much to run.

    Attributes:
        scenarios: The drills whose changes are to be found.
        rules: Sets of rule files by name.
        runs: Seeds per effect size, and of the calm world.
        days: Length of each run in the calm world of a model.
        effects: Factors of the share of rows that a drill changes.
        seed: The first one.
    """

    scenarios: tuple[Scenario, ...]
    rules: Mapping[str, tuple[Path, ...]]
    runs: int
    days: float
    effects: tuple[float, ...]
    seed: int

    def trials(self) -> list[Trial]:
        """Every run: of one calm world per model, and of each drill at each effect size.

        Trains the models that are missing, once and not in every process.
        """
        rules = {name: tuple(map(str, files)) for name, files in self.rules.items()}
        seeds = range(self.seed, self.seed + self.runs)
        worlds = [(scenario, 0.0) for scenario in self.calm_worlds().values()]
        worlds += [(scenario, effect) for scenario in self.scenarios for effect in self.effects]
        models = {
            str(scenario.path): tuple(map(str, service(scenario).artifacts.values()))
            for scenario in self.scenarios
        }
        return [
            Trial(
                scenario=str(scenario.path),
                effect=effect,
                days=self.days if not effect else 0.0,
                seed=seed,
                rules=rules,
                models=models[str(scenario.path)],
            )
            for scenario, effect in worlds
            for seed in seeds
        ]

    def calm_worlds(self) -> dict[str, Scenario]:
        """By model, the drill that is run without its drifts."""
        return {scenario.model: scenario for scenario in reversed(self.scenarios)}


def certify(
    plan: Plan, folder: Path, jobs: int, show: Callable[[int, int], None]
) -> tuple[Certificate, ...]:
    """Run what has not been run before, and say what each alert is worth.

    Args:
        plan: What to run.
        folder: Keeps the result of each run, so that a study that was interrupted goes on.
        jobs: Processes.
        show: Called with how many runs are done, and how many there are.

    Raises:
        RigError: A run could not be observed; names it.
    """
    results = _results(plan, folder, jobs, show)
    oracles = _Oracles()
    expected, (sample, *_) = _expected(plan), next(iter(results.values()))
    return tuple(
        _certificate(plan, name, alert, expected.get(alert, []), results, oracles)
        for name in plan.rules
        for alert in sample.alerts[name]
    )


class _Oracles:
    """The oracle of each change, made once."""

    def __init__(self) -> None:
        self._made: dict[tuple[str, float, str], Oracle] = {}

    def of(self, scenario: Scenario, effect: float, watched: str) -> Oracle:
        key = str(scenario.path), effect, watched
        if key not in self._made:
            served = VirtualService(artifact(scenario.model))
            self._made[key] = oracle(at_effect(scenario, effect, 0.0), served, watched)
        return self._made[key]


_Results = Mapping[tuple[str, float], Sequence[TrialResult]]


def _results(
    plan: Plan, folder: Path, jobs: int, show: Callable[[int, int], None]
) -> dict[tuple[str, float], list[TrialResult]]:
    folder.mkdir(parents=True, exist_ok=True)
    trials = plan.trials()
    files = [folder / f"{trial.key}.json" for trial in trials]
    left = [(t, f) for t, f in zip(trials, files, strict=True) if not f.exists()]
    show(len(trials) - len(left), len(trials))
    done = Parallel(n_jobs=jobs, return_as="generator_unordered")(
        delayed(_run_and_keep)(trial, file) for trial, file in left
    )
    for number, _ in enumerate(done, 1):
        show(len(trials) - len(left) + number, len(trials))
    found: dict[tuple[str, float], list[TrialResult]] = {}
    for trial, file in zip(trials, files, strict=True):
        result = msgspec.json.decode(file.read_bytes(), type=TrialResult)
        if result.faults:
            raise RigError(f"{trial.scenario}, seed {trial.seed}: {'; '.join(result.faults)}")
        found.setdefault((trial.scenario, trial.effect), []).append(result)
    return found


def _run_and_keep(trial: Trial, file: Path) -> None:
    result = run(trial, find(trial.scenario))
    unfinished = file.with_suffix(".part")
    unfinished.write_bytes(msgspec.json.encode(result))
    unfinished.replace(file)


def _expected(plan: Plan) -> dict[str, list[tuple[Scenario, Expect]]]:
    """By alert, the drills that it has to find, and how."""
    expected: dict[str, list[tuple[Scenario, Expect]]] = {}
    for scenario in plan.scenarios:
        for expect in scenario.expects:
            expected.setdefault(expect.alert, []).append((scenario, expect))
    return expected


def _certificate(
    plan: Plan,
    rules: str,
    alert: str,
    expected: Sequence[tuple[Scenario, Expect]],
    results: _Results,
    oracles: _Oracles,
) -> Certificate:
    worlds = {model: results[str(world.path), 0.0] for model, world in plan.calm_worlds().items()}
    quiet = [result for found in worlds.values() for result in found]
    evaluations = sum(int(r.duration // EVALUATION_INTERVAL_S) for r in quiet)
    measured = calm(alarms(quiet, rules, alert), evaluations, EVALUATION_INTERVAL_S)
    found, curves = [], {}
    for scenario, expect in expected:
        for effect in plan.effects:
            changed = results[str(scenario.path), effect]
            found.append(
                _found(plan, scenario, expect, effect, changed, rules, measured.arl_low, oracles)
            )
            curves[f"{scenario.name} x {effect:g}"] = curve(
                worlds[scenario.model], changed, rules, alert, expect.labels, expect.onset
            )
    return Certificate(rules, alert, measured, tuple(found), curves)


def _found(
    plan: Plan,
    scenario: Scenario,
    expect: Expect,
    effect: float,
    changed: Sequence[TrialResult],
    rules: str,
    run_length: float,
    oracles: _Oracles,
) -> Found:
    times, missed, early = delays(changed, rules, expect.alert, expect.labels, expect.onset)
    watched = expect.labels.get("feature", _watched_by(expect.alert))
    per_evaluation = scenario.schedule.phases[0].rate.start * EVALUATION_INTERVAL_S
    limit = oracles.of(scenario, effect, watched).delays(
        range(plan.seed, plan.seed + plan.runs), expect.onset, run_length * per_evaluation
    )
    known = [delay for delay in limit if np.isfinite(delay)]
    mean = float(np.mean(times)) if times else float("nan")
    best = float(np.mean(known)) if known else float("nan")
    return Found(
        scenario.name,
        effect,
        dict(expect.labels),
        runs=len(changed),
        missed=missed,
        early=early,
        delays=tuple(times),
        delay_mean=mean,
        oracle_mean=best,
        oracle_ratio=mean / best,
    )


def _watched_by(alert: str) -> str:
    """What the limit of an alert is taken from: it is told by the ground truth that it reads."""
    return "outcome" if alert in {"ModelQualityDegraded", "CalibrationDrift"} else "score"


def flat(certificates: Sequence[Certificate]) -> Iterator[dict[str, object]]:
    """One flat object per rule and drift, for other programs."""
    for one in certificates:
        for found in one.found:
            yield {
                "rules": one.rules,
                "alert": one.alert,
                "evaluations": one.calm.evaluations,
                "false_alarms": one.calm.alarms,
                "arl": one.calm.arl,
                "arl_low": one.calm.arl_low,
                "arl_high": one.calm.arl_high,
                "false_alarms_per_30d": one.calm.false_alarms_per_30d,
                "scenario": found.scenario,
                "effect": found.effect,
                "runs": found.runs,
                "missed": found.missed,
                "early": found.early,
                "delay_mean": found.delay_mean,
                "delays": found.delays,
                "oracle_delay_mean": found.oracle_mean,
                "oracle_ratio": found.oracle_ratio,
            }


def best_points(points: Sequence[Point]) -> list[Point]:
    """The points of an operating curve that have a delay."""
    return [point for point in points if not np.isnan(point.delay_mean)]
