"""Reading the series of an OpenMetrics file with timestamps."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby
from pathlib import Path


def read_series(path: Path) -> Iterator[tuple[str, list[tuple[int, str]]]]:
    """Every series of a file, and its (unix milliseconds, value) samples, ascending.

    A series is its name and labels as they stand in the file, which is also how PromQL writes them.
    Its lines have to follow each other; one series at a time is held in memory.

    Raises:
        ValueError: A line is no sample with a timestamp, or a series comes a second time.
    """
    seen: set[str] = set()
    with path.open() as lines:
        parts = (_split(path, line) for line in lines if not line.startswith("#"))
        for series, samples in groupby(parts, key=lambda part: part[0]):
            if series in seen:
                raise ValueError(f"{path}: the samples of {series} do not follow each other")
            seen.add(series)
            yield series, [(time, value) for _, time, value in samples]


def _split(path: Path, line: str) -> tuple[str, int, str]:
    try:
        series, value, time = line.rsplit(maxsplit=2)
        return series, round(float(time) * 1000), value
    except ValueError:
        raise ValueError(f"{path}: not a sample with a timestamp: {line.strip()}") from None
