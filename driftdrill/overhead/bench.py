"""A Prometheus of our own that scrapes one target, and says what that costs it."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from types import TracebackType
from typing import Self

import yaml

from driftdrill.promapi import Prometheus
from driftdrill.rig import readiness
from driftdrill.rig.interrupts import Interruption
from driftdrill.rig.ports import lease_port
from driftdrill.rig.process import Process
from driftdrill.rig.scrape import scrape_address, scrape_settings
from driftdrill.rig.tools import Tool
from scenarios.target import Target

SCRAPE_INTERVAL_S = 1.0
"""Real seconds: many samples in a short step, and yet ten requests between two of them. Where
counters stand still from scrape to scrape, little traffic takes less space than it does at 15 s."""

_START_LIMIT_S = 30.0
_LOOKS = 5
"""How often what is stored is looked at for a look that no scrape fell into."""


@dataclass(frozen=True)
class Stored:
    """What a Prometheus has taken so far.

    Attributes:
        samples: How many.
        begun: How many chunks they are in.
        wal: Bytes of its write-ahead log.
        chunks: Bytes of the samples, as `chunk_bytes` has them.
    """

    samples: float
    begun: float
    wal: int
    chunks: int


def bytes_per_sample(looks: Sequence[Stored], series: float) -> tuple[float, float]:
    """What a sample took between the first look and the last: of the WAL, and of the chunks.

    Of every 120 samples or so the first begins a chunk, which takes about twenty bytes, whatever
    its value. Short steps have either none or one of these. So where half of the series began one
    between two looks, the chunks are not compared, unless that is so between all of them.

    Args:
        looks: At least two, in the order of time.
        series: How many Prometheus holds.
    """
    pieces = list(pairwise(looks))
    amid = [piece for piece in pieces if piece[1].begun - piece[0].begun < series / 2] or pieces
    samples = sum(after.samples - before.samples for before, after in amid)
    chunks = sum(after.chunks - before.chunks for before, after in amid)
    wal = looks[-1].wal - looks[0].wal
    return wal / max(looks[-1].samples - looks[0].samples, 1), chunks / max(samples, 1)


class Bench:
    """Prometheus, started; a context manager.

    Args:
        target: What to scrape.
        tool: Prometheus.
        folder: For its configuration, data and log.
        interruption: Ends the wait for it.
    """

    def __init__(
        self, target: Target, tool: Tool, folder: Path, interruption: Interruption
    ) -> None:
        folder.mkdir(parents=True)
        self._data = folder.resolve() / "data"
        self._stack = ExitStack()
        self._lease = self._stack.enter_context(lease_port(9090))
        secrets = Path(self._stack.enter_context(TemporaryDirectory(prefix="driftdrill-")))
        config = folder.resolve() / "prometheus.yml"
        config.write_text(yaml.safe_dump(_config(target, secrets)))
        flags = [
            f"--config.file={config}",
            f"--storage.tsdb.path={self._data}",
            f"--web.listen-address={self._lease.address}",
            "--web.enable-admin-api",
            "--log.level=warn",
        ]
        self.prometheus = Prometheus(f"http://{self._lease.address}", timeout=60.0)
        self._process = Process(
            tool.name, [str(tool.path), *flags], cwd=tool.cwd, log=folder / "prometheus.log"
        )
        self._interruption = interruption

    def __enter__(self) -> Self:
        try:
            ready = readiness.answers(f"{self.prometheus.url}/-/ready")
            readiness.wait([self._process], ready, _START_LIMIT_S, self._interruption)
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._process.stop()
        self.prometheus.close()
        self._stack.close()

    def head_series(self) -> float:
        """The series in its head, as it counts them itself."""
        return self.prometheus.counter("prometheus_tsdb_head_series")

    def stored(self) -> Stored:
        """What it holds at this moment, between two scrapes where looking is quick enough."""
        for _ in range(_LOOKS):
            self._interruption.check()
            samples = self._samples()
            begun = self.prometheus.counter("prometheus_tsdb_head_chunks_created_total")
            chunks = chunk_bytes(self.prometheus, self._data)
            stored = Stored(samples, begun, _size(self._data / "wal"), chunks)
            if self._samples() == samples:
                break
        return stored

    def _samples(self) -> float:
        return self.prometheus.counter("prometheus_tsdb_head_samples_appended_total")

    def scrapes(self, start: float, end: float) -> tuple[float, ...]:
        """The duration of each scrape in (start, end], unix seconds."""
        found = self.prometheus.samples("scrape_duration_seconds", start, end)
        return tuple(value for series in found for _, value in series.samples)

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Nothing is scraped meanwhile."""
        os.kill(self._process.pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(self._process.pid, signal.SIGCONT)


def chunk_bytes(prometheus: Prometheus, data: Path) -> int:
    """The size of all samples of a Prometheus, compressed as they are in blocks on disk.

    Args:
        prometheus: With its admin API on.
        data: Its folder.
    """
    name = prometheus.post("admin/tsdb/snapshot")["name"]
    snapshot = data / "snapshots" / str(name)
    size = sum(_size(chunks) for chunks in snapshot.glob("*/chunks"))
    shutil.rmtree(snapshot)
    return size


def _config(target: Target, secrets: Path) -> dict[str, object]:
    interval = f"{SCRAPE_INTERVAL_S * 1000:.0f}ms"
    job = {
        "job_name": "overhead",
        "static_configs": [{"targets": [scrape_address(target)]}],
        **scrape_settings(target, secrets),
    }
    return {
        "global": {"scrape_interval": interval, "scrape_timeout": interval},
        "scrape_configs": [job],
    }


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
