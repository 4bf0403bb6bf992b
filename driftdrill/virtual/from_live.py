"""The TSDB of a live drill as a recording, on the clock of production.

Scrape k of the drill goes to the middle of its interval, where a virtual drill has it, so a sample
moves by at most half an interval. What the rules recorded is left out: a replay records it anew.
"""

from __future__ import annotations

import math
import subprocess
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from driftdrill.promapi import Clock
from driftdrill.rig.errors import RigError
from driftdrill.rig.tools import Tool
from driftdrill.verdict import Verdict
from driftdrill.virtual import gotext
from driftdrill.virtual.observe import SCRAPE_INTERVAL_S
from driftdrill.virtual.recording import START, Recording, write_recording
from driftdrill.virtual.samples import STALE, Family
from scenarios.board import read_start
from scenarios.spec import Scenario

_Sampled = dict[str, dict[int, float]]
"""Value by number of the scrape, by series."""


def record_live(
    scenario: Scenario, verdict: Verdict, out: Path, folder: Path, promtool: Tool
) -> None:
    """Keep what Prometheus stored of a live drill.

    Args:
        scenario: The drill.
        verdict: What came of it.
        out: What the drill left.
        folder: New or empty folder for the recording.
        promtool: Reads the TSDB.

    Raises:
        RigError: promtool cannot read the TSDB, or the drill never began.
    """
    start = read_start(out / "start")
    if start is None:
        raise RigError("the drill never began, so there is nothing to record")
    clock = Clock(start.t0, verdict.speed)
    duration = scenario.schedule.duration
    recording = Recording(
        scenario=scenario.name,
        seed=verdict.seed,
        duration=duration,
        scrape_interval=SCRAPE_INTERVAL_S,
        requests=verdict.requests,
        versions=verdict.versions,
    )
    sampled = _sampled(_dump(promtool, out / "prometheus"), clock, duration)
    write_recording(folder, recording, scenario, _families(sampled), portable=True)


def _dump(promtool: Tool, tsdb: Path) -> Iterator[str]:
    command = [str(promtool.path.resolve()), "tsdb", "dump", str(tsdb.resolve())]
    with TemporaryDirectory() as folder:
        # Where 2.53 wants to write; 2.42 has no flag for it, 3.x another default.
        (Path(folder) / "data").mkdir()
        with subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, text=True) as process:
            yield from process.stdout or ()
    if process.returncode:
        raise RigError(f"promtool cannot read {tsdb}: exit status {process.returncode}")


def _sampled(lines: Iterator[str], clock: Clock, duration: float) -> _Sampled:
    sampled: defaultdict[str, dict[int, float]] = defaultdict(dict)
    names: dict[str, str | None] = {}
    for line in lines:
        text, value, time = line.rsplit(maxsplit=2)
        if text not in names:
            labels, _ = next(gotext.samples(f"{text} 0"))
            scraped = "instance" in labels and ":" not in labels[gotext.NAME]
            alert = labels[gotext.NAME].startswith("ALERTS")
            names[text] = gotext.series(labels) if scraped and not alert else None
        series, production = names[text], clock.production(float(time) / 1000)
        if series and 0 <= production < duration:
            # The only NaN of the service's metrics is the mark of where a series ended.
            number = STALE if math.isnan(float(value)) else float(value)
            sampled[series][int(production // SCRAPE_INTERVAL_S)] = number
    return sampled


def _families(sampled: _Sampled) -> Iterator[Family]:
    families: defaultdict[str, list[str]] = defaultdict(list)
    for series in sorted(sampled):
        families[series.partition("{")[0]].append(series)
    for name, members in families.items():
        yield Family(
            name,
            "unknown",
            (
                (
                    series,
                    START + (np.array(sorted(sampled[series])) + 0.5) * SCRAPE_INTERVAL_S,
                    np.array([sampled[series][k] for k in sorted(sampled[series])]),
                )
                for series in members
            ),
        )
