"""How soon the shipped statistics find changes, beside the oracle and river's detectors.

All have about as few false alarms: each threshold is set where the measured run length in control
reaches 100,000 values. All see the same streams; delays are in values after the change. The changes
are none of those that the banks hold. Ours is computed with the function that
`tests/driftdrill/certify` holds to the rules on Prometheus, evaluation by evaluation.

The whole takes two minutes of processor, `--quick` one.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Mapping
from pathlib import Path

import msgspec
import numpy as np
from detection_volume import VOLUMES, run_length_at
from detection_worlds import CALM, FAMILIES, LABELLED_FAMILIES, MIRRORED, Family, World
from detectors import Method, informed, oracle, ours, peers, tune
from joblib import Parallel, delayed

RUN_LENGTH = 100_000
"""Values between two false alarms, in the mean."""

LENGTH = 50_000
"""Values of a stream without a change."""

WARM_UP = 3000
"""Values before the change, an even number of evaluations."""

PER_EVALUATION = 5

ALL = {**FAMILIES, **LABELLED_FAMILIES}

Measured = Mapping[str, Mapping[str, float]]
"""By family: the mean delay in values, the share of misses, the setting and its run length."""


def method_of(name: str, calm: World, changed: World) -> Method:
    """A detector by its name in the table."""
    if name == "oracle":
        return oracle(calm, changed)
    if name == "informed":
        return informed(calm, MIRRORED, PER_EVALUATION)
    return ours(calm, PER_EVALUATION) if name == "ours" else peers()[name]


def measure(name: str, families: Mapping[str, Family], quick: bool) -> Measured:
    """One detector on families that begin in the same world, with one threshold for all of them.

    The oracle has one for each, as it knows the change.
    """
    runs, controls = (60, 100) if quick else (200, 200)
    found: dict[str, dict[str, float]] = {}
    tuned: tuple[float, float] | None = None
    for title, family in families.items():
        method = method_of(name, family.calm, family.changed)
        watched = family.calm.for_peers if name not in CHARTS else lambda values: values
        if tuned is None or name == "oracle":
            calm = family.calm.draw(np.random.default_rng(7), (controls, LENGTH))
            tuned = tune(method, watched(calm), RUN_LENGTH)
        rng = np.random.default_rng(11)
        parts = ((family.calm, WARM_UP), (family.changed, family.longest))
        streams = np.hstack([world.draw(rng, (runs, length)) for world, length in parts])
        mean, missed = delay(method.alarms(watched(streams), tuned[0]))
        found[title] = {"delay": mean, "missed": missed, "setting": tuned[0], "arl": tuned[1]}
    return found


def delay(alarms: np.ndarray) -> tuple[float, float]:
    """Mean values from the change to the alarm, where none came before; the share of misses."""
    late = alarms[alarms > WARM_UP] - WARM_UP
    known = late[np.isfinite(late)]
    return float(known.mean()) if len(known) else math.nan, 1 - len(known) / max(len(late), 1)


CHARTS = ("oracle", "informed", "ours")


def studies() -> list[tuple[str, Mapping[str, Family]]]:
    """Every detector, with the families that begin in the same world."""
    worlds: dict[int, dict[str, Family]] = {}
    for title, family in ALL.items():
        worlds.setdefault(id(family.calm), {})[title] = family
    return [
        (name, families)
        for families in worlds.values()
        for name in (*CHARTS, *peers())
        if name != "informed" or next(iter(families.values())).calm is CALM
    ]


def summary(found: Mapping[str, Measured]) -> dict[str, float]:
    """The figures that the goals are about."""

    def ratios(name: str) -> list[float]:
        return [
            found[name][title]["delay"] / found["oracle"][title]["delay"]
            for title in FAMILIES
            if title in found[name]
        ]

    def beside_peers(titles: Mapping[str, Family]) -> float:
        best = {
            title: min(
                (
                    one[title]["delay"]
                    for name, one in found.items()
                    if name not in CHARTS and not one[title]["missed"]
                ),
                default=math.inf,
            )
            for title in titles
        }
        return max(found["ours"][title]["delay"] / best[title] for title in titles)

    def mean(values: list[float]) -> float:
        return math.exp(sum(map(math.log, values)) / len(values))

    return {
        "oracle_ratio_geomean": mean(ratios("ours")),
        "oracle_ratio_worst": max(ratios("ours")),
        "informed_ratio_geomean": mean(ratios("informed")),
        "informed_ratio_worst": max(ratios("informed")),
        "peer_ratio_worst": beside_peers(FAMILIES),
        "labelled_peer_ratio_worst": beside_peers(LABELLED_FAMILIES),
        "missed_most": max(one["missed"] for one in found["ours"].values()),
        "arl_lowest": min(one["arl"] for one in found["ours"].values()),
    }


def print_table(found: Mapping[str, Measured]) -> None:
    """Delays in values, and misses."""
    print(f"{'delay in values':18}" + "".join(f"{name:>17}" for name in found))
    for title in ALL:
        cells = []
        for one in found.values():
            seen = one.get(title)
            missed = f" m{seen['missed']:.0%}" if seen and seen["missed"] else ""
            cells.append(f"{seen['delay']:.0f}{missed}" if seen else "")
        print(f"{title:18}" + "".join(f"{cell:>17}" for cell in cells))


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer streams")
    parser.add_argument("--json", type=Path, help="file to write")
    parser.add_argument("--jobs", type=int, default=-1, help="processes, as joblib counts")
    arguments = parser.parse_args()
    with Parallel(n_jobs=arguments.jobs) as run:
        todo = studies()
        measured = run(delayed(measure)(*one, arguments.quick) for one in todo)
        lengths = dict(zip(VOLUMES, run(map(delayed(run_length_at), VOLUMES)), strict=True))
    found: dict[str, dict[str, Mapping[str, float]]] = {}
    for (name, _), one in zip(todo, measured, strict=True):
        found.setdefault(name, {}).update(one)
    print_table(found)
    figures = summary(found)
    for volume, length in lengths.items():
        figures[f"run_length_share_at_{volume}"] = length
    for key, value in figures.items():
        print(f"{key:28} {value:.4g}")
    for name, families in found.items():
        for title, one in families.items():
            figures |= {f"{title}: {name} {key}": value for key, value in one.items()}
    if arguments.json:
        arguments.json.write_bytes(msgspec.json.format(msgspec.json.encode(figures)) + b"\n")


if __name__ == "__main__":
    main()
