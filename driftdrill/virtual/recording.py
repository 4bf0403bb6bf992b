"""A recording: the series of one drill, and what it takes to judge them again.

A folder of three files: the series; `recording.json`; and `scenario.yaml`, the drill as in its
file. The series are `metrics.om`, OpenMetrics text that promtool reads, with `metrics.stale` where
series ended before the drill did; or, while a drill runs, `samples.f64` and its index. What is text
is sealed: a digit that a disk lost would be other evidence.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator, Mapping
from hashlib import file_digest
from pathlib import Path
from typing import Annotated

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
    stale_marks,
    write_openmetrics,
)
from scenarios.spec import MAX_DURATION_S, Scenario, load
from scenarios.stretch import stretch

METRICS = "metrics.om"
_ARRAYS = "samples.f64"
_ABOUT = "recording.json"
_SCENARIO = "scenario.yaml"

START = 1_684_868_400.0
"""Unix time of production time 0, a whole hour.

An hour into a TSDB block of whatever duration, for blocks start at multiples of 2 h times a power
of 3: promtool, which reads all of the text again for every block, makes one of a drill of months.
"""

EVALUATION_INTERVAL_S = 60.0
"""As in `prometheus/prometheus.yml`."""


_Seconds = Annotated[float, msgspec.Meta(gt=0, le=MAX_DURATION_S)]


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
        seals: SHA-256 of the files of the series, by name; none where nobody sealed them.
    """

    scenario: str
    seed: int
    duration: _Seconds
    scrape_interval: _Seconds
    days: float | None = None
    start: float = START
    evaluation_interval: _Seconds = EVALUATION_INTERVAL_S
    requests: Requests = Requests()
    versions: Mapping[str, str] = {}
    seals: Mapping[str, str] = {}


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
        recording = msgspec.structs.replace(recording, seals=_seals(folder))
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


def refuse_damage(folder: Path) -> None:
    """UsageError where the series of a recording are not what was sealed."""
    seals = read_recording(folder).seals
    for name in (METRICS, stale_marks(folder / METRICS).name):
        if seals and _seals(folder).get(name) != seals.get(name):
            raise UsageError(f"{folder / name} is damaged: it is not what was recorded")


def _seals(folder: Path) -> Mapping[str, str]:
    found: dict[str, str] = {}
    for path in (folder / METRICS, stale_marks(folder / METRICS)):
        if path.exists():
            with path.open("rb") as file:
                found[path.name] = file_digest(file, "sha256").hexdigest()
    return found


def recording_file(folder: Path) -> Path:
    """What says what a recording is of; UsageError where the folder holds none."""
    read_recording(folder)
    return folder / _ABOUT


def scenario_file(folder: Path) -> Path:
    """The drill of a recording, as a file."""
    return folder / _SCENARIO


def recorded_scenario(folder: Path) -> Scenario:
    """The drill that a recording is of, as long as it was when it was recorded."""
    scenario, days = load(folder / _SCENARIO), read_recording(folder).days
    return scenario if days is None else stretch(scenario, days)
