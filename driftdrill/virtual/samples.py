"""The series of a recording: as arrays in a file of our own, and as OpenMetrics text."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

import msgspec
import numpy as np

from target_service.contract import Floats

STALE = np.array([0x7FF0000000000002], dtype=np.uint64).view(np.float64)[0]
"""The NaN that ends a series: `value.StaleNaN` in Prometheus. No other NaN is in a recording."""

STALE_WORD = "stale"
"""How promtool's tests write it."""

Series = tuple[str, Floats, Floats]
"""A series' name with its labels, in PromQL's notation; (n,) unix times, ascending; (n,) values."""


@dataclass(frozen=True)
class Family:
    """The series of one metric family.

    Attributes:
        name: As after `# TYPE`: a counter's without its `_total`.
        kind: Its OpenMetrics type.
    """

    name: str
    kind: str
    series: Iterable[Series]


class _Row(msgspec.Struct, frozen=True):
    """Where a series is among the numbers of the file: how many come before, and how many it has.

    Series that were sampled at the same times share them.
    """

    family: str
    kind: str
    series: str
    times: int
    values: int
    length: int


_NUMBER = np.dtype(np.float64)

_INDEX = ".index"
"""Suffix of the file beside the numbers that says whose they are."""


def save(path: Path, families: Iterable[Family]) -> None:
    """Write series as the bytes of their numbers."""
    grids: dict[bytes, int] = {}
    rows = []
    with path.open("wb") as file:

        def place(numbers: Floats) -> int:
            begin = file.tell() // _NUMBER.itemsize
            file.write(np.ascontiguousarray(numbers, _NUMBER).data)
            return begin

        for family in families:
            for series, times, values in family.series:
                key = times.tobytes()
                if key not in grids:
                    grids[key] = place(times)
                found = grids[key], place(values), len(values)
                rows.append(_Row(family.name, family.kind, series, *found))
    path.with_suffix(_INDEX).write_bytes(msgspec.json.encode(rows))


def load_families(path: Path) -> Iterator[Family]:
    """What `save` wrote, in its order."""
    rows = msgspec.json.decode(path.with_suffix(_INDEX).read_bytes(), type=list[_Row])
    # An empty file cannot be mapped.
    numbers = np.memmap(path, _NUMBER, "r") if path.stat().st_size else np.empty(0)

    def part(begin: int, length: int) -> Floats:
        return numbers[begin : begin + length]

    for (name, kind), members in groupby(rows, lambda row: (row.family, row.kind)):
        yield Family(
            name,
            kind,
            ((m.series, part(m.times, m.length), part(m.values, m.length)) for m in members),
        )


def stale_marks(path: Path) -> Path:
    """The file beside an OpenMetrics file that says where its series ended: the text cannot."""
    return path.with_suffix(".stale")


def write_openmetrics(path: Path, families: Iterable[Family]) -> None:
    """Write series as OpenMetrics text with timestamps, one series after the other."""
    marks: list[str] = []
    with path.open("w", encoding="utf-8") as file:
        for family in families:
            file.write(f"# TYPE {family.name} {family.kind}\n")
            for series, times, values in family.series:
                ended = np.isnan(values)
                file.write(_lines(series, times[~ended], values[~ended]))
                marks += (f"{series} {STALE_WORD} {time:.15g}\n" for time in times[ended].tolist())
        file.write("# EOF\n")
    if marks:
        stale_marks(path).write_text("".join(marks), encoding="utf-8")


def _lines(series: str, times: Floats, values: Floats) -> str:
    stamps = [f" {time:.15g}\n" for time in times.tolist()]
    return "".join(f"{series} {v}{stamp}" for v, stamp in zip(numbers(values), stamps, strict=True))


def numbers(values: Floats) -> list[str]:
    """(n,) values as text, none of them a stale mark; whole ones without a point."""
    whole = (values == values.round()).all() and (abs(values) < 2**53).all()
    return list(map(repr, values.astype(np.int64).tolist() if whole else values.tolist()))
