"""Drills for the reports: one as it should be, one hostile, one that died at once."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import msgspec
import numpy as np

from driftdrill.verdict import (
    Alert,
    Curve,
    Expectation,
    Observation,
    Requests,
    Statistic,
    Verdict,
)
from scenarios.expectations import Expect
from scenarios.spec import Scenario
from simulators.drifts import CovariateShift
from simulators.schedule import ActiveDrift, Phase, Ramp, Schedule

HOSTILE = "<script>alert(1)</script>[bold red]\"'&\x00\x1b[2J\u202e" + "x" * 300

FEATURES = (
    "age",
    "channel",
    "debt_ratio",
    "employment_years",
    "home",
    "income",
    "loan_amount",
    "payment_delay",
    "purpose",
    "utilisation",
)
MODEL = {"model": "credit", "version": "1.0.0"}


@dataclass(frozen=True)
class Drill:
    """What every report is made from."""

    scenario: Scenario
    observation: Observation
    verdict: Verdict


def scenario(name: str = "covariate-sudden", summary: str = "Income drops.") -> Scenario:
    drift = ActiveDrift(CovariateShift("income", -1.0), Ramp(1.0, 1.0))
    phases = (
        Phase("baseline", 1200.0, Ramp(5.0, 5.0)),
        Phase("recession", 1800.0, Ramp(5.0, 8.0), (drift,)),
        Phase("recovery", 600.0, Ramp(8.0, 5.0)),
    )
    expects = (
        Expect("FeatureDrift", {"feature": "income"}, 1200.0, 600.0),
        Expect("ScoreDrift", {}, 1200.0, 900.0),
    )
    return Scenario(name, summary, "credit", Schedule(phases), 300.0, 1.0, expects, Path("x.yaml"))


def curve(name: str, values: np.ndarray, **labels: str) -> Curve:
    times = np.arange(len(values)) * 15.0
    return Curve(name, labels, tuple(times.tolist()), tuple(values.tolist()))


def statistics() -> tuple[Statistic, ...]:
    rng = np.random.default_rng(0)
    times = np.arange(240) * 15.0
    rise = np.clip((times - 1200) / 600, 0, 1) - np.clip((times - 3000) / 600, 0, 1)

    def ratio(level: float) -> np.ndarray:
        return 0.4 + 0.08 * rng.standard_normal(240) + level * rise

    one = curve("threshold", np.ones(240))
    features = tuple(
        curve("ratio", ratio(12.0 if f == "income" else 0.0), feature=f, **MODEL) for f in FEATURES
    )
    score = curve("ratio", ratio(2.5), **MODEL)
    quality = curve("ratio", ratio(0.1), **MODEL)
    return (
        Statistic(
            "HighLatency", "http:latency_p99 > 0.5", (curve("p99", 0.01 * ratio(0)),), (one,)
        ),
        Statistic(
            "FeatureDrift",
            "max by (model, version, feature) (drift:feature_ks / drift:feature_ks:threshold) > 1",
            features,
            (one,),
        ),
        Statistic(
            "ScoreDrift", "max by (model, version) (drift:score_ks / t) > 1", (score,), (one,)
        ),
        Statistic("ModelQualityDegraded", "quality:excess > t", (quality,), (one,)),
    )


def passed() -> Drill:
    """The right alerts fired in time; another one was pending for a while."""
    story = scenario()
    alerts = (
        Alert("FeatureDrift", {"feature": "income", **MODEL}, 1320.0, 1320.0, 3480.0, 1350.0),
        Alert("ScoreDrift", MODEL, 1440.0, 1500.0, None, 1530.0),
        Alert("HighLatency", {"app_name": "credit"}, 300.0, None, 420.0),
    )
    silent = ("ModelQualityDegraded", "TargetDown", "NoTraffic", "HighErrorRate", "HighLatency")
    requests = Requests(20_700, 0, 5.75, 5.74)
    versions = {"prometheus": "3.5.0", "alertmanager": "0.28.1", "driftdrill": "0.1.0"}
    observation = Observation(
        mode="live",
        speed=60.0,
        seed=7,
        observed_s=3600.0,
        rules=(*silent, "ScoreDrift", "FeatureDrift"),
        alerts=alerts,
        requests=requests,
        statistics=statistics(),
        traffic=curve("rate", story.schedule.rate_at(np.arange(240) * 15.0) * 0.99),
        versions=versions,
    )
    verdict = Verdict(
        scenario=story.name,
        mode="live",
        speed=60.0,
        seed=7,
        outcome="pass",
        reasons=(),
        expectations=(
            Expectation("FeatureDrift", {"feature": "income"}, "fires", 600.0, "pass", 120.0),
            Expectation("ScoreDrift", {}, "fires", 900.0, "pass", 300.0),
            *(Expectation(name, {}, "silent", None, "pass") for name in silent),
        ),
        alerts=alerts,
        requests=requests,
        versions=versions,
    )
    return Drill(story, observation, verdict)


def failed() -> Drill:
    """Hostile names everywhere, nan and infinity in the curves, and an alert nobody expected."""
    drill = passed()
    surprise = Alert(HOSTILE, {"feature": HOSTILE}, 600.0, 660.0, 900.0, 690.0)
    odd = np.array([0.1, np.nan, np.inf, 0.3, -np.inf, 0.2] * 40)
    wild = Statistic(HOSTILE, HOSTILE, (curve(HOSTILE, odd, feature=HOSTILE),), ())
    observation = msgspec.structs.replace(
        drill.observation,
        alerts=(*drill.observation.alerts[1:], surprise),
        statistics=(*drill.observation.statistics, wild),
        versions={HOSTILE: HOSTILE},
    )
    verdict = msgspec.structs.replace(
        drill.verdict,
        scenario=HOSTILE,
        outcome="fail",
        reasons=(f"{HOSTILE} fired, but nothing expects it", "FeatureDrift did not fire"),
        expectations=(
            Expectation("FeatureDrift", {"feature": "income"}, "fires", 600.0, "fail"),
            *drill.verdict.expectations[1:],
            Expectation(HOSTILE, {"feature": HOSTILE}, "silent", None, "fail"),
        ),
        alerts=observation.alerts,
        versions=observation.versions,
    )
    story = replace(drill.scenario, name=HOSTILE, summary=HOSTILE)
    return Drill(story, observation, verdict)


def died() -> Drill:
    """The harness died before it saw anything."""
    story = scenario()
    fault = "Prometheus was killed by SIGKILL; its last lines:\nlevel=info\nlevel=warn <b>&"
    observation = Observation(mode="live", speed=60.0, seed=0, observed_s=0.0, faults=(fault,))
    verdict = Verdict(
        scenario=story.name,
        mode="live",
        speed=60.0,
        seed=0,
        outcome="inconclusive",
        reasons=(fault,),
        expectations=(
            Expectation("FeatureDrift", {"feature": "income"}, "fires", 600.0, "inconclusive"),
            Expectation("ScoreDrift", {}, "fires", 900.0, "inconclusive"),
        ),
        alerts=(),
        requests=Requests(),
        versions={},
    )
    return Drill(story, observation, verdict)
