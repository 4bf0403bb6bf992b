"""How soon the shipped statistics find changes, beside the oracle and river's detectors.

All have about as few false alarms: each threshold is set where the measured run length in control
reaches 100,000 values. All see the same streams; delays are in values after the change. The changes
are none of those that the banks hold. Ours is computed with the function that
`tests/driftdrill/certify` holds to the rules on Prometheus, evaluation by evaluation.

The whole takes five and a half minutes of processor, `--quick` two; `--kswin` some seven more.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec
import numpy as np
from detection_limit import least_ratio
from detection_volume import VOLUMES, run_length_at
from detection_worlds import (
    CALM,
    FAMILIES,
    LABELLED_FAMILIES,
    LABELS,
    MIRRORED,
    MIRRORED_LABELS,
    Density,
    Family,
    World,
)
from detectors import DELTAS, Chart, River, informed, oracle, ours, peers, tune
from joblib import Parallel, delayed

from target_service.contract import Floats

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


PRIOR = "prior .2 to .3"


def method_of(name: str, calm: World, changed: World) -> Chart | River:
    """A detector by its name in the table."""
    if name == "oracle":
        return oracle(calm, changed)
    if name in INFORMED:
        every = MIRRORED if calm is CALM else MIRRORED_LABELS
        known: list[Density] = [after for both in every.values() for after in both]
        if name == "informed of priors":
            known = list(MIRRORED_LABELS[PRIOR])
        return informed(calm, known, 1 if name == "informed at once" else PER_EVALUATION)
    return ours(calm, PER_EVALUATION) if name == "ours" else peers()[name]


def calm_streams(world: World, quick: bool) -> Floats:
    """Streams without a change."""
    return world.draw(np.random.default_rng(7), (100 if quick else 200, LENGTH))


def changed_streams(family: Family, quick: bool) -> Floats:
    """Streams with a change after `WARM_UP` values."""
    rng, runs = np.random.default_rng(11), 60 if quick else 200
    parts = ((family.calm, WARM_UP), (family.changed, family.longest))
    return np.hstack([world.draw(rng, (runs, length)) for world, length in parts])


def measure(name: str, families: Mapping[str, Family], quick: bool) -> Measured:
    """One detector on families that begin in the same world, with one threshold for all of them.

    The oracle has one for each, as it knows the change.
    """
    found: dict[str, dict[str, float]] = {}
    tuned: tuple[float, float] | None = None
    for title, family in families.items():
        method = method_of(name, family.calm, family.changed)
        watched = family.calm.for_peers if name not in CHARTS else lambda values: values
        if tuned is None or name == "oracle":
            tuned = tune(method, watched(calm_streams(family.calm, quick)), RUN_LENGTH)
        streams = watched(changed_streams(family, quick))
        if name == SLOW:
            streams = streams[:FEW, WARM_UP - SETTLED :]
            alarms = method.alarms(streams, tuned[0]) + WARM_UP - SETTLED
        else:
            alarms = method.alarms(streams, tuned[0])
        mean, missed = delay(alarms)
        found[title] = {"delay": mean, "missed": missed, "setting": tuned[0], "arl": tuned[1]}
    return found


SLOW, FEW, SETTLED = "KSWIN", 20, 500
"""It takes up to half a millisecond per value, so it sees few streams, and less of their calm."""


def delay(alarms: Floats) -> tuple[float, float]:
    """Mean values from the change to the alarm, where none came before; the share of misses."""
    late = alarms[alarms > WARM_UP] - WARM_UP
    known = late[np.isfinite(late)]
    return float(known.mean()) if len(known) else math.nan, 1 - len(known) / max(len(late), 1)


INFORMED = ("informed", "informed at once", "informed of priors")
CHARTS = ("oracle", *INFORMED, "ours")


def studies(kswin: bool) -> list[tuple[str, Mapping[str, Family]]]:
    """Every detector, with the families that begin in the same world."""
    worlds: dict[int, dict[str, Family]] = {}
    for title, family in ALL.items():
        worlds.setdefault(id(family.calm), {})[title] = family

    def sees(name: str, calm: World) -> bool:
        if name in INFORMED:
            return calm is LABELS if name == "informed of priors" else not calm.mistakes
        return name != SLOW

    # In control a Kolmogorov-Smirnov test has no need to know the distribution.
    slow: list[tuple[str, Mapping[str, Family]]] = [(SLOW, FAMILIES)] if kswin else []
    return slow + [
        (name, families)
        for families in worlds.values()
        for name in (*CHARTS, *peers())
        if sees(name, next(iter(families.values())).calm)
    ]


def summary(found: Mapping[str, Measured]) -> dict[str, float]:
    """The figures that the goals are about."""

    def ratios(name: str) -> list[float]:
        return [found[name][title]["delay"] / found["oracle"][title]["delay"] for title in FAMILIES]

    def beside_peers(titles: Mapping[str, Family], known: Sequence[str]) -> float:
        best = {
            title: min(
                (
                    found[name][title]["delay"]
                    for name in known
                    if title in found.get(name, {}) and not found[name][title]["missed"]
                ),
                default=math.inf,
            )
            for title in titles
        }
        return max(found["ours"][title]["delay"] / best[title] for title in titles)

    # Set for one size of change, PageHinkley's tolerance tells that size.
    for_any = [name for name in peers() if name not in SET_FOR_A_CHANGE]
    return {
        "oracle_ratio_geomean": mean(ratios("ours")),
        "oracle_ratio_worst": max(ratios("ours")),
        "informed_ratio_geomean": mean(ratios("informed")),
        "informed_ratio_worst": max(ratios("informed")),
        "informed_at_once_ratio_geomean": mean(ratios("informed at once")),
        "informed_at_once_ratio_worst": max(ratios("informed at once")),
        "peer_ratio_worst": beside_peers(FAMILIES, for_any),
        "labelled_peer_ratio_worst": beside_peers(LABELLED_FAMILIES, for_any),
        "peer_set_for_the_change_ratio_worst": beside_peers(FAMILIES, list(peers())),
        "labelled_peer_set_for_the_change_ratio_worst": beside_peers(
            LABELLED_FAMILIES, list(peers())
        ),
        "missed_most": max(one["missed"] for one in found["ours"].values()),
        "arl_lowest": min(one["arl"] for one in found["ours"].values()),
    }


SET_FOR_A_CHANGE = tuple(f"PageHinkley {delta:g}" for delta in DELTAS[1:])


def mean(values: Sequence[float]) -> float:
    """The geometric one."""
    return math.exp(sum(map(math.log, values)) / len(values))


def limit(found: Mapping[str, Measured], quick: bool) -> dict[str, float]:
    """What no weights of an informed chart get below, and those that come nearest.

    Of the prior it is let know that nothing else can change.
    """
    step = PER_EVALUATION if quick else 1
    normal = {title: one for title, one in FAMILIES.items() if one.calm is CALM}
    best, weights = least_ratio(
        calm_streams(CALM, quick),
        {title: changed_streams(one, quick) for title, one in normal.items()},
        {title: found["oracle"][title]["delay"] for title in normal},
        step,
        RUN_LENGTH,
        lambda alarms: delay(alarms)[0],
    )
    prior = found["informed of priors"][PRIOR]["delay"] / found["oracle"][PRIOR]["delay"]
    return {
        "limit_ratio_geomean_of_seven": best,
        "limit_ratio_geomean": mean([best] * len(normal) + [prior]),
        **{f"limit weight of {title}": weight for title, weight in weights.items()},
    }


def print_table(found: Mapping[str, Measured]) -> None:
    """Delays in values, and misses."""
    shown = {name: one for name, one in found.items() if name != "informed of priors"}
    print(f"{'delay in values':18}" + "".join(f"{name:>19}" for name in shown))
    for title in ALL:
        cells = []
        for one in shown.values():
            seen = one.get(title)
            missed = f" m{seen['missed']:.0%}" if seen and seen["missed"] else ""
            cells.append(f"{seen['delay']:.0f}{missed}" if seen else "")
        print(f"{title:18}" + "".join(f"{cell:>19}" for cell in cells))


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer streams")
    parser.add_argument("--kswin", action="store_true", help="KSWIN too, which takes minutes")
    parser.add_argument("--json", type=Path, help="file to write")
    parser.add_argument("--jobs", type=int, default=-1, help="processes, as joblib counts")
    arguments = parser.parse_args()
    with Parallel(n_jobs=arguments.jobs) as run:
        todo = studies(arguments.kswin)
        measured = run(delayed(measure)(*one, arguments.quick) for one in todo)
        lengths = dict(zip(VOLUMES, run(map(delayed(run_length_at), VOLUMES)), strict=True))
    found: dict[str, dict[str, Mapping[str, float]]] = {}
    for (name, _), one in zip(todo, measured, strict=True):
        found.setdefault(name, {}).update(one)
    print_table(found)
    figures = summary(found) | limit(found, arguments.quick)
    for volume, length in lengths.items():
        figures[f"run_length_share_at_{volume}"] = length
    for key, value in figures.items():
        print(f"{key:44} {value:.4g}")
    for name, families in found.items():
        for title, one in families.items():
            figures |= {f"{title}: {name} {key}": value for key, value in one.items()}
    if arguments.json:
        arguments.json.write_bytes(msgspec.json.format(msgspec.json.encode(figures)) + b"\n")


if __name__ == "__main__":
    main()
