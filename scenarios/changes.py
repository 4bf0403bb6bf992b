"""What a phase of a scenario file says of its drifts."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import msgspec

from scenarios.values import Line, SeasonFile, ramp, require
from scenarios.yamlfile import Located
from simulators.drifts import Drift, ParameterError
from simulators.kinds import KINDS
from simulators.population import Population
from simulators.schedule import ActiveDrift

MAX_SIZE = 1e6
"""Standard deviations, or log-odds, by which a drift may move: what lies beyond is a typing error,
and a value that a service need not take."""


class DriftKeys(msgspec.Struct, frozen=True):
    """The keys that every kind takes beside its parameters."""

    kind: str
    intensity: Line = 1.0
    season: SeasonFile = SeasonFile()
    harmless: bool = False


def read_drift(source: Located, key: str, raw: dict[str, Any], world: Population) -> ActiveDrift:
    """One drift; BadFileError, naming file, line and key, where it does not fit the world."""
    common, parameters = _split(source, key, raw)
    with source.at(f"{key}.intensity"):
        intensity = ramp(common.intensity)
    with source.at(f"{key}.season"):
        season = common.season.read()
    with source.at(f"{key}.intensity"):
        highest = max(intensity.start, intensity.end) * max(season.factors)
        require(highest <= 1, "expected shares from 0 to 1, after the season")
    for name, value in parameters.items():
        _check_sizes(source, f"{key}.{name}", value)
    with source.at(key):
        drift: Drift = msgspec.convert(parameters, KINDS[common.kind])
    try:
        drift.check(world)
    except ParameterError as error:
        raise source.error(f"{key}.{error.parameter}", str(error)) from error
    return ActiveDrift(drift, intensity, season, common.harmless)


def _split(source: Located, key: str, raw: dict[str, Any]) -> tuple[DriftKeys, dict[str, Any]]:
    """The keys of every kind, and the parameters of this one."""
    kinds = ", ".join(KINDS)
    with source.at(f"{key}.kind"):
        require("kind" in raw, f"missing; known: {kinds}")
        require(str(raw["kind"]) in KINDS, f"no such drift; known: {kinds}")
    common = msgspec.structs.fields(DriftKeys)
    takes = [field.name for field in common]
    takes += sorted(field.name for field in fields(KINDS[str(raw["kind"])]))
    for name in raw:
        with source.at(f"{key}.{name}"):
            require(name in takes, f"unknown key; known: {', '.join(takes)}")
    own = {name: raw[name] for name in takes[: len(common)] if name in raw}
    with source.at(key):
        found = msgspec.convert(own, DriftKeys)
    return found, {name: value for name, value in raw.items() if name not in own}


def _check_sizes(source: Located, key: str, value: Any) -> None:
    parts = value.items() if isinstance(value, dict) else [("", value)]
    for inner, number in parts:
        if isinstance(number, int | float):
            with source.at(f"{key}.{inner}".rstrip(".")):
                require(abs(number) <= MAX_SIZE, f"expected a number up to {MAX_SIZE:g}")
