"""How long a month of virtual monitoring takes, on which engine, and what does not change it.

Prints medians beside their goals, and writes them as JSON. `--quick` drills a few days once, to see
that all of it works. Its seconds are those of the days that were drilled: a month's cannot be told
from them, as what a drill costs in any case would count many times.
"""

from __future__ import annotations

import argparse
import multiprocessing
import resource
import statistics
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import msgspec
from rich.console import Console

from driftdrill.drill import RULES, virtual_drill
from driftdrill.virtual.engine import EngineName
from scenarios.spec import find

SCENARIO = "covariate-sudden"
USUAL_RATE = 5.0
SLOW_RATE, FAST_RATE = 1.0, 1_000_000.0
REPLICAS = 3

QUICK_DAYS = 4.5
"""A third of it is more than a day: shorter drills have four times as many scrapes an hour."""

GOALS = {
    "blocks_30d_s": "at most 15",
    "engine_share": "at least 0.6",
    "promtool_30d_s": "at most 150",
    "peak_mb": "at most 500",
    "traffic_ratio": "0.8 to 1.2",
    "days_ratio": "at most 1.2",
    "series_ratio": "at most 1.2",
}


class Measured(msgspec.Struct, frozen=True):
    """One drill.

    Attributes:
        seconds: From the scenario to the verdict.
        engine_share: Of the processor time, the share of Prometheus and promtool.
        peak_mb: Most memory of the harness, in 10^6 bytes.
    """

    seconds: float
    engine_share: float
    peak_mb: float


def drill(
    days: float, engine: EngineName = "blocks", rate: float = USUAL_RATE, replicas: int = 1
) -> Measured:
    """Drill once, in a process of its own."""
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=context) as pool:
        return pool.submit(_drill, days, engine, rate, replicas).result()


def _drill(days: float, engine: EngineName, rate: float, replicas: int) -> Measured:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "drill.yaml"
        text = find(SCENARIO).path.read_text()
        text = text.replace(f"rate: {USUAL_RATE:g}\n", f"rate: {rate:.0f}\n")
        file.write_text(f"{text}\nreplicas: {replicas}\n")
        began, own, engines = time.perf_counter(), time.process_time(), _used_by_children()
        verdict = virtual_drill(
            find(str(file)),
            days=days,
            seed=0,
            out=Path(folder) / "out",
            rules=RULES,
            engine=engine,
            console=Console(quiet=True),
        )
        seconds, own = time.perf_counter() - began, time.process_time() - own
        engines = _used_by_children() - engines
    assert verdict.outcome != "inconclusive", verdict.reasons
    assert verdict.requests.rate_target == rate
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6
    return Measured(seconds, engines / (engines + own), peak)


def _used_by_children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def median(drills: Sequence[Measured]) -> float:
    """Seconds."""
    return statistics.median(one.seconds for one in drills)


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--days", type=float, default=30.0)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--promtool-repeats", type=int, help="as others, unless told: it is slow")
    parser.add_argument("--quick", action="store_true", help="a few days, once")
    parser.add_argument("--json", type=Path, help="file to write")
    arguments = parser.parse_args()
    days = QUICK_DAYS if arguments.quick else arguments.days
    exact_days = days / 3 if arguments.quick else days
    repeats = range(1 if arguments.quick else arguments.repeats)

    # What is compared is measured turn by turn: whatever else the machine does meets both alike.
    turns = [
        (
            drill(days),
            drill(days / 3),
            drill(days / 3, replicas=REPLICAS),
            drill(days, rate=SLOW_RATE),
            drill(days, rate=FAST_RATE),
        )
        for _ in repeats
    ]
    usual, short, wide, slow, fast = zip(*turns, strict=True)
    exact_repeats = range(arguments.promtool_repeats or len(repeats))
    exact = [drill(exact_days, "promtool") for _ in exact_repeats]
    found = {
        "days": days,
        "repeats": len(repeats),
        "promtool_repeats": len(exact_repeats),
        f"blocks_{days:g}d_s": median(usual),
        "engine_share": statistics.median(one.engine_share for one in usual),
        f"promtool_{exact_days:g}d_s": median(exact),
        "peak_mb": max(one.peak_mb for one in (*usual, *exact)),
        "traffic_ratio": median(fast) / median(slow),
        # 1 where three times as much takes three times as long.
        "days_ratio": median(usual) / (3 * median(short)),
        "series_ratio": median(wide) / (REPLICAS * median(short)),
    }
    for key, value in found.items():
        goal = "" if arguments.quick else GOALS.get(key, "")
        print(f"{key:16} {value:<10.4g} {goal}".rstrip())
    if arguments.json:
        arguments.json.write_bytes(msgspec.json.format(msgspec.json.encode(found)) + b"\n")


if __name__ == "__main__":
    main()
