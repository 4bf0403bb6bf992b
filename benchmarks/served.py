"""Services under load from outside, in turns: what their metrics cost them per request.

    python benchmarks/served.py [--json FILE] [--quick]

The CPU time is the service process' own. wrk asks as fast as it is answered; where it is missing,
our own load generator does at a rate that leaves the service idle at times. Each variant serves for
a while, then the next one does, round after round, so that whatever else the machine does meets all
alike; medians of the rounds.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from statistics import median, quantiles

import httpx

from driftdrill.models import artifact
from driftdrill.overhead.load import CONNECTIONS, Load, Sent
from driftdrill.overhead.subject import bodies, cpu_clock, own_command, request_maker
from driftdrill.rig.ports import lease_port
from driftdrill.rig.process import Process
from scenarios.target import shipped_target

HTTP = Path(__file__).with_name("http_services.py")
BARE = {"ours": "starlette", "starlette_exporter": "starlette", "instrumentator": "fastapi"}
"""What each variant is without its metrics."""

_MODEL = "credit"
_MODELS = ("model", "model_without_metrics")
_START_S = 30.0


@dataclass(frozen=True)
class Pace:
    """How hard to measure.

    Attributes:
        rounds: In which everything has its turn.
        seconds: Of a turn.
        rate: Requests/s where they are paced.
        pairs: How many processes serve the model with metrics, and without. The two differ by a
            few in a hundred, and so do processes of one kind, by where they lie in memory.
    """

    rounds: int
    seconds: int
    rate: float
    pairs: int


THOROUGH = Pace(rounds=15, seconds=1, rate=2500.0, pairs=3)
QUICK = Pace(rounds=1, seconds=1, rate=200.0, pairs=1)


@dataclass(frozen=True)
class _Served:
    process: Process
    url: str
    script: Path

    def us_per_request(self, pace: Pace) -> float:
        clock = cpu_clock(self.process.pid)
        before = clock()
        requests = self._wrk(pace) if shutil.which("wrk") else self._paced(pace)
        return (clock() - before) / requests * 1e6

    def _wrk(self, pace: Pace) -> int:
        options = ["-t1", f"-c{CONNECTIONS}", f"-d{pace.seconds}", "-s", str(self.script)]
        done = subprocess.run(
            ["wrk", *options, f"{self.url}/predict"], capture_output=True, text=True, check=True
        )
        found = re.search(r"(\d+) requests in", done.stdout)
        assert found, done.stdout
        assert "Non-2xx" not in done.stdout, done.stdout
        return int(found[1])

    def _paced(self, pace: Pace) -> int:
        return self.send(pace.rate, pace.seconds).requests

    def send(self, rate: float, seconds: float) -> Sent:
        """Ask at a constant rate, which must not fail."""
        target = shipped_target(self.url, _MODEL)
        load = Load(self.url, request_maker(target, bodies(target), stray=0))
        sent = load.send(rate, seconds)
        assert sent.failed == 0, f"{sent.failed} requests failed"
        return sent


def measure(pace: Pace) -> dict[str, float]:
    """The figures by their keys; CPU in microseconds per request."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        model = artifact(_MODEL)
        services = {
            name: [_start(stack, folder, name, [sys.executable, str(HTTP), name, "0"])]
            for name in (*dict.fromkeys(BARE.values()), *BARE)
        }
        for number in range(pace.pairs):
            for name, metrics in zip(_MODELS, (True, False), strict=True):
                command = own_command(model, 0, metrics=metrics)
                served = _start(stack, folder, f"{name}-{number}", command)
                services.setdefault(name, []).append(served)
        _set_apart(chain.from_iterable(services.values()))
        times: dict[str, list[float]] = {name: [] for name in services}
        for number in range(pace.rounds + 1):
            for turn in range(pace.pairs):
                for name, processes in services.items():
                    if turn < len(processes):
                        spent = processes[turn].us_per_request(pace)
                        if number or pace.rounds == 1:  # the first round warms up
                            times[name].append(spent)
        latencies = services["model"][0].send(pace.rate, pace.seconds * pace.rounds).latencies
    p99 = quantiles(latencies, n=100)[-1]
    return {**_figures(times), f"p99_ms_at_{pace.rate:g}_per_second": round(p99 * 1e3, 2)}


def _set_apart(services: Iterable[_Served]) -> None:
    """Services on one processor, who asks on the others: neither gets in the other's way."""
    first, *others = sorted(os.sched_getaffinity(0))
    if others:
        for service in services:
            os.sched_setaffinity(service.process.pid, {first})
        os.sched_setaffinity(0, others)


def _figures(times: dict[str, list[float]]) -> dict[str, float]:
    cpu = {name: median(found) for name, found in times.items()}
    added = {
        name: median(a - b for a, b in zip(times[name], times[bare], strict=True))
        for name, bare in BARE.items()
    }
    with_, without = (times[name] for name in _MODELS)
    found = {
        **{f"us_{name}": value for name, value in cpu.items()},
        **{f"us_http_{name}": value for name, value in added.items()},
        "throughput_ratio": median(b / a for a, b in zip(with_, without, strict=True)),
        "requests_per_second_core": 1e6 / cpu["model"],
        "times_cheaper_than_starlette_exporter": added["starlette_exporter"] / added["ours"],
        "times_cheaper_than_instrumentator": added["instrumentator"] / added["ours"],
    }
    return {name: round(value, 3) for name, value in found.items()}


def main(arguments: list[str]) -> None:
    """Measure, print, and write the figures where they are asked for."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there")
    parser.add_argument("--quick", action="store_true", help="a glance: the figures are rough")
    options = parser.parse_args(arguments)
    figures = measure(QUICK if options.quick else THOROUGH)
    for name, value in figures.items():
        print(f"{name:<44}{value:>10.2f}")
    if options.json:
        options.json.write_text(json.dumps(figures, indent=2) + "\n")


def _start(stack: ExitStack, folder: Path, name: str, command: list[str]) -> _Served:
    port = stack.enter_context(lease_port(18_000))
    url = f"http://{port.address}"
    told = [str(port.port) if word == "0" else word for word in command]  # 0 stands for a port
    process = Process(
        name, told if "--port" in told else [*told, str(port.port)], log=folder / name
    )
    stack.callback(process.stop)
    deadline = time.monotonic() + _START_S
    while not _answers(url):
        assert process.alive, process.describe_exit()
        assert time.monotonic() < deadline, f"{name} did not start"
        time.sleep(0.05)
    script = folder / f"{name}.lua"
    body = bodies(shipped_target(url, _MODEL))[0].decode()
    script.write_text(
        f'wrk.method = "POST"\nwrk.body = [==[{body}]==]\n'
        'wrk.headers["Content-Type"] = "application/json"\n'
    )
    return _Served(process, url, script)


def _answers(url: str) -> bool:
    try:
        httpx.get(url, trust_env=False)
    except httpx.TransportError:
        return False
    return True


if __name__ == "__main__":
    main(sys.argv[1:])
