"""Recordings and rule files for the tests of the engines."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from driftdrill.virtual.recording import START, Recording, write_recording
from driftdrill.virtual.samples import Family
from driftdrill.virtual.timelines import Timelines
from scenarios.spec import find

SCRAPE_S = 15.0


def hand_made(folder: Path, series: Mapping[str, Sequence[float]]) -> Path:
    """A recording with one value per scrape, nan where the series was not there."""
    families = []
    length = 0
    for name, values in series.items():
        array = np.asarray(values, dtype=float)
        times = START + SCRAPE_S * (np.arange(len(array)) + 0.5)
        there = ~np.isnan(array)
        families.append(
            Family(name.partition("{")[0], "gauge", [(name, times[there], array[there])])
        )
        length = max(length, len(array))
    about = Recording("steady", 0, length * SCRAPE_S, SCRAPE_S)
    write_recording(folder, about, find("steady"), families, portable=True)
    return folder


def rule_file(path: Path, text: str) -> Path:
    """A rule file; its text is indented as the test is."""
    path.write_text(text)
    return path


def rules(tmp_path: Path, *lines: str) -> list[Path]:
    """A rule file of one group, with a rule on each line."""
    text = "\n".join(["groups:", "- name: g", "  rules:", *(f"  - {line}" for line in lines)])
    return [rule_file(tmp_path / "rules.yml", text)]


def states(timelines: Timelines) -> set[tuple[frozenset[tuple[str, str]], float]]:
    """Every alert instance in its state, at every evaluation that found it."""
    return {
        (frozenset(series.labels.items()), time)
        for series in timelines.samples
        for time in series.times
    }


def names(timelines: Timelines) -> set[str]:
    """The alerts that were pending or firing at some time."""
    return {series.labels["alertname"] for series in timelines.samples}
