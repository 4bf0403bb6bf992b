"""The statistic in numpy is that of the shipped rules on Prometheus, evaluation by evaluation."""

from collections.abc import Iterator

import numpy as np
import pytest

from driftdrill.certify.statistic import SCORE_WINDOWS, SPARSE_WINDOWS, likelihood_ratios
from driftdrill.drill import RULES
from driftdrill.models import artifact
from driftdrill.promapi import Prometheus
from driftdrill.rig.interrupts import Interruption
from driftdrill.rig.tools import find_tools
from driftdrill.virtual.inline import Inliner
from driftdrill.virtual.queries import Inlined, at_every_evaluation
from driftdrill.virtual.recorders import Recorders
from driftdrill.virtual.recording import START, Recording, write_recording
from driftdrill.virtual.rules import load_groups
from driftdrill.virtual.selectors import read_by
from driftdrill.virtual.service import VirtualService
from driftdrill.virtual.store import Store
from driftdrill.virtual.timelines import Span
from driftdrill.virtual.world import simulate
from scenarios.spec import Scenario, find

SCRAPE_S = 60.0


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
def drill(scenario):
    service = VirtualService(artifact("credit"))
    return service, simulate(scenario, service, 0, SCRAPE_S, lambda _: None)


@pytest.fixture(scope="module")
def prometheus(scenario, drill, tmp_path_factory) -> Iterator[Prometheus]:
    service, history = drill
    folder = tmp_path_factory.mktemp("recorded")
    about = Recording("both", 0, scenario.schedule.duration, SCRAPE_S)
    families = service.exposition.families(START + history.scrapes, history.counted, read_by(RULES))
    write_recording(folder / "recording", about, scenario, families, portable=False)
    with Store(folder / "recording", find_tools(), folder / "work", Interruption()) as store:
        client = store.client()
        yield client
        client.close()


def on_prometheus(prometheus: Prometheus, name: str, duration: float) -> dict[int, float]:
    """The largest value over the windows that the rules record, by the number of the evaluation."""
    tools = find_tools()
    groups = load_groups(RULES, 60.0, tools.promtool)
    span = Span(round(START * 1000), round(duration * 1000))
    recorders = Recorders(groups, span.start)
    recorder = recorders.of(name)[-1]
    group = recorder.group
    query = Inliner(recorders).inline(f"max({name})", 10**6, group)
    (answer,) = at_every_evaluation([Inlined(recorder.rule, group, query)], prometheus, span)
    return {
        round((time - START) / 60): value for series in answer for time, value in series.samples
    }


def in_numpy(drill, bank, keys, windows) -> np.ndarray:
    """The statistic from the counts of the simulated service."""
    service, history = drill
    counts = np.concatenate(
        [history.counted[np.array(service.positions[key])[:-2]] for key in keys]
    )
    added = np.diff(counts, axis=1)
    return likelihood_ratios(np.array(bank.weights) @ added, added.sum(axis=0), windows)


@pytest.mark.parametrize(
    ("name", "windows"),
    [
        ("drift:score_llr", SCORE_WINDOWS),
        ("drift:feature_llr", SPARSE_WINDOWS),
        ("quality:llr", SPARSE_WINDOWS),
    ],
)
def test_numpy_and_prometheus_agree_at_every_evaluation(name, windows, drill, prometheus, scenario):
    model = drill[0].model
    banks = {
        "drift:score_llr": [(model.banks.score, [("score",)])],
        "drift:feature_llr": [
            (bank, [("feature", feature)])
            for feature, bank in zip(model.schema.names, model.banks.features, strict=True)
        ],
        "quality:llr": [(model.banks.outcomes, [("labelled", "0"), ("labelled", "1")])],
    }[name]
    expected = np.max([in_numpy(drill, bank, keys, windows) for bank, keys in banks], axis=0)
    found = on_prometheus(prometheus, name, scenario.schedule.duration)

    # The first evaluation that sees two scrapes a minute apart is number 2.
    assert sorted(found) == list(range(2, 2 + len(expected)))
    # The rules round ln(k) to two decimals.
    np.testing.assert_allclose([found[i] for i in sorted(found)], expected, atol=0.006)
    assert np.max(expected[:50]) < 15 < np.max(expected)
