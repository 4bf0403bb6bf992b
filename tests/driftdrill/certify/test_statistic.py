"""The statistic in numpy is that of the shipped rules on Prometheus, evaluation by evaluation."""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest

from driftdrill.certify.statistic import DENSE_WINDOWS, SPARSE_WINDOWS, evidence
from driftdrill.drill import RULES
from driftdrill.models import artifact
from driftdrill.promapi import Prometheus, watched
from driftdrill.rig.interrupts import Interruption
from driftdrill.rig.tools import find_tools
from driftdrill.virtual.inline import Inliner
from driftdrill.virtual.observe import record
from driftdrill.virtual.queries import Inlined, as_curves
from driftdrill.virtual.recorders import Recorders
from driftdrill.virtual.recording import START, recorded_series
from driftdrill.virtual.rules import load_groups
from driftdrill.virtual.selectors import everything
from driftdrill.virtual.service import VirtualService
from driftdrill.virtual.store import Store
from driftdrill.virtual.timelines import Span
from scenarios.spec import Scenario, find
from target_service.evidence import Bank


@pytest.fixture(scope="module")
def scenario(tmp_path_factory) -> Scenario:
    """Three hours: a calm one, then incomes and what they mean change, at a rate that ramps."""
    path = tmp_path_factory.mktemp("scenario") / "both.yaml"
    path.write_text(
        """
name: both
summary: Inputs and their meaning change.
model: credit
traffic: {rate: [0.5, 9]}
labels: {delay: 3m}
phases:
  - {name: calm, duration: 1h}
  - name: changed
    duration: 2h
    drifts:
      - {kind: covariate-shift, feature: income, shift: -0.3}
      - {kind: concept-drift, intercept: 0.5}
"""
    )
    return find(str(path))


@pytest.fixture(scope="module")
def recording(scenario, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("recorded") / "recording"
    record(
        scenario,
        folder,
        seed=0,
        days=None,
        wanted=everything,
        portable=False,
        tools=find_tools(),
        show=lambda _: None,
    )
    return folder


@pytest.fixture(scope="module")
def prometheus(recording, tmp_path_factory) -> Iterator[Prometheus]:
    with Store(recording, find_tools(), tmp_path_factory.mktemp("work"), Interruption()) as store:
        client = store.client()
        yield client
        client.close()


@pytest.fixture(scope="module")
def buckets(recording) -> dict[tuple[str, ...], np.ndarray]:
    """(t, bins) what each minute added to the buckets of every distribution, not cumulative."""
    found: dict[tuple[str, ...], dict[str, np.ndarray]] = {}
    for title, _, values in recorded_series(recording):
        name, _, rest = title.partition("{")
        labels = dict(re.findall(r'(\w+)="([^"]*)"', rest))
        key = (name, *(labels[of] for of in ("feature", "outcome") if of in labels))
        if name.endswith("_bucket") or name == "model_category_total":
            # The last scrape before each full minute.
            found.setdefault(key, {})[labels.get("le", labels.get("category", ""))] = values[3::4]
    return {
        key: np.diff(
            np.column_stack(list(columns.values()))
            if key[0] == "model_category_total"
            else np.diff(np.column_stack(by_edge(columns)), axis=1, prepend=0.0),
            axis=0,
        )
        for key, columns in found.items()
    }


def by_edge(columns: dict[str, np.ndarray]) -> list[np.ndarray]:
    return [columns[le] for le in sorted(columns, key=float)]


def on_prometheus(prometheus: Prometheus, alert: str, duration: float) -> dict[int, float]:
    """What the alert compares, the most of all series, by the number of the evaluation."""
    groups = load_groups(RULES, 60.0, find_tools().promtool)
    span = Span(round(START * 1000), round(duration * 1000))
    recorders = Recorders(groups, span.start)
    group, rule = next((g, r) for g in groups for r in g.rules if r.name == alert)
    ((compared, _),) = watched(rule.expr)
    query = Inliner(recorders).inline(f"max({compared})", 10**6, group)
    asked = Inlined(rule, group, query)
    (answer,) = as_curves(asked, prometheus, span, 10**6)
    return {round((time - START) / 60): value for time, value in answer.samples}


def in_numpy(bank: Bank, added: np.ndarray, windows: Sequence[int]) -> np.ndarray:
    """How many times its threshold the evidence is at, from what each minute added, (t, bins)."""
    nats = np.array(bank.weights) @ added.T
    return evidence(nats, added.sum(axis=1), windows) / bank.threshold


@pytest.mark.parametrize(
    ("alert", "windows"),
    [
        ("ScoreDrift", DENSE_WINDOWS),
        ("FeatureDrift", SPARSE_WINDOWS),
        ("ModelQualityDegraded", DENSE_WINDOWS),
    ],
)
def test_numpy_and_prometheus_agree_at_every_evaluation(
    alert, windows, buckets, prometheus, scenario
):
    model = VirtualService(artifact("credit")).model
    labelled = [buckets["model_labelled_score_bucket", outcome] for outcome in ("0", "1")]
    features = [
        buckets["model_feature_bucket" if f.kind == "numeric" else "model_category_total", f.name]
        for f in model.schema.features
    ]
    judged = {
        "ScoreDrift": [(model.banks.score, buckets["model_score_bucket",])],
        "FeatureDrift": list(zip(model.banks.features, features, strict=True)),
        "ModelQualityDegraded": [(model.banks.outcomes, np.hstack(labelled))],
    }[alert]
    expected = np.max([in_numpy(bank, added, windows) for bank, added in judged], axis=0)
    found = on_prometheus(prometheus, alert, scenario.schedule.duration)

    # The first evaluation that sees two full minutes is number 2; without values there is nothing.
    begun = np.flatnonzero(np.sum([added.sum(axis=1) for _, added in judged], axis=0))[0]
    assert sorted(found) == list(range(2 + begun, 2 + len(expected)))
    # The rules round ln(k) to two decimals, and thresholds are more than 10.
    told = [found[i] for i in sorted(found)]
    np.testing.assert_allclose(told, expected[begun:], atol=0.0006)
    assert np.max(expected[:50]) < 1 < np.max(expected)
