"""CSV and Parquet files as columns of plain values."""

from __future__ import annotations

import csv
import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np

from target_service.contract import Floats

MISSING = {"", "na", "n/a", "nan", "null", "none"}
"""Texts that stand for a missing value, in any case."""


@dataclass(frozen=True)
class Table:
    """Columns of equal length.

    Attributes:
        columns: Numbers, texts, or None where a value is missing.
        texts: The same values as they are written in the file.
        lines: The line of each row; of a file without lines, the row's number from 1.
    """

    path: Path
    columns: Mapping[str, list[Any]]
    texts: Mapping[str, list[str | None]]
    lines: Sequence[int]

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
    with path.open(newline="", encoding="utf-8-sig") as file:
        reader = csv.reader(file, strict=True)
        try:
            names = [name.strip() for name in next(reader, [])]
            _require_names(path, names)
            columns: list[list[str]] = [[] for _ in names]
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
            raise ValueError(f"{path}:{reader.line_num}: not a CSV file: {error}") from error
        except UnicodeDecodeError as error:
            raise ValueError(
                f"{path}: not UTF-8, as a CSV file has to be: {error.reason}"
            ) from error
    texts = {name: list(map(_present, found)) for name, found in zip(names, columns, strict=True)}
    return _table(path, {name: _typed(found) for name, found in texts.items()}, texts, lines)


def _require_names(path: Path, names: Sequence[str]) -> None:
    """ValueError where a first line gives no column a name of its own."""
    if not any(names):
        raise ValueError(f"{path}:1: expected a line of column names, and it is empty")
    if len(names) == 1 and (found := re.search(r"[;\t|]", names[0])):
        raise ValueError(
            f"{path}:1: its columns are separated by {found[0]!r}: expected commas, as in CSV"
        )
    if "" in names:
        raise ValueError(
            f"{path}:1: column {names.index('') + 1} has no name; an index of row numbers is none"
        )
    if twice := [name for name, count in Counter(names).items() if count > 1]:
        raise ValueError(f"{path}:1: column {twice[0]!r} is there twice")


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
    _require_names(path, list(table.column_names))
    plain = {name: list(map(_plain, values)) for name, values in columns.items()}
    texts = {
        name: [
            None if v is None else str(value) for v, value in zip(plain[name], values, strict=True)
        ]
        for name, values in columns.items()
    }
    return _table(path, plain, texts, range(1, table.num_rows + 1))


def _table(
    path: Path,
    columns: dict[str, list[Any]],
    texts: dict[str, list[str | None]],
    lines: Sequence[int],
) -> Table:
    table = Table(path, columns, texts, lines)
    if not len(table):
        raise ValueError(f"{path}: no rows in it")
    return table


def _present(text: str) -> str | None:
    """A value of a CSV file; None where it stands for a missing one."""
    return None if text.strip().lower() in MISSING else text.strip()


def _typed(texts: list[str | None]) -> list[Any]:
    """A column of a CSV file: numbers where every value is one, or else the texts as they are."""
    if any(text is not None and not is_number(text) for text in texts):
        return [*texts]
    return [None if text is None else float(text) for text in texts]


def is_number(text: str) -> bool:
    """Whether a text is a number that JSON can carry."""
    try:
        return math.isfinite(float(text))
    except ValueError:
        return False


def _plain(value: Any) -> Any:
    """A value of a Parquet file: numbers as floats, missing as None, all else as text."""
    if value is None or value != value:
        return None
    return float(value) if isinstance(value, int | float | Decimal) else str(value)
