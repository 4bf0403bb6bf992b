"""How long a month of virtual monitoring takes, on which engine, and what does not change it.

Prints medians and writes them as JSON. `--quick` drills one day once, to see that all of it works.
"""

from __future__ import annotations

import argparse
import multiprocessing
import resource
import statistics
import tempfile
import time
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


class Measured(msgspec.Struct, frozen=True):
    """One drill.

    Attributes:
        seconds: From the scenario to the verdict.
        engine_share: Of that, the share in which the harness itself used no processor: it waited
            for Prometheus or promtool.
        peak_mb: Most memory of the harness, in 10^6 bytes.
    """

    seconds: float
    engine_share: float
    peak_mb: float


def drill(days: float, engine: EngineName, rate: float) -> Measured:
    """Drill once, in a process of its own."""
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=context) as pool:
        return pool.submit(_drill, days, engine, rate).result()


def _drill(days: float, engine: EngineName, rate: float) -> Measured:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "drill.yaml"
        text = find(SCENARIO).path.read_text()
        file.write_text(text.replace(f"rate: {USUAL_RATE:g}\n", f"rate: {rate:.0f}\n"))
        began, busy = time.perf_counter(), time.process_time()
        verdict = virtual_drill(
            find(str(file)),
            days=days,
            seed=0,
            out=Path(folder) / "out",
            rules=RULES,
            engine=engine,
            console=Console(quiet=True),
        )
        seconds, busy = time.perf_counter() - began, time.process_time() - busy
    assert verdict.outcome != "inconclusive", verdict.reasons
    assert verdict.requests.rate_target == rate
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6
    return Measured(seconds, 1 - busy / seconds, peak)


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--days", type=float, default=30.0)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--quick", action="store_true", help="one day, once")
    parser.add_argument("--json", type=Path, help="file to write")
    arguments = parser.parse_args()
    days = 1.5 if arguments.quick else arguments.days
    repeats = range(1 if arguments.quick else arguments.repeats)

    blocks = [drill(days, "blocks", USUAL_RATE) for _ in repeats]
    exact = [drill(days, "promtool", USUAL_RATE) for _ in repeats]
    # Turn by turn, so that whatever else the machine does meets both alike.
    pairs = [[drill(days, "blocks", r).seconds for r in (SLOW_RATE, FAST_RATE)] for _ in repeats]
    found = {
        "days": days,
        "repeats": len(repeats),
        "blocks_30d_s": statistics.median(one.seconds for one in blocks) * 30 / days,
        "promtool_30d_s": statistics.median(one.seconds for one in exact) * 30 / days,
        "engine_share": statistics.median(one.engine_share for one in blocks),
        "peak_mb": max(one.peak_mb for one in (*blocks, *exact)),
        "traffic_ratio": statistics.median(fast / slow for slow, fast in pairs),
    }
    for key, value in found.items():
        print(f"{key:16} {value:.4g}")
    if arguments.json:
        arguments.json.write_bytes(msgspec.json.format(msgspec.json.encode(found)) + b"\n")


if __name__ == "__main__":
    main()
