"""A recording: the series of one drill, and what it takes to judge them again.

A folder of three files: the series; `recording.json`; and `scenario.yaml`, the drill as in its
file. The series are `metrics.om`, OpenMetrics text that promtool reads, with `metrics.stale` where
series ended before the drill did; or, while a drill runs, `samples.npz`.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import msgspec
import numpy as np

from driftdrill.rig.errors import UsageError
from driftdrill.rig.rig import new_folder
from driftdrill.verdict import Requests
from driftdrill.virtual.openmetrics import read_series
from driftdrill.virtual.samples import (
    STALE,
    STALE_WORD,
    Family,
    Series,
    load_families,
    save,
    write_openmetrics,
)
from scenarios.spec import Scenario, load
from scenarios.stretch import stretch

METRICS = "metrics.om"
_ARRAYS = "samples.npz"
_ABOUT = "recording.json"
_SCENARIO = "scenario.yaml"

START = 1_684_868_400.0
"""Unix time of production time 0, a whole hour.

An hour into a TSDB block of whatever duration, for blocks start at multiples of 2 h times a power
of 3: promtool, which reads all of the text again for every block, makes one of a drill of months.
"""

EVALUATION_INTERVAL_S = 60.0
"""As in `prometheus/prometheus.yml`."""


class Recording(msgspec.Struct, frozen=True):
    """What was recorded.

    Attributes:
        scenario: Name of the drill.
        seed: Of its traffic.
        duration: Production seconds.
        scrape_interval: Seconds between two samples of a series.
        days: What the steady phases were stretched to; None when they were not.
        start: Unix time of production time 0.
        evaluation_interval: Seconds between two evaluations of groups that name no interval.
        requests: The traffic that was delivered.
        versions: Of everything that took part.
    """

    scenario: str
    seed: int
    duration: float
    scrape_interval: float
    days: float | None = None
    start: float = START
    evaluation_interval: float = EVALUATION_INTERVAL_S
    requests: Requests = Requests()
    versions: Mapping[str, str] = {}


def write_recording(
    folder: Path,
    recording: Recording,
    scenario: Scenario,
    families: Iterable[Family],
    portable: bool,
) -> None:
    """Write a recording into a new or empty folder.

    Args:
        folder: Where.
        recording: What is recorded.
        scenario: The drill as in its file.
        families: The series.
        portable: Write text that anything can read; else arrays, which we read much faster.

    Raises:
        UsageError: The folder has something in it.
    """
    new_folder(folder)
    shutil.copyfile(scenario.path, folder / _SCENARIO)
    if portable:
        write_openmetrics(folder / METRICS, families)
    else:
        save(folder / _ARRAYS, families)
    (folder / _ABOUT).write_bytes(msgspec.json.format(msgspec.json.encode(recording)) + b"\n")


def recorded_series(folder: Path) -> Iterator[Series]:
    """Every series of a recording, one at a time."""
    if (folder / _ARRAYS).exists():
        yield from (
            series for family in load_families(folder / _ARRAYS) for series in family.series
        )
        return
    for series, samples in read_series(folder / METRICS):
        times = np.array([time for time, _ in samples]) / 1000
        values = [STALE if value == STALE_WORD else float(value) for _, value in samples]
        yield series, times, np.array(values)


def metrics_file(folder: Path) -> Path:
    """A recording's OpenMetrics text, made of its arrays when it has none yet."""
    path = folder / METRICS
    if not path.exists():
        write_openmetrics(path, load_families(folder / _ARRAYS))
    return path


def is_recording(folder: Path) -> bool:
    """Whether a folder looks like a recording."""
    return (folder / _ABOUT).exists()


def read_recording(folder: Path) -> Recording:
    """What a folder holds a recording of; UsageError when it is none."""
    try:
        return msgspec.json.decode((folder / _ABOUT).read_bytes(), type=Recording)
    except (OSError, msgspec.DecodeError) as error:
        raise UsageError(f"{folder} is not a recording: {error}") from error


def recorded_scenario(folder: Path) -> Scenario:
    """The drill that a recording is of, as long as it was when it was recorded."""
    scenario, days = load(folder / _SCENARIO), read_recording(folder).days
    return scenario if days is None else stretch(scenario, days)
