"""A scenario file -> a frozen Scenario. What does not fit is named by file, line and key.

Every duration and rate in a file is production time; a live drill scales them all alike.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from scenarios.changes import read_drift
from scenarios.values import Line, Number, SeasonFile, Strict, duration, ramp, require
from scenarios.worlds import population
from scenarios.yamlfile import Located, read_yaml
from simulators.population import Population
from simulators.schedule import Phase, Ramp, Schedule
from simulators.stream import Stream

FOLDER = Path(__file__).parent
CATALOGUE = FOLDER / "catalogue"

MAX_DURATION_S = 366 * 86_400.0
_NAME = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")


@dataclass(frozen=True)
class Expect:
    """An alert that must fire.

    Attributes:
        labels: Labels that the alert must carry, among others.
        onset: Seconds from the scenario's start to the change that the alert is to find.
        within: Seconds from the onset by which it must fire.
    """

    alert: str
    labels: Mapping[str, str]
    onset: float
    within: float


@dataclass(frozen=True)
class Scenario:
    """One drill, as data: what the world does, and which alerts must fire.

    Any alert that no expectation names must stay silent.

    Attributes:
        label_delay: Seconds from a prediction to its ground truth.
        label_coverage: Share of predictions whose ground truth is ever known.
    """

    name: str
    summary: str
    model: str
    schedule: Schedule
    label_delay: float
    label_coverage: float
    expects: tuple[Expect, ...]
    path: Path

    def stream(self, seed: int) -> Stream:
        """Every request of the drill."""
        return Stream(self.schedule, population(self.model), seed, self.label_coverage)


# --- The file's shape -----------------------------------------------------------------------------


class _Traffic(Strict, frozen=True):
    rate: Line
    season: SeasonFile = SeasonFile()


class _Labels(Strict, frozen=True):
    delay: str = "5m"
    coverage: Number = 1.0


class _Phase(Strict, frozen=True):
    name: str
    duration: str
    rate: Line | None = None
    drifts: tuple[dict[str, Any], ...] = ()


class _Expect(Strict, frozen=True):
    alert: str
    within: str
    labels: dict[str, str] = msgspec.field(default_factory=dict)
    after: str | None = None


class _File(Strict, frozen=True):
    name: str
    summary: str
    model: str
    traffic: _Traffic
    phases: tuple[_Phase, ...]
    labels: _Labels = _Labels()
    expect: tuple[_Expect, ...] = ()


# --- Reading it -----------------------------------------------------------------------------------


def load(path: Path) -> Scenario:
    """Read one scenario file; BadFileError, naming file, line and key, where it does not fit."""
    source = read_yaml(path)
    file = source.convert(_File)
    with source.at("name"):
        require(_NAME.fullmatch(file.name), f"expected words-joined-by-dashes, got {file.name!r}")
    with source.at("summary"):
        require(file.summary.strip(), "expected a sentence or two on what happens in the world")
    with source.at("model"):
        world = population(file.model)
    with source.at("labels.delay"):
        delay = duration(file.labels.delay)
    with source.at("labels.coverage"):
        require(0 <= file.labels.coverage <= 1, "expected a share from 0 to 1")
    with source.at("traffic.rate"):
        rate = ramp(file.traffic.rate)
    with source.at("phases"):
        require(file.phases, "expected at least one phase")
    phases = [_phase(source, i, raw, rate, world) for i, raw in enumerate(file.phases)]
    names = [phase.name for phase in phases]
    for i, name in enumerate(names):
        with source.at(f"phases[{i}].name"):
            require(name and name not in names[:i], f"expected a name of its own, got {name!r}")
    with source.at("traffic.season"):
        season = file.traffic.season.read()
    schedule = Schedule(tuple(phases), season)
    with source.at("phases"):
        require(schedule.duration <= MAX_DURATION_S, "expected at most 366 days in all")
    with source.at("traffic.rate"):
        require(schedule.total_arrivals, "expected some traffic in some phase")
    return Scenario(
        name=file.name,
        summary=" ".join(file.summary.split()),
        model=file.model,
        schedule=schedule,
        label_delay=delay,
        label_coverage=float(file.labels.coverage),
        expects=tuple(_expect(source, i, raw, schedule) for i, raw in enumerate(file.expect)),
        path=path,
    )


def catalogue(folder: Path = CATALOGUE) -> list[Scenario]:
    """Every scenario of a folder, by name."""
    return [load(path) for path in sorted(folder.glob("*.yaml"))]


def find(name: str) -> Scenario:
    """A scenario by its name in the catalogue, or by the path of its file."""
    if name.endswith((".yaml", ".yml")) or "/" in name:
        return load(Path(name))
    path = CATALOGUE / f"{name}.yaml"
    if _NAME.fullmatch(name) and path.exists():
        return load(path)
    known = ", ".join(path.stem for path in sorted(CATALOGUE.glob("*.yaml")))
    raise ValueError(f"no scenario {name!r}; known: {known}; or give the path of a .yaml file")


def _phase(source: Located, i: int, raw: _Phase, rate: Ramp, world: Population) -> Phase:
    key = f"phases[{i}]"
    with source.at(f"{key}.duration"):
        seconds = duration(raw.duration)
        require(seconds > 0, "expected more than nothing")
    if raw.rate is not None:
        with source.at(f"{key}.rate"):
            rate = ramp(raw.rate)
    drifts = tuple(
        read_drift(source, f"{key}.drifts[{j}]", dict(drift), world)
        for j, drift in enumerate(raw.drifts)
    )
    return Phase(raw.name, seconds, rate, drifts)


def _expect(source: Located, i: int, raw: _Expect, schedule: Schedule) -> Expect:
    key = f"expect[{i}]"
    with source.at(f"{key}.after"):
        if raw.after is not None:
            onset = schedule.phase_start(raw.after)
        else:
            windows = schedule.windows()
            require(windows, "no phase drifts, so name the phase that the alert is to find")
            onset = windows[0].start
    with source.at(f"{key}.within"):
        within = duration(raw.within)
        left = schedule.duration - onset
        require(0 < within <= left, f"expected a deadline inside the scenario, up to {left:.0f}s")
    with source.at(f"{key}.alert"):
        require(raw.alert, "expected an alert's name")
    return Expect(raw.alert, raw.labels, onset, within)
