"""Which alerts must fire in a scenario, and which may: the keys of its file, and what they mean."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import msgspec

from scenarios.values import Strict, duration, require
from scenarios.yamlfile import Located
from simulators.schedule import Schedule


@dataclass(frozen=True)
class Resolve:
    """By when an alert must be over.

    Attributes:
        end: Seconds from the scenario's start to the end of the change that the alert found.
        within: Seconds from that end.
    """

    end: float
    within: float


@dataclass(frozen=True)
class Expect:
    """An alert that must fire.

    Attributes:
        labels: Labels that the alert must carry, among others.
        onset: Seconds from the scenario's start to the change that the alert is to find.
        within: Seconds from the onset by which it must fire.
        resolve: By when it must be over, where that is asked for.
    """

    alert: str
    labels: Mapping[str, str]
    onset: float
    within: float
    resolve: Resolve | None = None


@dataclass(frozen=True)
class Allow:
    """An alert that may fire, and need not.

    Attributes:
        labels: Labels that the alert must carry, among others.
        onset: Seconds from the scenario's start; before, the alert must stay silent.
        at_most: How many times it may begin to fire, over all its labels; None is any number.
    """

    alert: str
    labels: Mapping[str, str]
    onset: float
    at_most: int | None = None


class ExpectKeys(Strict, frozen=True):
    """An entry of `expect`."""

    alert: str
    within: str
    labels: dict[str, str] = msgspec.field(default_factory=dict)
    after: str | None = None
    resolves: str | None = None


class AllowKeys(Strict, frozen=True):
    """An entry of `allow`."""

    alert: str
    labels: dict[str, str] = msgspec.field(default_factory=dict)
    after: str | None = None
    at_most: int | None = None


def expect(source: Located, i: int, raw: ExpectKeys, schedule: Schedule) -> Expect:
    """What an entry of `expect` means; BadFileError where a key of it does not fit.

    Args:
        source: The file.
        i: The entry's place in the list.
        raw: Its keys.
        schedule: The scenario's phases, which say when changes begin and end.
    """
    key = f"expect[{i}]"
    with source.at(f"{key}.after"):
        if raw.after is not None:
            onset = schedule.phase_start(raw.after)
        else:
            windows = schedule.windows()
            require(windows, "no phase drifts, so name the phase that the alert is to find")
            onset = windows[0].start
    within = _deadline(source, f"{key}.within", raw.within, schedule.duration - onset)
    resolve = None
    if raw.resolves is not None:
        end = _end_of_change(schedule, onset)
        left = schedule.duration - end
        resolve = Resolve(end, _deadline(source, f"{key}.resolves", raw.resolves, left))
    with source.at(f"{key}.alert"):
        require(raw.alert, "expected an alert's name")
    return Expect(raw.alert, raw.labels, onset, within, resolve)


def allow(source: Located, i: int, raw: AllowKeys, schedule: Schedule) -> Allow:
    """What an entry of `allow` means; BadFileError where a key of it does not fit.

    Its arguments are those of `expect`.
    """
    key = f"allow[{i}]"
    with source.at(f"{key}.alert"):
        require(raw.alert, "expected an alert's name")
    with source.at(f"{key}.at_most"):
        require(raw.at_most is None or raw.at_most > 0, "expected 1 or more")
    with source.at(f"{key}.after"):
        if raw.after is not None:
            onset = schedule.phase_start(raw.after)
        else:
            windows = schedule.windows()
            onset = windows[0].start if windows else 0.0
    return Allow(raw.alert, raw.labels, onset, raw.at_most)


def _deadline(source: Located, key: str, text: str, left: float) -> float:
    """Seconds of a deadline that must come before the scenario ends, in `left` seconds."""
    with source.at(key):
        seconds = duration(text)
        require(0 < seconds <= left, f"expected a deadline inside the scenario, up to {left:.0f}s")
    return seconds


def _end_of_change(schedule: Schedule, onset: float) -> float:
    """When the stretch that drifts at `onset` is over; where nothing drifts, when its phase is."""
    drifting = [window.end for window in schedule.windows() if window.start <= onset < window.end]
    return drifting[0] if drifting else onset + schedule.phase_at(onset).duration
