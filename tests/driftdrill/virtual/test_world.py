"""What the virtual service has counted, against what the live one would have."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import pytest
from worlds import FULL, SHIFT, TURN, drifting, scenario, steady

from driftdrill.models import artifact
from driftdrill.virtual.exposed import families
from driftdrill.virtual.selectors import everything
from driftdrill.virtual.service import VirtualService
from driftdrill.virtual.world import History, simulate
from simulators.drifts import CategoryShift, CorrelationShift, CovariateShift
from simulators.faults import FeatureMissing
from simulators.schedule import ActiveDrift, Ramp
from simulators.selections import DeclinedStayAway, PriorShift
from target_service.builds import USUAL
from target_service.metrics import ModelMetrics

DRILL = scenario(steady(600, 2), drifting(600, 4, SHIFT), coverage=0.7)
HISTOGRAMS = [("score",), ("feature", "income"), ("feature", "payment_delay"), ("feature", "home")]
HISTOGRAMS += [("segment", "east"), ("calibration", "expected"), ("calibration", "positives")]
HISTOGRAMS += [("labelled", "0"), ("labelled", "1"), ("latency", "/predict")]


def service() -> VirtualService:
    return VirtualService(artifact("credit"))


class Counted(NamedTuple):
    """What one process that lived all the time had counted at each scrape."""

    history: History
    scrapes: np.ndarray
    counted: np.ndarray


def run(drill, rows_drawn: float, interval: float = 15.0, seed: int = 0):
    fresh = service()
    services = {USUAL: fresh}
    history = simulate(drill, services, seed, interval, lambda _: None, rows_drawn=rows_drawn)
    return fresh, Counted(history, history.scrapes, history.processes[0].counted)


def increments(fresh, history, *key):
    """(bins, t) counted per scrape in a histogram, missing values last."""
    rows = history.counted[fresh.positions[key].start : fresh.positions[key].stop - 1]
    return np.diff(rows, axis=1, prepend=0.0)


def shown(collector) -> dict[str, float]:
    """Every series, as PromQL writes it with the labels of its target, and its value."""
    target = {"instance": "localhost:8000", "job": "target-service"}
    lines = {}
    for family in collector.collect():
        for sample in family.samples:
            labels = sorted((sample.labels | target).items())
            pairs = ",".join(f'{name}="{value}"' for name, value in labels)
            lines[f"{sample.name}{{{pairs}}}"] = sample.value
    return lines


@pytest.mark.parametrize("scrape", [3, 50, 79])
def test_at_every_scrape_the_counts_are_those_of_the_live_service(scrape):
    fresh, history = run(DRILL, math.inf)
    live = ModelMetrics(fresh.model, "live")
    now = history.scrapes[scrape]
    for number in range(-(-DRILL.schedule.total_arrivals // 4096)):
        block = DRILL.stream(0).block(number)
        for i in np.flatnonzero(block.due <= now):
            row = block.x[i : i + 1]
            score = fresh.model.score(row)
            live.observe(row, score)
            if block.labelled[i] and block.due[i] + DRILL.label_delay <= now:
                segment = fresh.model.schema.segment_numbers(row)
                live.observe_labels(score, block.outcome[i : i + 1], segment)
    for key in (*HISTOGRAMS[:-1], ("feedback", "accepted")):
        place = fresh.positions[key]
        expected = live.state()[place]
        np.testing.assert_allclose(history.counted[place, scrape], expected, rtol=1e-12)


def test_each_request_and_each_batch_of_labels_is_counted_as_http():
    fresh, history = run(DRILL, math.inf)
    predicted = history.counted[fresh.position("request", "POST", "/predict", "200")]
    assert predicted[-1] == np.sum(DRILL.stream(0).block(0).due <= history.scrapes[-1])
    told = history.counted[fresh.position("request", "POST", "/feedback", "200")]
    assert told[history.scrapes < DRILL.label_delay].max() == 0
    assert 0 < told[-1] <= len(history.scrapes)


@pytest.mark.parametrize("rows_drawn", [0, math.inf])
def test_the_same_seed_counts_the_same(rows_drawn):
    (_, first), (_, again), (_, other) = (run(DRILL, rows_drawn, seed=s) for s in (1, 1, 2))
    np.testing.assert_array_equal(first.counted, again.counted)
    assert (first.counted != other.counted).any()


@pytest.mark.parametrize("rows_drawn", [0, math.inf])
def test_no_scrape_falls_on_an_evaluation_and_no_counter_falls(rows_drawn):
    fresh, history = run(DRILL, rows_drawn)
    assert set(history.scrapes % 15.0) == {7.5}
    for key in HISTOGRAMS:
        assert increments(fresh, history, *key).min() >= 0


def test_series_are_what_the_service_exposes_at_that_state():
    fresh, history = run(DRILL, math.inf)
    metrics = ModelMetrics(fresh.model, "target-service")
    metrics.restore(history.counted[:, -1])
    shown_families = families(history.history, DRILL.fleet, 0.0, 0, 0.0, everything)
    last = {series: values[-1] for f in shown_families for series, _, values in f.series}
    target = '{instance="localhost:8000",job="target-service"}'
    assert last.pop(f"up{target}") == 1
    assert last.pop(f"scrape_samples_scraped{target}") == len(last)
    assert last == shown(metrics)


# --- Counts drawn from pools, against rows drawn one by one ------------------------------------


@pytest.mark.parametrize(
    "drill",
    [
        scenario(steady(7200, 3)),
        scenario(drifting(7200, 3, SHIFT, TURN), coverage=0.5),
        scenario(drifting(7200, 3, SHIFT, intensity=Ramp(0, 1))),
    ],
    ids=["steady", "two drifts", "gradual"],
)
@pytest.mark.parametrize("key", HISTOGRAMS)
def test_pools_and_rows_agree_in_every_histogram(drill, key):
    assert deviate(*(increments(*run(drill, drawn), *key) for drawn in (0, math.inf))) < 4


def deviate(pooled, rows) -> float:
    """A chi-square test of homogeneity, in four stretches of time, as its normal deviate."""
    stretches = range(0, pooled.shape[1], pooled.shape[1] // 4)
    pooled, rows = (np.add.reduceat(counts, stretches, axis=1) for counts in (pooled, rows))
    full = pooled + rows >= 10
    dof = full.sum() - 4
    chi2 = ((pooled - rows) ** 2)[full] / (pooled + rows)[full]
    return (chi2.sum() - dof) / math.sqrt(2 * dof)


NEW = CategoryShift("channel", "unseen")
YOUNG = CovariateShift("age", -0.8, where={"channel": ("unseen",)})
CHANGES = {
    "others ask": drifting(7200, 3, PriorShift(0.4, where={"region": ("west",)}), SHIFT),
    "dependence": drifting(7200, 3, CorrelationShift("debt_ratio", "income", -0.9)),
    "a feedback loop": drifting(7200, 3, DeclinedStayAway(0.1), intensity=Ramp(0, 1)),
    "what another drift made": replace(
        drifting(7200, 3, YOUNG),
        drifts=(ActiveDrift(NEW, Ramp(0.3, 0.3)), ActiveDrift(YOUNG, FULL)),
    ),
    "broken data": drifting(7200, 3, SHIFT, FeatureMissing("payment_delay"), intensity=Ramp(1, 0)),
}


@pytest.mark.parametrize("phase", CHANGES.values(), ids=CHANGES)
def test_pools_and_rows_agree_on_every_kind_of_change(phase):
    drill = scenario(phase)
    (fresh, pooled), (_, rows) = (run(drill, drawn) for drawn in (0, math.inf))
    found = {key: deviate(*(increments(fresh, h, *key) for h in (pooled, rows))) for key in SEEN}
    assert max(found.values()) < 4.5, found


SEEN = [*HISTOGRAMS, ("feature", "age"), ("feature", "debt_ratio"), ("feature", "channel")]


@pytest.mark.parametrize("rate", [0.5, 5, 100, 1_000_000], ids=lambda rate: f"{rate:g} a second")
def test_pools_scatter_as_independent_rows_do_at_any_rate(rate):
    """Per scrape, (counts - expected)² / expected averages to 1, whatever the number of rows."""
    fresh, history = run(scenario(steady(6 * 3600, rate)), 0)
    for key in [("score",), ("feature", "income")]:
        counts = increments(fresh, history, *key)[:-1]
        counts = counts[counts.any(axis=1)]  # no value is out of range, none is missing
        rows = counts.sum(axis=0)
        expected = counts.mean(axis=1, keepdims=True) * rows / rows.mean()
        dispersion = ((counts - expected) ** 2 / expected).sum() / (counts.size - counts.shape[1])
        assert dispersion == pytest.approx(1, abs=0.1)


@pytest.mark.parametrize("rate", [2, 1000], ids=lambda rate: f"{rate:g} a second")
def test_what_rows_have_in_common_their_counts_have_in_common(rate):
    """Low incomes have high scores; the counts per scrape are correlated as the rows are.

    One pool is so within 0.08 (one standard deviation), so six are looked at.
    """
    drill = scenario(steady(6 * 3600, rate))
    runs = [run(drill, 0, seed=seed) for seed in range(6)]
    fresh = runs[0][0]
    block = drill.stream(0).block(0)
    scores, income = fresh.model.score(block.x), block.x[:, fresh.model.schema.index("income")]
    high, low = fresh.edges("score")[12], fresh.edges("feature", "income")[6]
    expected = np.corrcoef(scores > high, income <= low)[0, 1]
    found = []
    for _, history in runs:
        # The first scrape comes half an interval after the start, to half as many rows.
        above = increments(fresh, history, "score")[13:, 1:].sum(axis=0)
        below = increments(fresh, history, "feature", "income")[:7, 1:].sum(axis=0)
        found.append(np.corrcoef(above, below)[0, 1])
    assert expected > 0.2
    assert np.mean(found) == pytest.approx(expected, abs=0.08)


def test_labels_drawn_from_pools_arrive_when_they_are_due():
    fresh, history = run(scenario(steady(3600, 50), delay=600, coverage=0.5), 0)
    accepted = history.counted[fresh.position("feedback", "accepted")]
    assert accepted[history.scrapes < 600].max() == 0
    assert accepted[-1] == pytest.approx(0.5 * 50 * 3000, rel=0.02)
    labelled = sum(increments(fresh, history, "labelled", y).sum() for y in ("0", "1"))
    assert labelled == accepted[-1]
    assert history.counted[fresh.position("request", "POST", "/feedback", "200"), -1] == 200


def test_rows_that_have_an_order_are_drawn_one_by_one_at_any_rate():
    drill = replace(scenario(steady(600, 2)), source="reference")
    fresh, history = run(drill, 0)
    block = drill.stream(0).block(0)
    income = block.x[block.due <= history.scrapes[-1], fresh.model.schema.index("income")]
    place = fresh.positions["feature", "income"]
    expected = np.bincount(fresh.bins(income, "feature", "income") - place.start)
    found = history.counted[place, -1][: len(expected)]
    np.testing.assert_array_equal(found, expected)
