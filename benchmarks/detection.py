"""How soon the shipped statistic finds changes, beside the oracle and river's detectors.

All have about as few false alarms: each threshold is set where the measured run length in control
reaches 100,000 values. All see the same streams; delays are in values after the change. The changes
are none of those that the bank holds. Ours is computed with the functions that
`tests/driftdrill/certify` holds to the rules on Prometheus, evaluation by evaluation.

`--quick` takes minutes; the whole some 20 minutes on two processors.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import msgspec
import numpy as np
from joblib import Parallel, delayed
from river.drift import ADWIN, PageHinkley
from scipy.stats import norm

from driftdrill.certify.statistic import SCORE_WINDOWS, evidence
from target_service.contract import Floats, tail_refined_edges
from target_service.evidence import SCORE_CHANGES, numeric_bank

RUN_LENGTH = 100_000
"""Values between two false alarms, in the mean."""

PER_EVALUATION = 5
REFERENCE = 200_000
WARM_UP = 3000
"""Values before the change, an even number of evaluations."""

Draw = Callable[[np.random.Generator, tuple[int, int]], Floats]


@dataclass(frozen=True)
class World:
    """A distribution of scores, and its density, for the oracle."""

    draw: Draw
    density: Callable[[Floats], Floats]


def normal(mean: float = 0.0, sd: float = 1.0) -> World:
    return World(lambda rng, size: rng.normal(mean, sd, size), lambda x: norm.pdf(x, mean, sd))


def mixture(parts: Sequence[tuple[float, float]]) -> World:
    """Normal scores of standard deviation 1, by share and mean."""
    shares, means = np.array(parts).T

    def draw(rng: np.random.Generator, size: tuple[int, int]) -> Floats:
        return rng.normal(means[rng.choice(len(means), size=size, p=shares)], 1.0)

    return World(draw, lambda x: sum(s * norm.pdf(x, m) for s, m in parts))


CALM = normal()
LABELS = mixture([(0.8, 0.0), (0.2, 2.0)])
"""Scores of two classes, one in five of them positive."""

FAMILIES: Mapping[str, tuple[World, World]] = {
    "mean +0.1": (CALM, normal(0.1)),
    "mean +0.25": (CALM, normal(0.25)),
    "mean +0.5": (CALM, normal(0.5)),
    "mean +1": (CALM, normal(1.0)),
    "sd x 1.25": (CALM, normal(sd=1.25)),
    "sd x 0.8": (CALM, normal(sd=0.8)),
    "5% at +2.5": (CALM, mixture([(0.95, 0.0), (0.05, 2.5)])),
    "prior .2 to .3": (LABELS, mixture([(0.7, 0.0), (0.3, 2.0)])),
}


class Method(Protocol):
    """A detector whose sensitivity one number sets; more of it, fewer alarms."""

    settings: Sequence[float]

    def first(self, stream: Floats, setting: float) -> int | None:
        """Where in a stream of values it first alarms."""


class Chart:
    """A detector that alarms where some level reaches a threshold."""

    settings = tuple(np.arange(3.0, 20.0, 0.1).tolist())

    def levels(self, stream: Floats) -> Floats:
        """(t,) the level after each step."""
        raise NotImplementedError

    step = 1

    def first(self, stream: Floats, setting: float) -> int | None:
        """Where the level first reaches the setting."""
        found = self.levels(stream) >= setting
        return int(found.argmax() + 1) * self.step if found.any() else None


class Ours(Chart):
    """The statistic of `ScoreDrift`, on a reference of its own."""

    step = PER_EVALUATION

    def __init__(self, calm: World) -> None:
        reference = calm.draw(np.random.default_rng(99), (1, REFERENCE))[0]
        self.edges = tail_refined_edges(reference)
        counts = np.bincount(np.searchsorted(self.edges, reference), minlength=len(self.edges) + 1)
        self.weights = np.array(numeric_bank(counts.tolist(), SCORE_CHANGES, alarms=1).weights)

    def levels(self, stream: Floats) -> Floats:
        """The evidence at each evaluation."""
        each = self.weights[:, np.searchsorted(self.edges, stream)]
        nats = each.reshape(len(each), -1, self.step).sum(axis=2)
        values = np.full(nats.shape[1], float(self.step))
        return evidence(nats, values, SCORE_WINDOWS)


class Oracle(Chart):
    """Page's chart for the very change, value by value."""

    def __init__(self, calm: World, changed: World) -> None:
        self.calm, self.changed = calm, changed

    def levels(self, stream: Floats) -> Floats:
        """The chart at each value."""
        total = np.cumsum(np.log(self.changed.density(stream) / self.calm.density(stream)))
        return np.asarray(total - np.minimum(np.minimum.accumulate(total), 0.0))


class River:
    """One or two of river's detectors, on the values and on their squares."""

    def __init__(self, make: Callable[[float], Any], settings: Sequence[float], squares: bool):
        self.make, self.settings, self.squares = make, settings, squares

    def first(self, stream: Floats, setting: float) -> int | None:
        """Where either detector first finds a drift."""
        plain = self.make(setting)
        squared = self.make(setting) if self.squares else None
        for number, value in enumerate(stream.tolist(), 1):
            plain.update(value)
            if squared is not None:
                squared.update(value * value)
            if plain.drift_detected or (squared is not None and squared.drift_detected):
                return number
        return None


def adwin(setting: float) -> Any:
    return ADWIN(delta=10.0**-setting, clock=1)


def page_hinkley(setting: float) -> Any:
    return PageHinkley(min_instances=30, delta=0.05, threshold=setting, alpha=1.0)


PEERS: Mapping[str, Method] = {
    "ADWIN": River(adwin, (1.0, 1.5, 2.0, 2.5, 3.0, 3.5, 4.0, 5.0), squares=False),
    "ADWIN, x and x²": River(adwin, (1.0, 1.5, 2.0, 2.5, 3.0, 3.5, 4.0, 5.0), squares=True),
    "PageHinkley": River(page_hinkley, (20, 30, 40, 50, 60, 80, 100, 150), squares=False),
}


def run_length(method: Method, calm: World, setting: float, streams: int) -> float:
    """Values per alarm on streams where nothing changes; inf where there was none."""
    length = RUN_LENGTH // 2
    drawn = calm.draw(np.random.default_rng(7), (streams, length))
    found = [method.first(stream, setting) for stream in drawn]
    alarms = sum(one is not None for one in found)
    return sum(length if one is None else one for one in found) / alarms if alarms else math.inf


def tuned(method: Method, calm: World, streams: int) -> tuple[float, float]:
    """The most sensitive setting with a long enough run length, and that run length."""
    low, high = 0, len(method.settings) - 1
    while low < high:
        middle = (low + high) // 2
        if run_length(method, calm, method.settings[middle], streams) < RUN_LENGTH:
            low = middle + 1
        else:
            high = middle
    return method.settings[low], run_length(method, calm, method.settings[low], streams)


def tuned_chart(method: Chart, calm: World, streams: int) -> tuple[float, float]:
    """The same for a chart, which is drawn once."""
    length = RUN_LENGTH // 2
    drawn = calm.draw(np.random.default_rng(7), (streams, length))
    paths = np.array([np.maximum.accumulate(method.levels(stream)) for stream in drawn])
    for setting in method.settings:
        crossed = paths >= setting
        alarms = crossed.any(axis=1).sum()
        steps = np.where(crossed.any(axis=1), crossed.argmax(axis=1) + 1, paths.shape[1]).sum()
        if not alarms or steps * method.step / alarms >= RUN_LENGTH:
            return setting, float(steps * method.step / alarms) if alarms else math.inf
    raise AssertionError("no setting is high enough")


def delay(method: Method, setting: float, streams: Floats) -> tuple[float, float]:
    """Mean values from the change to the alarm, where none came before; the share of misses."""
    found = [method.first(stream, setting) for stream in streams]
    late = [one for one in found if one is None or one > WARM_UP]
    known = [one - WARM_UP for one in late if one is not None]
    missed = 1 - len(known) / max(len(late), 1)
    return float(np.mean(known)) if known else math.nan, missed


def measure(name: str, quick: bool) -> dict[str, float]:
    """Every method on the streams of one family."""
    calm, changed = FAMILIES[name]
    runs, controls = (60, 40) if quick else (400, 200)
    rng = np.random.default_rng(11)
    longest = 12_000 if name == "mean +0.1" else 4000
    streams = np.hstack([calm.draw(rng, (runs, WARM_UP)), changed.draw(rng, (runs, longest))])
    found: dict[str, float] = {}
    charts: dict[str, Chart] = {"oracle": Oracle(calm, changed), "ours": Ours(calm)}
    for key, chart in charts.items():
        setting, length = tuned_chart(chart, calm, controls)
        found[f"{key}_arl"] = length
        found[f"{key}_setting"] = setting
        found[key], found[f"{key}_missed"] = delay(chart, setting, streams)
    for key, peer in PEERS.items():
        setting, length = tuned(peer, calm, controls // 4)
        found[f"{key}_arl"] = length
        found[f"{key}_setting"] = setting
        found[key], found[f"{key}_missed"] = delay(peer, setting, streams[: runs // 2])
    return found


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer streams")
    parser.add_argument("--json", type=Path, help="file to write")
    parser.add_argument("--jobs", type=int, default=-1, help="processes, as joblib counts")
    arguments = parser.parse_args()
    measured = Parallel(n_jobs=arguments.jobs)(
        delayed(measure)(name, arguments.quick) for name in FAMILIES
    )
    found = dict(zip(FAMILIES, measured, strict=True))
    ratios = {name: one["ours"] / one["oracle"] for name, one in found.items()}
    best = {
        name: min(one[peer] for peer in PEERS if one[f"{peer}_missed"] == 0)
        for name, one in found.items()
        if any(one[f"{peer}_missed"] == 0 for peer in PEERS)
    }
    print(f"{'delay in values':18}" + "".join(f"{m:>17}" for m in ("oracle", "ours", *PEERS)))
    for name, one in found.items():
        cells = [
            f"{one[m]:.0f}" + (f" m{one[m + '_missed']:.0%}" if one[m + "_missed"] else "")
            for m in ("oracle", "ours", *PEERS)
        ]
        print(f"{name:18}" + "".join(f"{cell:>17}" for cell in cells))
    figures: dict[str, float] = {
        "oracle_ratio_geomean": math.exp(np.mean([math.log(ratio) for ratio in ratios.values()])),
        "oracle_ratio_worst": max(ratios.values()),
        "peer_ratio_worst": max(found[name]["ours"] / best[name] for name in best),
        "arl_lowest": min(one["ours_arl"] for one in found.values()),
        "missed_most": max(one["ours_missed"] for one in found.values()),
    }
    for name, one in found.items():
        figures |= {f"{name}: {key}": value for key, value in one.items()}
    for key in list(figures)[:5]:
        print(f"{key:22} {figures[key]:.4g}")
    if arguments.json:
        arguments.json.write_bytes(msgspec.json.format(msgspec.json.encode(figures)) + b"\n")


if __name__ == "__main__":
    main()
