"""What a request of a drill costs its load generator, beside a bare FastHttpUser.

    python benchmarks/load_generator.py [--json FILE]

CPU time of the Locust process per request, both as fast as they go against the shipped service. The
least of `ROUNDS` rounds, in which both take turns: what else the machine does can only add.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

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
    report = folder / "cost.json"
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
                bares.append(measure(bare, ["-u", "96", "-r", "1000"], url, folder))
                drills.append(measure(ours, drill, url, folder))
        finally:
            service.stop()
    figures = {
        "us_per_request_bare": round(min(bares), 1),
        "us_per_request_drill": round(min(drills), 1),
    }
    figures["us_added"] = round(figures["us_per_request_drill"] - figures["us_per_request_bare"], 1)
    for key, value in figures.items():
        print(f"{key:<24}{value:>8.1f}")
    if options.json:
        options.json.write_text(json.dumps(figures, indent=2) + "\n")


if __name__ == "__main__":
    main(sys.argv[1:])
