"""Series on their way into a recording and out of it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from driftdrill.virtual.openmetrics import read_series
from driftdrill.virtual.recording import (
    START,
    Recording,
    metrics_file,
    recorded_series,
    write_recording,
)
from driftdrill.virtual.samples import STALE, Family
from scenarios.spec import find

TIMES = START + 7.5 + 15.0 * np.arange(500)
FAMILIES = (
    Family(
        "requests",
        "counter",
        (
            ('requests_total{code="200"}', TIMES, np.arange(500) * 3e12),
            ('requests_total{code="5\\"0\\\\0 é"}', TIMES[::16], np.zeros(32)),
        ),
    ),
    Family("score", "gauge", (("score{}", TIMES, np.linspace(-1, 1, 500) / 3),)),
)
ABOUT = Recording("steady", 0, 7500.0, 15.0)


def write(folder: Path, portable: bool) -> Path:
    write_recording(folder, ABOUT, find("steady"), FAMILIES, portable)
    return folder


def held(series) -> dict:
    return {name: (times.tolist(), values.tolist()) for name, times, values in series}


@pytest.mark.parametrize("portable", [True, False])
def test_a_recording_gives_back_every_sample(portable, tmp_path):
    expected = held(series for family in FAMILIES for series in family.series)
    assert held(recorded_series(write(tmp_path / "r", portable))) == expected


def test_arrays_become_the_same_text(tmp_path):
    text, arrays = (metrics_file(write(tmp_path / str(p), p)).read_bytes() for p in (True, False))
    assert text == arrays
    assert text.startswith(b'# TYPE requests counter\nrequests_total{code="200"} 0 1684868407.5\n')
    assert text.endswith(b"# EOF\n")


@pytest.mark.parametrize("portable", [True, False])
def test_where_a_series_ended_is_kept_to_the_bit(portable, tmp_path):
    values = np.array([1.0, STALE, 3.0, STALE])
    about = Recording("steady", 0, 60.0, 15.0)
    family = Family("up", "gauge", [('up{job="a"}', START + 7.5 + 15 * np.arange(4), values)])
    write_recording(tmp_path / "r", about, find("steady"), [family], portable)
    ((_, times, found),) = recorded_series(tmp_path / "r")
    assert len(times) == 4
    assert found.tobytes() == values.tobytes()
    ((_, samples),) = read_series(metrics_file(tmp_path / "r"))
    assert [value for _, value in samples] == ["1", "stale", "3", "stale"]


@pytest.mark.parametrize("portable", [True, False])
def test_a_recording_may_hold_no_sample(portable, tmp_path):
    families = [Family("up", "gauge", [("up{}", np.array([]), np.array([]))])]
    write_recording(tmp_path / "r", ABOUT, find("steady"), families, portable)
    assert [times.tolist() for _, times, _ in recorded_series(tmp_path / "r")] in ([], [[]])


def test_arrays_of_whole_numbers_are_kept_as_well(tmp_path):
    families = [Family("up", "gauge", [("up{}", TIMES[:3], np.array([1, 0, 1]))])]
    write_recording(tmp_path / "r", ABOUT, find("steady"), families, portable=False)
    assert held(recorded_series(tmp_path / "r")) == {"up{}": (TIMES[:3].tolist(), [1, 0, 1])}
