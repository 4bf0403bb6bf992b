"""The benchmark compares like with like, and writes what others read."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from benchmarks.instrumentation import ours, peer
from simulators.credit import CREDIT
from target_service.contract import EDGE_QUANTILES, FEATURE, FEATURE_MISSING, SCORE
from target_service.training import train_named

PROJECT = Path(__file__).parents[2]


def test_both_count_the_same():
    model = train_named("credit", "benchmark")
    x = CREDIT.draw(np.random.default_rng(0), 500).x
    x[:50, model.schema.index("payment_delay")] = np.nan
    (observe, own), (observe_too, other) = ours(model), peer(model)
    for rows in (x[:1], x):
        observe(rows, model.score(rows))
        observe_too(rows, model.score(rows))

    counted = {
        (sample.name, sample.labels.get("feature"), sample.labels.get("le")): sample.value
        for metric in own.collect()
        for sample in metric.samples
    }
    buckets = {
        le: value
        for (name, feature, le), value in counted.items()
        if (name, feature) == (f"{FEATURE}_bucket", "income")
    }
    assert len(buckets) == len(EDGE_QUANTILES) + 1
    assert buckets == {
        le: other.get_sample_value("feature_income_bucket", {"le": le}) for le in buckets
    }
    assert other.get_sample_value("score_sum") == pytest.approx(counted[f"{SCORE}_sum", None, None])
    absent = other.get_sample_value("missing_total", {"feature": "payment_delay"})
    assert absent == counted[FEATURE_MISSING, "payment_delay", None] == 51


def test_the_figures_are_written_where_they_are_asked_for(tmp_path):
    file = tmp_path / "figures.json"
    done = subprocess.run(
        [sys.executable, "benchmarks/instrumentation.py", "--quick", "--json", str(file)],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    figures = json.loads(file.read_text())
    assert {
        "us_per_request",
        "us_per_row_batch",
        "throughput_ratio",
        "times_cheaper_than_starlette_exporter",
        "times_cheaper_than_instrumentator",
    } <= set(figures)
    assert all(figures[key] > 0 for key in ("us_per_request", "us_per_row_batch", "us_model"))
    assert "prometheus_client" in done.stdout
