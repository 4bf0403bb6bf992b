"""Reading the series of an OpenMetrics file with timestamps."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from pathlib import Path

from driftdrill.virtual.samples import stale_marks

_Sample = tuple[int, str]


def read_series(path: Path) -> Iterator[tuple[str, list[tuple[int, str]]]]:
    """Every series of a file, and its (unix milliseconds, value) samples, ascending.

    Where a series ended the value is `stale`, see `stale_marks`.

    A series is its name and labels as they stand in the file, which is also how PromQL writes them.
    Its lines have to follow each other; one series at a time is held in memory.

    Raises:
        ValueError: A line is no sample with a timestamp, a series comes a second time, or the
            end is missing.
    """
    seen: set[str] = set()
    _require_end(path)
    ended = _ended(stale_marks(path))
    with path.open() as lines:
        parts = (_split(path, line) for line in lines if not line.startswith("#"))
        for series, samples in groupby(parts, key=lambda part: part[0]):
            if series in seen:
                raise ValueError(f"{path}: the samples of {series} do not follow each other")
            seen.add(series)
            found = [(time, value) for _, time, value in samples]
            yield series, sorted([*found, *ended[series]]) if series in ended else found


def _require_end(path: Path) -> None:
    with path.open("rb") as file:
        file.seek(max(path.stat().st_size - 10, 0))
        if not file.read().rstrip().endswith(b"# EOF"):
            raise ValueError(f"{path} is cut off: OpenMetrics ends with # EOF")


def _ended(path: Path) -> Mapping[str, Sequence[_Sample]]:
    found: defaultdict[str, list[_Sample]] = defaultdict(list)
    if path.exists():
        for line in path.read_text().splitlines():
            series, time, mark = _split(path, line)
            found[series].append((time, mark))
    return found


def _split(path: Path, line: str) -> tuple[str, int, str]:
    try:
        series, value, time = line.rsplit(maxsplit=2)
        return series, round(float(time) * 1000), value
    except ValueError:
        raise ValueError(f"{path}: not a sample with a timestamp: {line.strip()}") from None
