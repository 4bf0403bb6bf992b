"""What Prometheus has stored of a simulated service, with scrapes that fail and series that end.

Prometheus writes a stale mark where a series that the scrape before had is no longer there: the
process is gone or runs another version, the scrape failed, or the target is no longer listed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import groupby

import numpy as np
from numpy.typing import NDArray

from driftdrill.rig.configs import JOB, sample_limit
from driftdrill.virtual.samples import STALE, Family, Series
from driftdrill.virtual.selectors import Wanted
from driftdrill.virtual.world import History, Process
from simulators.fleet import Fleet
from target_service.builds import USER_REQUESTS
from target_service.contract import Floats

FIRST_PORT = 8000
"""Of the target in `prometheus/prometheus.yml`; further replicas have the ports after it."""

_CONSTANT_INTERVAL_S = 240.0
"""A gauge that never changes needs no more samples than Prometheus' lookback of 5 min asks for."""

Mask = NDArray[np.bool_]
"""(t,) at which scrapes of the drill."""


@dataclass(frozen=True)
class _Part:
    """A series as one process shows it: its number there, and at which scrapes it is seen."""

    process: Process
    number: int
    seen: Mask


@dataclass(frozen=True)
class _Named:
    """A series of one replica, as PromQL writes it, with its family."""

    family: str
    kind: str
    title: str
    parts: list[_Part]


def families(
    history: History, fleet: Fleet, lost: float, seed: int, start: float, wanted: Wanted
) -> Iterator[Family]:
    """The wanted families as Prometheus would have stored them.

    Args:
        history: What was counted.
        fleet: Which replica was listed when.
        lost: Share of the scrapes that fail.
        seed: Chooses which.
        start: Unix time of production time 0.
        wanted: Which series.
    """
    times = start + history.scrapes
    sparse = np.arange(len(times)) % max(int(_CONSTANT_INTERVAL_S // (times[1] - times[0])), 1) == 0
    named: dict[str, _Named] = {}
    targets: list[Series] = []
    sizes: list[Series] = []
    users: list[Series] = []
    for place in range(fleet.places):
        target = {"instance": f"localhost:{FIRST_PORT + place}", "job": JOB}
        luck = np.random.default_rng([seed, 3, place]).random(len(times)) >= lost
        listed, up = np.zeros(len(times), dtype=bool), np.zeros(len(times), dtype=bool)
        exposed = np.zeros(len(times))
        for presence in fleet.presences:
            if presence.replica == place:
                listed |= (history.scrapes >= presence.start) & (history.scrapes < presence.end)
        for process in history.processes:
            if process.life.replica != place:
                continue
            answered = np.zeros(len(times), dtype=bool)
            answered[process.scrapes] = luck[process.scrapes]
            size = len(process.service.exposition.names) + process.users
            exposed[process.scrapes] = np.where(answered[process.scrapes], size, 0)
            seen = answered.copy()
            seen[process.scrapes] &= size <= sample_limit()
            up |= seen
            _collect(named, process, seen, target, wanted)
            users += _users(process, seen, target, times, wanted)
        targets.append(_ended(_title("up", target), times, listed, up.astype(float)))
        sizes.append(_ended(_title("scrape_samples_scraped", target), times, listed, exposed))
    yield Family("up", "gauge", targets)
    yield Family("scrape_samples_scraped", "gauge", sizes)
    ordered = sorted(named.values(), key=lambda one: (one.family, one.kind))
    for (family, kind), members in groupby(ordered, lambda one: (one.family, one.kind)):
        yield Family(family, kind, (_series(one, times, sparse) for one in members))
    if users:
        yield Family(USER_REQUESTS.removesuffix("_total"), "counter", users)


def _collect(
    named: dict[str, _Named],
    process: Process,
    seen: Mask,
    target: Mapping[str, str],
    wanted: Wanted,
) -> None:
    """Add the series that a process shows to those of its replica."""
    for number, (name, family, kind, labels) in enumerate(process.service.exposition.names):
        if wanted(name, {**labels, **target}):
            title = _title(name, {**labels, **target})
            one = named.setdefault(title, _Named(family, kind, title, []))
            one.parts.append(_Part(process, number, seen))


def _series(named: _Named, times: Floats, sparse: Mask) -> Series:
    """One series over the lives of its replica."""
    there = np.logical_or.reduce([part.seen for part in named.parts])
    values = np.zeros(len(times))
    # The increase over a window, of a counter that stands still, needs two samples in it.
    constant = named.kind == "gauge"
    for part in named.parts:
        process, exposition = part.process, part.process.service.exposition
        constant &= exposition.is_constant(part.number)
        values[process.scrapes] = exposition.values(part.number, process.counted, process.slots)
    if constant:
        fresh = there & ~_before(there)
        return _ended(named.title, times, there, values, there & (sparse | fresh))
    return _ended(named.title, times, there, values)


def _ended(
    title: str, times: Floats, there: Mask, values: Floats, kept: Mask | None = None
) -> Series:
    """A series with its samples, or those of them to keep, and a stale mark wherever it ended."""
    ends = ~there & _before(there)
    stored = (there if kept is None else kept) | ends
    return title, times[stored], np.where(ends, STALE, values)[stored]


def _before(there: Mask) -> Mask:
    """Whether it was there at the scrape before."""
    return np.concatenate([[False], there[:-1]])


def _users(
    process: Process, seen: Mask, target: Mapping[str, str], times: Floats, wanted: Wanted
) -> Iterable[Series]:
    """One series per request of a build that has who asks for a label; each shows 1 for ever."""
    if not process.users.any() or not wanted(USER_REQUESTS, dict(target)):
        return
    known = np.zeros(len(times))
    known[process.scrapes] = process.users
    for user in range(int(process.users.max())):
        there = seen & (known > user)
        if there.any():
            title = _title(USER_REQUESTS, {**target, "user": f"{user:012x}"})
            yield _ended(title, times, there, np.ones(len(times)))


def _title(name: str, labels: Mapping[str, str]) -> str:
    escaped = {
        key: value.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
        for key, value in labels.items()
    }
    return name + "{" + ",".join(f'{key}="{escaped[key]}"' for key in sorted(escaped)) + "}"
