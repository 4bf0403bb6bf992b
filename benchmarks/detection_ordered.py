"""A real stream in its own order: false alarms where nothing was changed, and an injected change.

The first rows are the reference, and say how much neighbours have in common. The rest is watched
with and without that, then once more with a change in its second half. As many evaluations as there
are count as the nominal run length, so one false alarm is nominal.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from zipfile import ZipFile

import numpy as np

from driftdrill.certify.statistic import DENSE_WINDOWS, evidence
from scenarios.table import read_table
from target_service.contract import DATA, Floats, load_dataset, tail_refined_edges
from target_service.dependence import inflation
from target_service.evidence import SCORE_CHANGES, numeric_bank

PER_EVALUATION = 25
SAME_ALARM = 60
"""Evaluations: an alarm that comes back sooner is the same one."""

SHIFTS = (0.25, 0.5, 1.0)
"""Standard deviations of the reference."""


def study(values: Floats, reference: int) -> Iterator[str]:
    """What is found in a stream, a line each."""
    known, rest = values[:reference], values[reference:]
    evaluations = len(rest) // PER_EVALUATION
    rest = rest[: evaluations * PER_EVALUATION]
    edges = tail_refined_edges(known)
    counts = np.bincount(np.searchsorted(edges, known), minlength=len(edges) + 1)
    weights = np.array(numeric_bank(counts.tolist(), SCORE_CHANGES, alarms=1).weights)
    factor = inflation(weights[:, np.searchsorted(edges, known)])
    threshold = math.log(len(weights) * evaluations)

    def alarms(stream: Floats, divisor: float) -> Floats:
        """Values until each alarm."""
        each = weights[:, np.searchsorted(edges, stream)] / divisor
        nats = each.reshape(len(each), -1, PER_EVALUATION).sum(axis=2)
        level = evidence(nats, np.full(evaluations, float(PER_EVALUATION)), DENSE_WINDOWS)
        over = np.flatnonzero(level >= threshold)
        begins = np.diff(over, prepend=-SAME_ALARM - 1) > SAME_ALARM
        return (over[begins] + 1.0) * PER_EVALUATION

    yield f"{len(rest)} rows after a reference of {reference}, inflation {factor:.1f}"
    yield f"false alarms: {len(alarms(rest, 1.0))} as if independent, {len(alarms(rest, factor))}"
    onset = evaluations // 2 * PER_EVALUATION
    for shift in SHIFTS:
        changed = rest + shift * known.std() * (np.arange(len(rest)) >= onset)
        later = [one - onset for one in alarms(changed, factor) if one > onset]
        yield f"{shift:g} sd up: " + (f"found after {later[0]:.0f} rows" if later else "missed")


def flight_hours() -> tuple[Floats, int]:
    """The scheduled hours of all flights after eight weeks; four weeks are the reference."""
    flights = load_dataset(DATA / "flights.npz")
    day = (flights.time - flights.time[0]) // 86_400
    hour = flights.x[:, flights.schema.index("hour")].astype(np.float64)
    return hour[day >= 8 * 7], int(((day >= 8 * 7) & (day < 12 * 7)).sum())


EMPLOYMENT = {"score": "predicted_probability", "age": "AGEP", "schooling": "SCHL"}


def employment(wheel: Path) -> Iterator[tuple[str, Floats, int]]:
    """Streams of the employment data in nannyml's package: 2015 is the reference of 2016."""
    # Of the optional group `parquet`.
    from pyarrow.compute import field
    from pyarrow.parquet import read_table as read_parquet

    with ZipFile(wheel) as package:
        known, later = (
            read_parquet(BytesIO(package.read(f"nannyml/datasets/data/employment_MA_{part}.pq")))
            for part in ("reference", "analysis")
        )
    following = later.filter(field("year") == 2016)
    for title, column in EMPLOYMENT.items():
        parts = [
            table[column].to_numpy(zero_copy_only=False).astype(np.float64)
            for table in (known, following)
        ]
        yield f"employment, {title}", np.concatenate(parts), len(parts[0])


def main() -> None:
    """Study the stream that is named, or those that are known."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("rows", type=Path, nargs="?", help="CSV or Parquet, in order")
    parser.add_argument("column", nargs="?", help="the numbers to watch")
    parser.add_argument("--reference", type=int, default=20_000, help="rows that are known")
    parser.add_argument("--employment", type=Path, help="nannyml's wheel, for three more streams")
    arguments = parser.parse_args()
    if arguments.rows is None:
        streams = [("flights, scheduled hour", *flight_hours())]
    else:
        own = read_table(arguments.rows).numbers(arguments.column)
        streams = [(arguments.column, own, arguments.reference)]
    if arguments.employment is not None:
        streams += employment(arguments.employment)
    for title, values, reference in streams:
        print(title)
        for line in study(values[~np.isnan(values)], reference):
            print(f"  {line}")


if __name__ == "__main__":
    main()
