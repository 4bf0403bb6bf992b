"""A recording inside a Prometheus of its own, on the loopback."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, closing
from pathlib import Path
from types import TracebackType
from typing import Self

from driftdrill.promapi import Prometheus
from driftdrill.rig import readiness
from driftdrill.rig.interrupts import Interruption
from driftdrill.rig.ports import lease_port
from driftdrill.rig.process import Process
from driftdrill.rig.tools import Tools
from driftdrill.virtual.gotext import NAME, labels
from driftdrill.virtual.recording import read_recording, recorded_series
from driftdrill.virtual.remote_write import push
from driftdrill.virtual.selectors import Wanted, everything
from target_service.contract import Floats

_READY_LIMIT_S = 60.0
QUERY_LIMIT_S = 3600.0
"""A query may take as long as it likes; this ends one that hangs."""

OPEN_S = 86_400.0
"""Seconds of recording that are asked in the open block as fast as in a closed one."""

_BLOCK = "100000h"
"""All samples stay in the open block, which takes those of half its duration in any order."""

_ENVIRONMENT = {"GOGC": "400"}
"""Queries make garbage quickly: cleaning up at five times what is kept, instead of at twice, saves
a tenth to a quarter of the processor time, for some 100 MB more in a drill of a month."""


class Store:
    """Prometheus on a recording's samples; a context manager.

    Args:
        recording: Its folder.
        tools: Prometheus.
        work: Folder for data, configuration and log.
        interruption: Ends the wait for Prometheus.
        wanted: Which of the series.

    Attributes, inside the `with` block:
        url: Base URL of Prometheus.
        series: How many there are of the recording.

    Raises:
        RigError: Prometheus did not start.
        PrometheusError: It did not take the samples.
    """

    def __init__(
        self,
        recording: Path,
        tools: Tools,
        work: Path,
        interruption: Interruption,
        wanted: Wanted = everything,
    ) -> None:
        self._recording = recording
        self._wanted = wanted
        self._long = read_recording(recording).duration > OPEN_S
        self._tools = tools
        self._work = work.resolve()
        self._interruption = interruption
        self._stack = ExitStack()
        self.series = 0

    def __enter__(self) -> Self:
        self._work.mkdir(parents=True, exist_ok=True)
        with ExitStack() as stack:
            self._stack = stack
            self._writer = self.url = self._serve(self._work / "data")
            push(self._writer, self._wanted_series())
            self.catch_up()
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stack.close()

    def add(self, series: Iterable[tuple[Mapping[str, str], Floats, Floats]]) -> None:
        """Add series, to be found after `catch_up`; as `remote_write.push`."""
        push(self._writer, series)

    def catch_up(self) -> None:
        """Have all samples found, by clients made from now on.

        In a block a query finds its chunks at once. In the open one it walks through those of a
        series one by one, which matters for a month of samples and not for a day. So a long
        recording is asked on a server of its own, on one block of all that the first has. Those
        before it go on answering.
        """
        if self._long:
            with closing(Prometheus(self._writer, timeout=QUERY_LIMIT_S)) as writer:
                block = writer.post("admin/tsdb/snapshot")["name"]
            folder = self._work / "data" / "snapshots" / str(block)
            self.url = self._serve(folder)

    def client(self) -> Prometheus:
        """A connection to the server, for the caller to close."""
        return Prometheus(self.url, timeout=QUERY_LIMIT_S)

    def _wanted_series(self) -> Iterator[tuple[dict[str, str], Floats, Floats]]:
        for series, times, values in recorded_series(self._recording):
            named = labels(series)
            if self._wanted(named[NAME], named):
                self.series += 1
                yield named, times, values

    def _serve(self, data: Path) -> str:
        """Start a server on a folder of data; its URL."""
        port = self._stack.enter_context(lease_port(9090))
        config = self._work / "prometheus.yml"
        config.write_text("{}")
        flags = [
            f"--config.file={config}",
            f"--storage.tsdb.path={data}",
            f"--storage.tsdb.min-block-duration={_BLOCK}",
            f"--storage.tsdb.max-block-duration={_BLOCK}",
            "--web.enable-remote-write-receiver",
            "--web.enable-admin-api",
            "--storage.tsdb.retention.time=100y",
            "--no-storage.tsdb.wal-compression",
            f"--web.listen-address={port.address}",
            "--query.max-samples=1000000000",
            f"--query.timeout={QUERY_LIMIT_S:.0f}s",
            "--log.level=warn",
        ]
        tool, log = self._tools.prometheus, self._work / "prometheus.log"
        environment = {**os.environ, **_ENVIRONMENT}
        process = Process(
            tool.name, [str(tool.path), *flags], cwd=tool.cwd, env=environment, log=log
        )
        self._stack.callback(process.stop, grace=0.0)  # what it would tidy up is thrown away
        url = f"http://{port.address}"
        ready = readiness.answers(f"{url}/-/ready")
        readiness.wait([process], ready, _READY_LIMIT_S, self._interruption)
        return url
