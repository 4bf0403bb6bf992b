"""Blocks that Prometheus reads as if it had written them."""

from __future__ import annotations

import struct
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from driftdrill.promapi import Prometheus
from driftdrill.rig.interrupts import Interruption
from driftdrill.rig.tools import find_tools
from driftdrill.virtual import tsdb
from driftdrill.virtual.samples import STALE
from driftdrill.virtual.server import serve
from driftdrill.virtual.timelines import EngineError
from driftdrill.virtual.tsdb import MAX_SAMPLES, BlockWriter

START = 1_700_000_000.0
Samples = tuple[np.ndarray, np.ndarray]


def held(data: Path, work: Path, end: float = START + 1e6) -> dict[frozenset, list]:
    """Every sample that Prometheus finds, by labels."""
    with (
        serve(data, find_tools(), work, Interruption()) as url,
        closing(Prometheus(url)) as client,
    ):
        asked = {"query": '{__name__=~".+"}[5000000s]', "time": f"{end:.3f}"}
        return {
            frozenset(series["metric"].items()): [(t, float(v)) for t, v in series["values"]]
            for series in client.get("query", asked)["result"]
        }


def expected(series: dict[str, Samples]) -> dict[frozenset, list]:
    return {
        frozenset({("__name__", "x"), ("n", name)}): list(
            zip(times.tolist(), values.tolist(), strict=True)
        )
        for name, (times, values) in series.items()
    }


def named(series: dict[str, Samples]) -> list:
    return [({"__name__": "x", "n": name}, *samples) for name, samples in series.items()]


def steps(*milliseconds: int) -> np.ndarray:
    return START + np.cumsum([0, *milliseconds]) / 1000


def some(rng: np.random.Generator, times: np.ndarray) -> Samples:
    return times, np.cumsum(rng.exponential(size=len(times)))


@pytest.fixture
def series() -> dict[str, Samples]:
    rng = np.random.default_rng(0)
    lengths = [*range(1, 20), MAX_SAMPLES - 1, MAX_SAMPLES, MAX_SAMPLES + 1, 3 * MAX_SAMPLES + 5]
    found = {f"{n} long": some(rng, START + 15.0 * np.arange(n)) for n in lengths}
    found["every bit"] = (
        START + 0.001 * np.arange(4000),
        rng.integers(0, 2**63 - 2**53, 4000).view(np.float64),
    )
    found["all kinds"] = (
        steps(*[60_000] * 7),
        np.array([0, -0.0, 1, np.inf, -np.inf, 5e-324, 1e308, 1]),
    )
    found["a gap"] = some(rng, steps(*[60_000] * 9, 180_000, *[60_000] * 9))
    found["a month of nothing"] = some(rng, steps(15_000, 2_592_000_000, 15_000))
    found["jitter"] = some(rng, steps(*rng.integers(14_990, 15_010, 500)))
    found["steps in turn"] = some(rng, steps(*[1, 2] * 50))
    return found


def test_prometheus_finds_every_sample_to_the_bit(series, tmp_path):
    writer = BlockWriter(tmp_path / "blocks")
    writer.add(named(series))
    assert held(writer.block(), tmp_path / "work", START + 4_000_000) == expected(series)


def test_a_later_block_holds_what_the_earlier_ones_do(series, tmp_path):
    writer, parts = BlockWriter(tmp_path / "blocks"), [dict([one]) for one in series.items()]
    writer.add(named(parts[-1]))
    first = writer.block()
    for part in parts[:-1]:
        writer.add(named(part))
    assert held(writer.block(), tmp_path / "work", START + 4_000_000) == expected(series)
    assert held(first, tmp_path / "first") == expected(parts[-1])


def test_segments_are_of_limited_size(series, tmp_path, monkeypatch):
    monkeypatch.setattr(tsdb, "_SEGMENT_BYTES", 20_000)
    writer = BlockWriter(tmp_path / "blocks")
    writer.add(named(series))
    data = writer.block()
    sizes = [path.stat().st_size for path in data.glob("*/chunks/*")]
    assert len(sizes) > 5
    assert max(sizes) <= 20_000
    assert held(data, tmp_path / "work", START + 4_000_000) == expected(series)


def test_a_mark_of_staleness_ends_a_series(tmp_path):
    writer = BlockWriter(tmp_path / "blocks")
    values = np.array([1.0, 2.0, STALE, 4.0])
    assert struct.pack(">d", values[2]).hex() == "7ff0000000000002"
    writer.add([({"__name__": "x"}, START + 60.0 * np.arange(4), values)])
    with (
        serve(writer.block(), find_tools(), tmp_path, Interruption()) as url,
        closing(Prometheus(url)) as client,
    ):
        (found,) = client.curves("x", START, START + 240.0, 60.0)
        (marked,) = client.curves("count_over_time(x[5m])", START + 180.0, START + 180.0, 1.0)
    assert [value for _, value in found.samples] == [1, 2, 4, 4]
    assert marked.samples[0][1] == 3


def test_labels_are_found_whatever_is_in_them(tmp_path):
    writer = BlockWriter(tmp_path / "blocks")
    texts = ['5"0\\0 é', "z" * 300, "a b", "0", "\n"]
    for text in texts:
        writer.add([({"__name__": "x", "empty": "", "n": text}, *some_of_two(text))])
    found = held(writer.block(), tmp_path / "work")
    assert found == expected({text: some_of_two(text) for text in texts})


def some_of_two(text: str) -> Samples:
    return steps(15_000), np.array([1.0, len(text)])


def test_a_block_may_be_empty(tmp_path):
    writer = BlockWriter(tmp_path / "blocks")
    writer.add([({"__name__": "x"}, np.array([]), np.array([]))])
    assert held(writer.block(), tmp_path / "work") == {}


@pytest.mark.parametrize("milliseconds", [0, -1])
def test_samples_out_of_order_are_an_error(milliseconds, tmp_path):
    writer = BlockWriter(tmp_path / "blocks")
    with pytest.raises(EngineError, match=r"'n': 'back'.* out of order"):
        writer.add(named({"back": (steps(15_000, milliseconds), np.zeros(3))}))


def test_a_series_that_comes_twice_is_an_error(tmp_path):
    writer = BlockWriter(tmp_path / "blocks")
    writer.add(named({"once": (steps(15_000), np.zeros(2))}))
    with pytest.raises(EngineError, match="'n': 'once'"):
        writer.add(named({"once": (steps(15_000) + 1000, np.zeros(2))}))
