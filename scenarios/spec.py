"""A scenario file -> a frozen Scenario. What does not fit is named by file, line and key.

Every duration and rate in a file is production time; a live drill scales them all alike.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from scenarios.changes import read_drift
from scenarios.expectations import Allow, AllowKeys, Expect, ExpectKeys, allow, expect
from scenarios.operation_keys import OperationKeys, ScrapeKeys, check_replicas, operation, share
from scenarios.values import (
    DAY_S,
    WEEKDAYS,
    Line,
    Number,
    SeasonFile,
    Strict,
    Weekday,
    duration,
    ramp,
    require,
)
from scenarios.worlds import Source, named, population
from scenarios.yamlfile import Located, read_yaml
from simulators.fleet import Fleet
from simulators.population import Population
from simulators.schedule import Phase, Ramp, Schedule
from simulators.stream import Stream
from target_service.builds import USUAL

FOLDER = Path(__file__).parent
CATALOGUE = FOLDER / "catalogue"

MAX_DURATION_S = 366 * 86_400.0
_NAME = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")


@dataclass(frozen=True)
class Scenario:
    """One drill, as data: what the world does, which alerts must fire, and which may.

    Any other alert must stay silent.

    Attributes:
        source: Where its rows come from.
        label_delay: Seconds from a prediction to its ground truth.
        label_coverage: Share of predictions whose ground truth is ever known, where a phase does
            not say.
        replicas: Of the service, where a phase does not say.
        lost_scrapes: Share of Prometheus' scrapes that fail.
    """

    name: str
    summary: str
    model: str
    schedule: Schedule
    label_delay: float
    label_coverage: float
    expects: tuple[Expect, ...]
    path: Path
    source: Source = "drawn"
    allows: tuple[Allow, ...] = ()
    replicas: int = 1
    lost_scrapes: float = 0.0

    @cached_property
    def fleet(self) -> Fleet:
        """Which replica of the service runs what, and when; ValueError where that cannot be."""
        return Fleet(self.schedule, self.replicas)

    def with_replicas(self, count: int) -> Scenario:
        """The scenario on another number of replicas; ValueError where its phases rule that out."""
        changed = replace(self, replicas=count)
        try:
            changed.fleet  # noqa: B018  says whether it can be
        except ValueError as error:
            raise ValueError(f"{self.name} on {count} replicas: {error}") from None
        return changed

    @property
    def is_operated(self) -> bool:
        """Whether it takes more than one service that runs from the start to the end."""
        return (
            len(self.fleet.lives) > 1
            or self.fleet.lives[0].build != USUAL
            or self.lost_scrapes > 0
            or any(phase.operation.scan for phase in self.schedule.phases)
        )

    def stream(self, seed: int) -> Stream:
        """Every request of the drill."""
        return Stream(self.schedule, self.population, seed, self.label_coverage)

    @property
    def population(self) -> Population:
        """The world, before anything of the schedule changes it."""
        return population(self.model, self.source)


# --- The file's shape -----------------------------------------------------------------------------


class TrafficKeys(Strict, frozen=True):
    """`traffic` of a scenario."""

    rate: Line
    season: SeasonFile = SeasonFile()


class LabelKeys(Strict, frozen=True):
    """`labels` of a scenario."""

    delay: str = "5m"
    coverage: Number = 1.0


class PhaseKeys(OperationKeys, frozen=True, kw_only=True):
    """An entry of `phases`."""

    name: str
    duration: str
    rate: Line | None = None
    drifts: tuple[dict[str, Any], ...] = ()


class ScenarioKeys(Strict, frozen=True):
    """All that a scenario file may hold."""

    name: str
    summary: str
    model: str
    traffic: TrafficKeys
    phases: tuple[PhaseKeys, ...]
    source: Source = "drawn"
    labels: LabelKeys = LabelKeys()
    expect: tuple[ExpectKeys, ...] = ()
    allow: tuple[AllowKeys, ...] = ()
    begins: Weekday = "monday"
    replicas: int = 1
    scrapes: ScrapeKeys = ScrapeKeys()


# --- Reading it -----------------------------------------------------------------------------------


def load(path: Path) -> Scenario:
    """Read one scenario file; BadFileError, naming file, line and key, where it does not fit."""
    source = read_yaml(path)
    file = source.convert(ScenarioKeys)
    with source.at("name"):
        require(_NAME.fullmatch(file.name), f"expected words-joined-by-dashes, got {file.name!r}")
    with source.at("summary"):
        require(file.summary.strip(), "expected a sentence or two on what happens in the world")
    with source.at("model"):
        model = named(file.model, path.parent)
        population(model)
    with source.at("source"):
        world = population(model, file.source)
    with source.at("labels.delay"):
        delay = duration(file.labels.delay)
    with source.at("replicas"):
        check_replicas(file.replicas)
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
    schedule = Schedule(tuple(phases), season, WEEKDAYS.index(file.begins) * DAY_S)
    with source.at("phases"):
        require(schedule.duration <= MAX_DURATION_S, "expected at most 366 days in all")
    with source.at("traffic.rate"):
        require(schedule.total_arrivals, "expected some traffic in some phase")
    scenario = Scenario(
        name=file.name,
        summary=" ".join(file.summary.split()),
        model=model,
        schedule=schedule,
        label_delay=delay,
        label_coverage=share(source, "labels.coverage", file.labels.coverage),
        expects=tuple(expect(source, i, raw, schedule) for i, raw in enumerate(file.expect)),
        path=path,
        source=file.source,
        allows=tuple(allow(source, i, raw, schedule) for i, raw in enumerate(file.allow)),
        replicas=file.replicas,
        lost_scrapes=share(source, "scrapes.lost", file.scrapes.lost),
    )
    with source.at("phases"):
        require(scenario.fleet.lives, "expected a replica that runs in some phase")
    return scenario


def catalogue(folder: Path = CATALOGUE) -> list[Scenario]:
    """Every scenario of a folder, by name; ValueError where there is no such folder, or nothing."""
    files = scenario_files(folder)
    require(bool(files), f"{folder} holds no scenario: expected files named *.yaml")
    return [load(path) for path in files]


def scenario_files(folder: Path) -> list[Path]:
    """The scenario files of a folder, by name; ValueError where there is no such folder."""
    require(folder.is_dir(), f"{folder} is not a folder of scenarios")
    return sorted(folder.glob("*.yaml"))


def find(name: str, folder: Path = CATALOGUE) -> Scenario:
    """A scenario by its name, which is that of its file in a folder, or by the path of its file."""
    if name.endswith((".yaml", ".yml")) or "/" in name:
        return load(Path(name))
    path = folder / f"{name}.yaml"
    if _NAME.fullmatch(name) and path.exists():
        return load(path)
    known = ", ".join(path.stem for path in scenario_files(folder)) or f"none in {folder}"
    raise ValueError(f"no scenario {name!r}; known: {known}; or give the path of a .yaml file")


def _phase(source: Located, i: int, raw: PhaseKeys, rate: Ramp, world: Population) -> Phase:
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
    return Phase(raw.name, seconds, rate, drifts, operation(source, key, raw))
