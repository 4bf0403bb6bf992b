"""What a request of a drill costs its load generator, beside a bare FastHttpUser.

    python benchmarks/load_generator.py [--json FILE]

CPU time of the Locust process per request, both as fast as they go against the shipped service, at
the same time and on the same processor: what else the machine does makes both dearer alike. The
median of `ROUNDS` rounds.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from operator import sub, truediv
from pathlib import Path
from statistics import median

from driftdrill.models import artifact
from driftdrill.rig.ports import lease_port
from driftdrill.rig.process import Process
from scenarios.board import Start, announce

ROUNDS = 5
SECONDS = 4
START_LIMIT_S = 60.0

HERE = Path(__file__).parent
PROJECT = HERE.parent

FAST = """\
name: as-fast-as-it-goes
summary: More requests than anybody could send.
model: credit
traffic: {rate: 100000}
labels: {coverage: 0}
phases: [{name: all, duration: 1h}]
"""


def measure(locustfile: Path, options: list[str], url: str, folder: Path) -> float:
    """Microseconds of CPU per request of one run."""
    report = folder / f"{locustfile.stem}.json"
    command = [sys.executable, "-m", "locust", "--headless", "--host", url, "--only-summary"]
    command += ["--locustfile", f"{locustfile},{HERE / 'load_generator_cost.py'}", *options]
    done = subprocess.run(
        command,
        cwd=PROJECT,
        env={**os.environ, "COST_REPORT": str(report), "COST_SECONDS": str(SECONDS)},
        capture_output=True,
        text=True,
        check=False,
        timeout=START_LIMIT_S + 2 * SECONDS,
    )
    if not report.exists():
        raise SystemExit(f"Locust said:\n{done.stdout}{done.stderr}")
    figures = json.loads(report.read_text())
    report.unlink()
    if figures["failed"]:
        raise SystemExit(f"{figures['failed']} requests failed:\n{done.stdout}{done.stderr}")
    cost: float = figures["us_per_request"]
    return cost


def main(arguments: list[str]) -> None:
    """Measure, print, and write the figures where they are asked for."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there")
    options = parser.parse_args(arguments)
    drills, bares = [], []
    with tempfile.TemporaryDirectory() as name, lease_port(8500) as lease:
        folder = Path(name)
        (folder / "fast.yaml").write_text(FAST)
        command = [sys.executable, "-m", "target_service", "serve", "--port", str(lease.port)]
        command += ["--model", str(artifact("credit"))]
        service = Process("service", command, cwd=PROJECT, log=folder / "service.log")
        try:
            url = f"http://{lease.address}"
            announce(folder / "start", Start(time.time(), (url,), 1))
            drill = ["--scenario-file", str(folder / "fast.yaml"), "--speed", "1"]
            drill += ["--start-file", str(folder / "start")]
            drill += ["--status-file", f"{folder}/status"]
            bare = HERE / "load_generator_bare.py"
            ours = PROJECT / "scenarios" / "locustfile.py"
            for _ in range(ROUNDS):
                with ThreadPoolExecutor(2) as pool:
                    one = pool.submit(measure, bare, ["-u", "96", "-r", "1000"], url, folder)
                    other = pool.submit(measure, ours, drill, url, folder)
                bares.append(one.result())
                drills.append(other.result())
        finally:
            service.stop()
    figures = {
        "us_per_request_bare": round(median(bares), 1),
        "us_per_request_drill": round(median(drills), 1),
        "us_added": round(median(map(sub, drills, bares)), 1),
        "share_added": round(median(map(truediv, drills, bares)) - 1, 3),
    }
    for key, value in figures.items():
        print(f"{key:<24}{value:>8.3g}")
    if options.json:
        options.json.write_text(json.dumps(figures, indent=2) + "\n")


if __name__ == "__main__":
    main(sys.argv[1:])
