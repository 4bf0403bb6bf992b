"""Costs become claims, by arithmetic alone."""

from __future__ import annotations

import json

import numpy as np
import pytest
from msgspec.structs import replace
from rich.console import Console

from driftdrill.exposition import growing_labels, parse
from driftdrill.overhead.claims import Step, Study, interval, judge
from driftdrill.overhead.report import print_study, study_html, study_json


def step(rate: float, *, requests: int = 1000, failed: int = 0, **costs: object) -> Step:
    found = {key: value if isinstance(value, tuple) else (value,) for key, value in costs.items()}
    return Step(rate / 10, rate, requests, failed, 1000, found)  # type: ignore[arg-type]


def judged(first: object, last: object, key: str = "series") -> Study:
    return judge("live", "a service", [step(10, **{key: first}), step(1000, **{key: last})], [])


@pytest.mark.parametrize(
    ("key", "first", "last", "outcome"),
    [
        ("series", 500.0, 500.0, "pass"),
        ("series", 500.0, 501.0, "fail"),
        ("scrape_bytes", 100.0, 114.0, "pass"),
        ("scrape_bytes", 100.0, 116.0, "fail"),
        ("query_seconds", (1.0,) * 9, (1.05,) * 9, "pass"),
        ("query_seconds", (1.0,) * 9, (1.2,) * 9, "fail"),
        ("query_seconds", (1.0,) * 9, (0.9, 0.9, 0.9, 1, 1, 1.2, 1.2, 1.2, 1.2), "inconclusive"),
        ("memory_bytes", 0.0, 10.0, "inconclusive"),
    ],
)
def test_a_cost_passes_below_its_limit_and_is_unknown_where_the_interval_holds_it(
    key: str, first: object, last: object, outcome: str
) -> None:
    study = judged(first, last, key)

    assert study.outcome == outcome
    assert [claim.outcome for claim in study.claims] == [outcome]
    assert bool(study.reasons) == (outcome != "pass")


def test_a_log_that_grows_with_traffic_is_no_failure() -> None:
    study = judged(1.0, 100.0, "log_bytes_per_hour")

    assert study.outcome == "pass"
    assert study.claims[0].ratio == 100


@pytest.mark.parametrize(
    ("requests", "failed", "words"),
    [(900, 0, "too slow for that rate"), (1000, 20, "20 of 1000 requests failed")],
)
def test_traffic_that_was_not_delivered_proves_nothing(
    requests: int, failed: int, words: str
) -> None:
    bad = step(1000, requests=requests, failed=failed, series=5.0)
    study = judge("live", "a service", [step(10, series=5.0), bad], [])

    assert study.outcome == "inconclusive"
    assert words in study.reasons[0]


def test_a_twin_without_metrics_is_compared_at_the_last_step() -> None:
    steps = [step(10, series=5.0), step(1000, series=5.0)]
    slow = judge("live", "-", [steps[0], _beside_twin(steps[1], request_cpu=1.3)], [])
    fast = judge("live", "-", [steps[0], _beside_twin(steps[1], request_cpu=1.02)], [])

    assert (slow.outcome, fast.outcome) == ("fail", "pass")


def test_what_was_measured_in_turns_counts_before_what_was_measured_step_after_step() -> None:
    # The machine got slower meanwhile, the service did not; and the other way about.
    steps = [step(10, scrape_cpu_seconds=0.01), step(1000, scrape_cpu_seconds=0.02)]
    same = judge("live", "-", [steps[0], _beside_twin(steps[1], scrape_cpu_seconds=1.0)], [])
    grown = judge("live", "-", [steps[0], _beside_twin(steps[0], scrape_cpu_seconds=2.0)], [])

    assert (same.outcome, grown.outcome) == ("pass", "fail")


def _beside_twin(found: Step, **ratios: float) -> Step:
    return replace(found, ratios={key: (ratio,) * 10 for key, ratio in ratios.items()})


@pytest.mark.parametrize(
    ("samples", "stored", "outcome"),
    [
        pytest.param(100.0, 47_000.0, "pass", id="two bytes per sample"),
        pytest.param(100.0, 49_000.0, "fail", id="more"),
        pytest.param(1000.0, 49_000.0, "fail", id="two bytes per sample, of many new series"),
    ],
)
def test_stored_bytes_may_double_and_more_while_they_stay_below_what_is_planned_with(
    samples: float, stored: float, outcome: str
) -> None:
    first = step(10, samples_per_scrape=100.0, tsdb_bytes_per_hour=10_000.0)
    last = step(1000, samples_per_scrape=samples, tsdb_bytes_per_hour=stored)
    claims = {claim.cost.key: claim for claim in judge("live", "-", [first, last], []).claims}

    assert claims["tsdb_bytes_per_hour"].outcome == outcome


def test_the_interval_holds_the_median_as_often_as_it_says() -> None:
    rng = np.random.default_rng(0)
    intervals = [interval(rng.lognormal(0, 0.3, 11).tolist()) for _ in range(2000)]

    assert 0.95 <= np.mean([low <= 1 <= high for low, high in intervals]) <= 0.995


def test_growing_labels_are_found_by_their_new_values() -> None:
    text = "# HELP a_total A.\n# TYPE a_total counter\n"
    before = parse(text + 'a_total{user="1",code="200"} 1\n', "text/plain", "-")
    after = parse(
        text + "".join(f'a_total{{user="{n}",code="200"}} 1\n' for n in range(1, 5)),
        "text/plain",
        "-",
    )
    (growth,) = growing_labels(before, after)

    assert (growth.family, growth.label, growth.before, growth.after) == ("a", "user", 1, 4)
    assert growth.examples == ("2", "3", "4")


def test_reports_hold_the_figures_and_escape_what_is_foreign() -> None:
    steps = [step(10, series=5.0, log_bytes_per_hour=1.0)]
    steps.append(step(1000, series=9.0, log_bytes_per_hour=100.0))
    study = judge("live", "<b>evil</b>", steps, ["x: label 'user' went from 1 to 5 values"])
    figures, page = json.loads(study_json(study)), study_html(study)
    console = Console(record=True, width=120, file=None, quiet=False)
    print_study(study, console)

    assert figures["series_ratio"] == 1.8
    assert figures["series_ratio_low"] == figures["series_ratio_high"] == 1.8
    assert figures["outcome"] == "fail"
    assert "<b>" not in page
    assert "&lt;b&gt;evil&lt;/b&gt;" in page
    assert page.count("<svg") == 2
    assert "label &#39;user&#39; went from 1 to 5 values" in page
    assert "FAIL  <b>evil</b>: 0 of 1 costs constant" in console.export_text()
