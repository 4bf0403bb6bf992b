"""A recording inside a Prometheus of its own, on the loopback."""

from __future__ import annotations

import os
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
from driftdrill.virtual.gotext import labels
from driftdrill.virtual.recording import recorded_series
from driftdrill.virtual.remote_write import push

_READY_LIMIT_S = 60.0
_QUERY_LIMIT_S = 3600.0

_BLOCK = "100000h"
"""All samples stay in the open block, which takes those of half its duration in any order."""

_CONFIG = "storage: {tsdb: {out_of_order_time_window: 100y}}\n"
"""What rules record is older than the block of what was scraped, and comes after it."""

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

    Attributes, inside the `with` block:
        url: Base URL of Prometheus.

    Raises:
        RigError: Prometheus did not start.
        PrometheusError: It did not take the samples.
    """

    def __init__(
        self, recording: Path, tools: Tools, work: Path, interruption: Interruption
    ) -> None:
        self._recording = recording
        self._tools = tools
        self._work = work.resolve()
        self._interruption = interruption
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        self._work.mkdir(parents=True, exist_ok=True)
        with ExitStack() as loading:
            self._serve(self._work / "data", loading)
            recorded = recorded_series(self._recording)
            push(self.url, ((labels(series), times, values) for series, times, values in recorded))
            block = self._snapshot()
        with ExitStack() as stack:
            self._serve(block, stack)
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stack.close()

    def client(self) -> Prometheus:
        """A connection to the server, for the caller to close."""
        return Prometheus(self.url, timeout=_QUERY_LIMIT_S)

    def _snapshot(self) -> Path:
        """Have the samples written into a block: there each query finds its chunks at once."""
        with closing(self.client()) as prometheus:
            name = prometheus.post("admin/tsdb/snapshot")["name"]
        return self._work / "data" / "snapshots" / str(name)

    def _serve(self, data: Path, stack: ExitStack) -> None:
        port = stack.enter_context(lease_port(9090))
        config = self._work / "prometheus.yml"
        config.write_text(_CONFIG)
        flags = [
            f"--config.file={config}",
            f"--storage.tsdb.path={data}",
            f"--storage.tsdb.min-block-duration={_BLOCK}",
            f"--storage.tsdb.max-block-duration={_BLOCK}",
            "--web.enable-remote-write-receiver",
            "--web.enable-admin-api",
            "--storage.tsdb.retention.time=100y",
            f"--web.listen-address={port.address}",
            "--query.max-samples=1000000000",
            f"--query.timeout={_QUERY_LIMIT_S:.0f}s",
            "--log.level=warn",
        ]
        tool, log = self._tools.prometheus, self._work / "prometheus.log"
        environment = {**os.environ, **_ENVIRONMENT}
        process = Process(
            tool.name, [str(tool.path), *flags], cwd=tool.cwd, env=environment, log=log
        )
        stack.callback(process.stop)
        self.url = f"http://{port.address}"
        ready = readiness.answers(f"{self.url}/-/ready")
        readiness.wait([process], ready, _READY_LIMIT_S, self._interruption)
