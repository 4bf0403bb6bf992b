"""Series on their way into a Prometheus that takes them over remote write."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from driftdrill.overhead.remote_write import push
from driftdrill.promapi import Prometheus, PrometheusError
from driftdrill.rig.interrupts import Interruption
from driftdrill.rig.tools import find_tools
from driftdrill.virtual.recording import START
from driftdrill.virtual.server import serve

TIMES = START + 7.5 + 15.0 * np.arange(500)
SERIES = [
    ({"__name__": "requests_total", "code": "200"}, TIMES, np.arange(500) * 3e12),
    ({"__name__": "requests_total", "code": '5"0\\0 é'}, TIMES[::16], np.zeros(32)),
    ({"__name__": "score"}, TIMES, np.linspace(-1, 1, 500) / 3),
]


@pytest.fixture
def prometheus(tmp_path: Path) -> Iterator[Prometheus]:
    receiver = "--web.enable-remote-write-receiver"
    with (
        serve(tmp_path / "data", find_tools(), tmp_path, Interruption(), receiver) as url,
        closing(Prometheus(url)) as client,
    ):
        yield client


def test_prometheus_takes_every_sample(prometheus: Prometheus) -> None:
    push(prometheus.url, SERIES)
    asked = {"query": '{__name__=~".+"}[3h]', "time": str(TIMES[-1])}
    found = {
        frozenset(series["metric"].items()): [(t, float(v)) for t, v in series["values"]]
        for series in prometheus.get("query", asked)["result"]
    }
    assert found == {
        frozenset(labels.items()): list(zip(times.tolist(), values.tolist(), strict=True))
        for labels, times, values in SERIES
    }


def test_samples_that_nobody_takes_are_an_error(prometheus: Prometheus) -> None:
    with pytest.raises(PrometheusError, match="took no samples"):
        push(f"{prometheus.url}/nowhere", SERIES)
