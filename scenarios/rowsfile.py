"""A file that describes rows of one's own: a CSV or Parquet file and what its columns mean."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import yaml

from scenarios.table import Table, is_number, read_table
from scenarios.values import duration
from scenarios.yamlfile import Located, read_yaml
from simulators.population import RecordedPopulation
from target_service.contract import Dataset, Feature, Floats, Schema

MAX_CATEGORIES = 100
"""More texts than these in a column are names or identifiers, which no model takes as they are."""

NUMERIC = "numeric"
INTEGER = "integer"

Kind = str | tuple[str, ...]
"""How a file declares a feature: `numeric`, `integer`, or its categories."""

_OUTCOMES = {"0": 0, "0.0": 0, "false": 0, "1": 1, "1.0": 1, "true": 1}


@dataclass(frozen=True)
class OwnRows:
    """What a file says.

    Attributes:
        dataset: The rows; `known - time` is the delay of each outcome where there is a column.
        in_order: Whether they are replayed from first to last, again and again.
        outcome: The column of outcomes; None where they are not known.
        delay: The column of delays.
    """

    dataset: Dataset
    in_order: bool
    outcome: str | None
    delay: str | None

    @property
    def population(self) -> RecordedPopulation:
        """What scenarios draw from."""
        return RecordedPopulation(
            self.dataset,
            in_order=self.in_order,
            outcomes_known=self.outcome is not None,
            delays_known=self.delay is not None,
        )


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    rows: str
    outcome: str | None = None
    delay: str | None = None
    order: str = "resampled"
    features: dict[str, Any] | None = None


def load_rows(path: Path) -> OwnRows:
    """Read one such file; BadFileError, naming file, line and key, where it does not fit."""
    source = read_yaml(path)
    file = source.convert(_File)
    with source.at("rows"):
        table = read_table(path.parent / file.rows)
    with source.at("order"):
        if file.order not in {"resampled", "file"}:
            raise ValueError(f"expected resampled or file, got {file.order!r}")
    with source.at("delay"):
        if file.delay is not None and file.outcome is None:
            raise ValueError("it says when an outcome is known, and no outcome is named")
    special = {name for name in (file.outcome, file.delay) if name}
    for key in ("outcome", "delay"):
        with source.at(key):
            if (name := getattr(file, key)) is not None:
                table.column(name)
    with source.at("features"):
        kinds = file.features or {
            name: infer(table, name) for name in table.columns if name not in special
        }
        if not kinds:
            raise ValueError(f"{table.path} has no column beside {', '.join(sorted(special))}")
    features, columns = zip(
        *(_feature(source, table, name, kind) for name, kind in kinds.items()), strict=True
    )
    with source.at("outcome"):
        outcome = (
            np.zeros(len(table), dtype=np.uint8)
            if file.outcome is None
            else read_outcomes(table, file.outcome)
        )
    with source.at("delay"):
        delay = _delay(table, file.delay)
    time = np.arange(len(outcome), dtype=np.int64)
    dataset = Dataset(
        Schema(tuple(features)), np.column_stack(columns), outcome, time, time + delay
    )
    return OwnRows(dataset, file.order == "file", file.outcome, file.delay)


def infer(table: Table, name: str) -> Kind:
    """What a column seems to be; ValueError where it is neither numbers nor a few texts."""
    if table.is_numeric(name):
        return INTEGER if all(map(_is_whole, table.texts[name])) else NUMERIC
    texts = sorted({text for text in table.texts[name] if text is not None})
    if not texts:
        raise ValueError(f"{table.path}: column {name!r} is empty; list the features without it")
    if len(texts) <= MAX_CATEGORIES:
        return tuple(texts)
    odd = [text for text in texts if not is_number(text)]
    if len(odd) < len(texts) / 2:
        row = table.texts[name].index(odd[0])
        raise ValueError(
            f"{table.where(row, name)}: {odd[0]!r} is no number, as most values of the column are;"
            " correct it, or list the features without it"
        )
    raise ValueError(
        f"{table.path}: column {name!r} holds {len(texts)} different texts, so it is no"
        f" category of at most {MAX_CATEGORIES}; list the features without it"
    )


def _is_whole(text: str | None) -> bool:
    return text is None or re.fullmatch(r"[+-]?\d+", text) is not None


def _feature(source: Located, table: Table, name: str, kind: Any) -> tuple[Feature, Floats]:
    with source.at(f"features.{name}"):
        absent = [value is None for value in table.column(name)]
        if all(absent):
            raise ValueError(f"{table.path}: column {name!r} is empty")
        missing = any(absent)
        if kind == NUMERIC:
            return Feature(name, nullable=missing), table.numbers(name)
        if kind == INTEGER:
            numbers = table.numbers(name)
            if broken := np.flatnonzero(numbers % 1 > 0).tolist():
                where, text = table.where(broken[0], name), table.texts[name][broken[0]]
                raise ValueError(f"{where}: expected a whole number, got {text}")
            return Feature(name, nullable=missing, integer=True), numbers
        feature = Feature(name, _categories(kind), nullable=missing)
        codes = Schema((feature,)).encode_values([text] for text in table.texts[name])
        return feature, codes[:, 0]


def _categories(kind: Any) -> tuple[str, ...]:
    if not isinstance(kind, list | tuple) or not kind:
        raise ValueError(f"expected {NUMERIC}, {INTEGER} or a list of categories, got {kind!r}")
    if odd := [category for category in kind if not isinstance(category, str)]:
        raise ValueError(f"expected categories as texts, got {odd[0]!r}: put it in quotes")
    if len(set(kind)) < len(kind):
        raise ValueError(f"a category is listed twice: {', '.join(kind)}")
    return tuple(kind)


def read_outcomes(table: Table, name: str) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """(n,) what came true, of a column; ValueError where a value is none of 0, 1, true, false."""
    outcomes = np.empty(len(table), dtype=np.uint8)
    for row, value in enumerate(table.column(name)):
        text = "" if value is None else str(value).lower()
        if text not in _OUTCOMES:
            got = "nothing" if value is None else repr(value)
            raise ValueError(f"{table.where(row, name)}: expected 0 or 1, got {got}")
        outcomes[row] = _OUTCOMES[text]
    return outcomes


def describe(rows: OwnRows) -> Iterator[str]:
    """What was understood of a file, line by line; the features as the file can hold them."""
    data = rows.dataset
    known = (
        "not known" if rows.outcome is None else f"in {rows.outcome}, {data.outcome.mean():.1%} 1"
    )
    order = "in the order of the file" if rows.in_order else "resampled"
    yield f"{len(data)} row{'s' * (len(data) > 1)}, {order}; outcomes {known}"
    yield "features:"
    for feature, column in zip(data.schema.features, data.x.T, strict=True):
        present = column[~np.isnan(column)]
        lost = len(column) - len(present)
        notes = [f"{lost} missing"] if lost else []
        if feature.categories:
            if unseen := int((present == len(feature.categories)).sum()):
                notes.append(f"{unseen} of no category listed")
            kind = yaml.safe_dump(
                list(feature.categories), default_flow_style=True, allow_unicode=True, width=10**6
            ).strip()
        else:
            kind = INTEGER if feature.integer else NUMERIC
            low, high = present.min(), present.max()
            notes.insert(0, f"always {low:g}" if low == high else f"{low:g} to {high:g}")
        name = yaml.safe_dump(feature.name, allow_unicode=True, width=10**6).partition("\n")[0]
        yield f"  {name}: {kind}" + (f"  # {', '.join(notes)}" if notes else "")


def _delay(table: Table, name: str | None) -> np.ndarray[Any, np.dtype[np.int64]]:
    """Whole seconds, from numbers or from durations such as 90d."""
    if name is None:
        return np.zeros(len(table), dtype=np.int64)
    seconds = []
    for row, value in enumerate(table.column(name)):
        try:
            found = duration(value) if isinstance(value, str) else value
        except ValueError as error:
            raise ValueError(f"{table.where(row, name)}: {error}") from error
        if found is None or not 0 <= found < math.inf:
            raise ValueError(f"{table.where(row, name)}: expected a delay, not negative")
        seconds.append(round(found))
    return np.array(seconds, dtype=np.int64)
