"""What the service exposes is read back as it was counted: by Python's parsers and Prometheus."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Iterable
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client.openmetrics.parser import text_string_to_metric_families as read_openmetrics
from prometheus_client.parser import text_string_to_metric_families as read_text

from driftdrill.promapi import Prometheus
from driftdrill.rig import readiness
from driftdrill.rig.interrupts import Interruption
from driftdrill.rig.ports import lease_port
from driftdrill.rig.process import Process
from driftdrill.rig.tools import find_tools
from target_service.contract import Dataset
from target_service.instrument import serve_metrics
from target_service.metrics import ModelMetrics
from target_service.model import Model

Read = dict[tuple[str, frozenset[tuple[str, str]]], float]
APP_NAMES = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)


def counted(metrics: ModelMetrics) -> Read:
    """Every sample, as it was counted."""
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in metrics.collect()
        for sample in family.samples
    }


def parsed(families: Iterable[Any]) -> Read:
    return {
        (sample.name, frozenset(sample.labels.items())): float(sample.value)
        for family in families
        for sample in family.samples
        if not sample.name.endswith("_created")
    }


def observed(model: Model, data: Dataset, app_name: str, seed: int, rows: int) -> ModelMetrics:
    """Metrics after some rows, with missing values, outcomes and requests among them."""
    metrics, random = ModelMetrics(model, app_name), np.random.default_rng(seed)
    x = data.x[random.integers(0, len(data.x), rows)].copy()
    x[random.random(x.shape) < 0.1] = np.nan
    scores = model.score(x)
    metrics.observe(x, scores)
    metrics.observe_request("POST", "/predict", 200, float(random.exponential()))
    return metrics


def same(found: Read, expected: Read) -> bool:
    """Whether both hold the same series with the same values; nan is nan."""
    return found.keys() == expected.keys() and all(
        found[series] == value or (math.isnan(found[series]) and math.isnan(value))
        for series, value in expected.items()
    )


@given(APP_NAMES, st.integers(0, 2**32), st.integers(1, 50))
@settings(max_examples=25)
def test_python_s_parsers_read_what_was_counted(credit, credit_data, app_name, seed, rows):
    metrics = observed(credit, credit_data, app_name, seed, rows)
    text, _ = metrics.expose()
    openmetrics, _ = metrics.expose("application/openmetrics-text; version=1.0.0")
    assert same(parsed(read_text(text.decode())), counted(metrics))
    assert same(parsed(read_openmetrics(openmetrics.decode())), counted(metrics))


def test_prometheus_reads_what_was_counted(credit, credit_data, tmp_path):
    metrics = observed(credit, credit_data, 'a "name" \\ of\nlines', 1, 200)
    prometheus = find_tools().prometheus
    with lease_port(18_100) as target, lease_port(18_200) as port:
        serve_metrics(metrics, [target.port])
        scrape = {"job_name": "t", "static_configs": [{"targets": [target.address]}]}
        config = {"global": {"scrape_interval": "200ms"}, "scrape_configs": [scrape]}
        (tmp_path / "prometheus.yml").write_text(json.dumps(config))
        flags = [
            f"--config.file={tmp_path / 'prometheus.yml'}",
            f"--storage.tsdb.path={tmp_path / 'data'}",
            f"--web.listen-address={port.address}",
        ]
        command = [str(prometheus.path), *flags]
        server = Process("prometheus", command, cwd=prometheus.cwd, log=tmp_path / "log")
        try:
            ready = readiness.answers(f"http://{port.address}/-/ready")
            readiness.wait([server], ready, 30.0, Interruption())
            found = scraped(Prometheus(f"http://{port.address}"))
        finally:
            server.stop()
    assert same(found, counted(metrics))


def scraped(prometheus: Prometheus) -> Read:
    """What Prometheus has of its target, once it has scraped it."""
    deadline = time.monotonic() + 20
    own = ("up", "scrape_")
    try:
        while True:
            assert time.monotonic() < deadline, "nothing was scraped"
            answer = prometheus.get("query", {"query": '{job="t"}'})["result"]
            found = {
                (labels.pop("__name__"), frozenset(labels.items())): float(series["value"][1])
                for series in answer
                for labels in [series["metric"]]
                if labels.pop("job") and labels.pop("instance")
            }
            if ours := {key: value for key, value in found.items() if not key[0].startswith(own)}:
                return ours
            time.sleep(0.2)
    finally:
        prometheus.close()
