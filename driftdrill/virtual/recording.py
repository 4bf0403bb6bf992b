"""A recording: the series of one drill as OpenMetrics text, and what it takes to judge them again.

A folder of three files: `metrics.om`, which `promtool tsdb create-blocks-from openmetrics` reads;
`recording.json`; and `scenario.yaml`, the drill as it was recorded.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import msgspec

from driftdrill.rig.errors import UsageError
from driftdrill.verdict import Requests
from scenarios.spec import Scenario, load
from scenarios.stretch import stretch
from target_service.contract import Floats

METRICS = "metrics.om"
_ABOUT = "recording.json"
_SCENARIO = "scenario.yaml"

START = 1_684_864_800.0 + 3600.0
"""Unix time of production time 0: an hour into a TSDB block of whatever duration.

Blocks start at multiples of their duration, which is 2 h times a power of 3. This is a multiple of
the seventh, so that a drill of months lies in one block, and the file is read but once.
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


@dataclass(frozen=True)
class Family:
    """The series of one metric family.

    Attributes:
        name: As after `# TYPE`: a counter's without its `_total`.
        kind: Its OpenMetrics type.
        series: Each series' name with its labels, in PromQL's notation; unix times; values.
    """

    name: str
    kind: str
    series: Iterable[tuple[str, Floats, Floats]]


def new_folder(folder: Path) -> None:
    """Make a folder; UsageError when it has something in it: two drills must not mix."""
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UsageError(f"{folder} has leftovers in it; name a new or an empty folder")
    folder.mkdir(parents=True, exist_ok=True)


def write_recording(
    folder: Path, recording: Recording, scenario: Scenario, families: Iterable[Family]
) -> None:
    """Write a recording into a new or empty folder.

    Raises:
        UsageError: The folder has something in it.
    """
    new_folder(folder)
    shutil.copyfile(scenario.path, folder / _SCENARIO)
    with (folder / METRICS).open("w", encoding="utf-8") as file:
        for family in families:
            file.write(f"# TYPE {family.name} {family.kind}\n")
            for series, times, values in family.series:
                file.write(_lines(series, times, values))
        file.write("# EOF\n")
    (folder / _ABOUT).write_bytes(msgspec.json.format(msgspec.json.encode(recording)) + b"\n")


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


def _lines(series: str, times: Floats, values: Floats) -> str:
    stamps = [f" {time:.15g}\n" for time in times.tolist()]
    whole = (values == values.round()).all() and (abs(values) < 2**53).all()
    numbers = map(str, values.astype("int64").tolist()) if whole else map(repr, values.tolist())
    lines = [number + stamp for number, stamp in zip(numbers, stamps, strict=True)]
    return "".join(["", *(f"{series} {line}" for line in lines)])
