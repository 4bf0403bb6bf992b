"""CSV and Parquet files as columns of plain values."""

from __future__ import annotations

import csv
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from target_service.contract import Floats

MISSING = {"", "na", "n/a", "nan", "null", "none"}
"""Texts that stand for a missing value, in any case."""


@dataclass(frozen=True)
class Table:
    """Columns of equal length; values are numbers, texts, or None where they are missing."""

    path: Path
    columns: Mapping[str, list[Any]]
    lines: Sequence[int]
    """The line of each row; of a file without lines, the row's number from 1."""

    def __len__(self) -> int:
        return len(next(iter(self.columns.values()), ()))

    def column(self, name: str) -> list[Any]:
        """The values of a column; ValueError, naming the known ones, where there is none."""
        if name not in self.columns:
            raise ValueError(
                f"{self.path} has no column {name!r}; it has: {', '.join(self.columns)}"
            )
        return self.columns[name]

    def is_numeric(self, name: str) -> bool:
        """Whether a column has values, and all of them are numbers."""
        values = [value for value in self.column(name) if value is not None]
        return bool(values) and all(isinstance(value, float) for value in values)

    def numbers(self, name: str) -> Floats:
        """(n,) values of a column, nan where they are missing; ValueError where one is no number.

        Infinity is none here: JSON cannot carry it to a service.
        """
        numbers = []
        for row, value in enumerate(self.column(name)):
            try:
                numbers.append(math.nan if value is None else float(value))
            except ValueError:
                numbers.append(math.inf)
            if math.isinf(numbers[-1]):
                raise ValueError(f"{self.where(row, name)}: expected a number, got {value!r}")
        return np.array(numbers)

    def where(self, row: int, name: str) -> str:
        """The place of a value, for messages."""
        return f"{self.path}:{self.lines[row]}: {name}"


def read_table(path: Path) -> Table:
    """Read a file; ValueError where that cannot be done, saying what is wrong."""
    if path.exists() and not (path.is_file() or path.is_dir()):
        raise ValueError(f"{path}: cannot be read: a device or a pipe may have no end")
    try:
        if path.suffix in {".parquet", ".pq"}:
            return _read_parquet(path)
        return _read_csv(path)
    except OSError as error:
        raise ValueError(f"{path}: cannot be read: {error.strerror or error}") from error


def _read_csv(path: Path) -> Table:
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.reader(file, strict=True)
            names = next(reader, [])
            if not all(names) or len(set(names)) < len(names) or not names:
                raise ValueError(f"{path}:1: expected a line of column names, each its own")
            columns: list[list[Any]] = [[] for _ in names]
            lines = []
            for row in filter(None, reader):
                if len(row) != len(names):
                    raise ValueError(
                        f"{path}:{reader.line_num}: {len(row)} values for {len(names)} columns"
                    )
                lines.append(reader.line_num)
                for values, text in zip(columns, row, strict=True):
                    values.append(text)
    except csv.Error as error:
        raise ValueError(f"{path}: not a CSV file: {error}") from error
    except UnicodeDecodeError as error:
        raise ValueError(f"{path}: not UTF-8, as a CSV file has to be: {error.reason}") from error
    return _table(path, {n: _typed(v) for n, v in zip(names, columns, strict=True)}, lines)


def _read_parquet(path: Path) -> Table:
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError as error:
        raise ValueError(f"{path}: Parquet needs `pip install 'driftdrill[parquet]'`") from error
    try:
        table = parquet.read_table(path)
    except pyarrow.ArrowInvalid as error:
        raise ValueError(f"{path}: not a Parquet file: {error}") from error
    columns = table.to_pydict()
    plain = {name: list(map(_plain, values)) for name, values in columns.items()}
    return _table(path, plain, range(1, table.num_rows + 1))


def _table(path: Path, columns: dict[str, list[Any]], lines: Sequence[int]) -> Table:
    table = Table(path, columns, lines)
    if not len(table):
        raise ValueError(f"{path}: no rows in it")
    return table


def _typed(texts: list[str]) -> list[Any]:
    """A column of a CSV file: numbers where every value is one, or else the texts as they are."""
    present = [None if text.strip().lower() in MISSING else text.strip() for text in texts]
    try:
        numbers = [None if text is None else float(text) for text in present]
    except ValueError:
        return list(present)
    if any(number is not None and math.isinf(number) for number in numbers):
        return list(present)
    return list(numbers)


def _plain(value: Any) -> Any:
    """A value of a Parquet file: numbers as floats, missing as None, all else as text."""
    if value is None or value != value:
        return None
    return float(value) if isinstance(value, int | float) else str(value)
