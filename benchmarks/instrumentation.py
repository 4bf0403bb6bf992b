"""What it costs the service to count a prediction, beside others who count the same.

    python benchmarks/instrumentation.py [--json FILE] [--quick]

First the counting alone, beside prometheus_client: CPU time of this process, medians of `ROUNDS`
rounds in which both take turns. A request is one row; a batch is 1000. Both count the score, every
feature, missing values, the request and its latency. Then whole services under load from outside;
see `served.py`.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from statistics import median
from time import process_time

import numpy as np
from prometheus_client import CollectorRegistry, Counter, Histogram

from simulators.credit import CREDIT
from target_service.contract import MAX_BATCH, OTHER, Floats
from target_service.http_metrics import LATENCY_EDGES
from target_service.metrics import ModelMetrics
from target_service.model import Model
from target_service.training import train_named

ROUNDS = 9
REQUESTS = 4000
BATCHES = 20

Count = Callable[[float], None]
"""Counts one value of one feature."""

Observe = Callable[[Floats, Floats], None]
"""Counts n predictions of one request: an (n, d) matrix and (n,) scores."""


def ours(model: Model) -> tuple[Observe, ModelMetrics]:
    """ModelMetrics, as the service calls it."""
    metrics = ModelMetrics(model, "benchmark")

    def observe(x: Floats, scores: Floats) -> None:
        metrics.observe(x, scores)
        metrics.observe_request("POST", "/predict", 200, 0.001)

    return observe, metrics


def peer(model: Model) -> tuple[Observe, CollectorRegistry]:
    """The same with prometheus_client as it is meant to be used, its children looked up once."""
    registry = CollectorRegistry()
    requests = Counter("requests", "-", ["endpoint", "status"], registry=registry)
    answered = requests.labels("/predict", "200")
    latency = Histogram("latency", "-", registry=registry, buckets=LATENCY_EDGES)
    score = Histogram("score", "-", registry=registry, buckets=model.scores.edges)
    missing = Counter("missing", "-", ["feature"], registry=registry)
    category = Counter("category", "-", ["feature", "category"], registry=registry)

    def column(name: str, edges: tuple[float, ...], categories: tuple[str, ...]) -> Count:
        absent = missing.labels(name)
        if categories:
            known = [category.labels(name, each) for each in (*categories, OTHER)]
            return lambda value: absent.inc() if value != value else known[int(value)].inc()
        histogram = Histogram(f"feature_{name}", "-", registry=registry, buckets=edges)
        return lambda value: absent.inc() if value != value else histogram.observe(value)

    columns = [
        column(feature.name, reference.edges, feature.categories)
        for feature, reference in zip(model.schema.features, model.features, strict=True)
    ]

    def observe(x: Floats, scores: Floats) -> None:
        for value in scores.tolist():
            score.observe(value)
        for row in x.tolist():
            for count, value in zip(columns, row, strict=True):
                count(value)
        answered.inc()
        latency.observe(0.001)

    return observe, registry


def measure(model: Model) -> dict[str, float]:
    """Microseconds of CPU, by what was measured; the peer's under the same name with `peer_`."""
    x = CREDIT.draw(np.random.default_rng(0), max(REQUESTS, MAX_BATCH)).x
    scores = model.score(x)
    one_row = [(x[i : i + 1], scores[i : i + 1]) for i in range(REQUESTS)]
    batches = [(x[:MAX_BATCH], scores[:MAX_BATCH])] * BATCHES
    work = {
        "us_per_request": (one_row, REQUESTS),
        "us_per_row_batch": (batches, BATCHES * MAX_BATCH),
    }
    candidates = {"": ours(model)[0], "peer_": peer(model)[0]}
    times: dict[str, list[float]] = {}
    for _ in range(ROUNDS):
        for name, (calls, count) in work.items():
            for prefix, observe in candidates.items():
                began = process_time()
                for rows, their_scores in calls:
                    observe(rows, their_scores)
                spent = (process_time() - began) / count * 1e6
                times.setdefault(prefix + name, []).append(spent)
    return {name: round(median(values), 3) for name, values in times.items()}


def served(quick: bool) -> dict[str, float]:
    """The figures of whole services, which are asked by a process of its own."""
    script = Path(__file__).with_name("served.py")
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "served.json"
        command = [sys.executable, str(script), "--json", str(file)]
        subprocess.run([*command, "--quick"] if quick else command, check=True)
        figures: dict[str, float] = json.loads(file.read_text())
        return figures


def main(arguments: list[str]) -> None:
    """Measure, print, and write the figures where they are asked for."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there")
    parser.add_argument("--quick", action="store_true", help="a glance: the figures are rough")
    options = parser.parse_args(arguments)
    figures = measure(train_named("credit", "benchmark"))
    print(f"{'CPU, µs':<24}{'ours':>8}{'prometheus_client':>20}{'ratio':>8}")
    for name, title in {
        "us_per_request": "one-row request",
        "us_per_row_batch": f"row in a batch of {MAX_BATCH}",
    }.items():
        own, other = figures[name], figures[f"peer_{name}"]
        print(f"{title:<24}{own:>8.2f}{other:>20.2f}{other / own:>7.1f}x", flush=True)
    figures |= served(options.quick)
    if options.json:
        options.json.write_text(json.dumps(figures, indent=2) + "\n")


if __name__ == "__main__":
    main(sys.argv[1:])
