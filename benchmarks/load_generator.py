"""What a request of a drill costs its load generator, beside a bare FastHttpUser.

    python benchmarks/load_generator.py [--json FILE]

CPU time of the Locust process per request, as fast as they go against the shipped service, at the
same time and on the same processor: what else the machine does makes all dearer alike. Of three
workers that share a drill, it is the mean: as each has a processor of its own where there are that
many, its inverse says what they send together. The medians of `ROUNDS` rounds.
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
from functools import partial
from pathlib import Path
from statistics import median
from subprocess import PIPE, STDOUT

from driftdrill.crew import Crew
from driftdrill.models import artifact
from driftdrill.rig.ports import lease_port
from driftdrill.rig.process import Process
from scenarios.board import Start, announce

ROUNDS = 5
SECONDS = 6
WORKERS = 3
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


def measure(options: list[str], url: str, folder: Path, worker: list[str] | None = None) -> float:
    """Microseconds of CPU per request of one run; of its workers, where these have options.

    The folder is empty, and takes their reports.
    """
    base = [sys.executable, "-m", "locust", "--headless", "--only-summary"]
    base += ["--loglevel", "WARNING"]
    environment = {**os.environ, "COST_REPORTS": str(folder), "COST_SECONDS": str(SECONDS)}
    start = partial(
        subprocess.Popen, stdout=PIPE, stderr=STDOUT, cwd=PROJECT, env=environment, text=True
    )
    workers = [start([*base, *worker]) for _ in range(WORKERS)] if worker else []
    started = [start([*base, "--host", url, *options]), *workers]
    try:
        said = "".join(one.communicate(timeout=START_LIMIT_S + 2 * SECONDS)[0] for one in started)
    finally:
        for one in started:
            one.kill()
    reports = [json.loads(path.read_text()) for path in folder.iterdir()]
    if len(reports) != max(len(workers), 1) or any(report["failed"] for report in reports):
        raise SystemExit(f"{reports}; Locust said:\n{said}")
    cpu_s, sent = (sum(report[key] for report in reports) for key in ("cpu_s", "sent"))
    return float(cpu_s / sent * 1e6)


def main(arguments: list[str]) -> None:
    """Measure, print, and write the figures where they are asked for."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there")
    options = parser.parse_args(arguments)
    rounds = []
    with tempfile.TemporaryDirectory() as name, lease_port(8500) as lease, lease_port(5557) as own:
        folder = Path(name)
        (folder / "fast.yaml").write_text(FAST)
        command = [sys.executable, "-m", "target_service", "serve", "--port", str(lease.port)]
        command += ["--model", str(artifact("credit"))]
        service = Process("service", command, cwd=PROJECT, log=folder / "service.log")
        url = f"http://{lease.address}"
        announce(folder / "start", Start(time.time(), (url,), 1))
        cost = HERE / "load_generator_cost.py"
        files = ["--locustfile", f"{PROJECT / 'scenarios' / 'locustfile.py'},{cost}"]
        drill = [*files, "--scenario-file", str(folder / "fast.yaml"), "--speed", "1"]
        drill += ["--start-file", str(folder / "start")]
        bare = ["--locustfile", f"{HERE / 'load_generator_bare.py'},{cost}", "-u", "96"]
        crew = Crew(WORKERS, None, own.port)
        runs = {
            "bare": ([*bare, "-r", "1000"], None),
            "drill": ([*drill, "--status-file", f"{folder}/alone"], None),
            "worker": (
                [*drill, "--status-file", f"{folder}/divided", *crew.master()],
                [*crew.worker(), *files],
            ),
        }
        try:
            for number in range(ROUNDS):
                with ThreadPoolExecutor(len(runs)) as pool:
                    found = {}
                    for who, (arguments, worker) in runs.items():
                        reports = folder / f"{who}-{number}"
                        reports.mkdir()
                        found[who] = pool.submit(measure, arguments, url, reports, worker)
                rounds.append({who: cost.result() for who, cost in found.items()})
        finally:
            service.stop()
    figures = {f"us_per_request_{who}": median(one[who] for one in rounds) for who in runs}
    figures["us_added"] = median(one["drill"] - one["bare"] for one in rounds)
    figures["times_the_rate_with_three_workers"] = median(
        WORKERS * one["drill"] / one["worker"] for one in rounds
    )
    for key, value in figures.items():
        print(f"{key:<36}{value:>8.4g}")
    if options.json:
        options.json.write_text(json.dumps(figures, indent=2) + "\n")


if __name__ == "__main__":
    main(sys.argv[1:])
