"""A recording inside a Prometheus: written into blocks by promtool, served on the loopback."""

from __future__ import annotations

import subprocess
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

from driftdrill.promapi import Prometheus
from driftdrill.rig import readiness
from driftdrill.rig.errors import RigError
from driftdrill.rig.interrupts import Interruption
from driftdrill.rig.ports import lease_port
from driftdrill.rig.process import Process
from driftdrill.rig.tools import Tools

_READY_LIMIT_S = 60.0
_QUERY_LIMIT_S = 3600.0

_BLOCK = "800h"
"""promtool reads the whole file again for every block, so blocks are as long as a drill is."""


class Store:
    """Prometheus on a recording's samples; a context manager.

    Args:
        metrics: OpenMetrics text with timestamps.
        tools: Prometheus and promtool.
        work: Folder for blocks, configuration and log.
        interruption: Ends the wait for Prometheus.

    Attributes, inside the `with` block:
        url: Base URL of Prometheus.

    Raises:
        RigError: promtool cannot write the blocks, or Prometheus did not start.
    """

    def __init__(self, metrics: Path, tools: Tools, work: Path, interruption: Interruption) -> None:
        self._metrics = metrics
        self._tools = tools
        self._work = work.resolve()
        self._interruption = interruption
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        self._work.mkdir(parents=True, exist_ok=True)
        with ExitStack() as stack:
            _write_blocks(self._metrics, self._data, self._tools.promtool.path)
            self._serve(stack)
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stack.close()

    @property
    def _data(self) -> Path:
        return self._work / "blocks"

    def client(self) -> Prometheus:
        """A connection to the server, for the caller to close."""
        return Prometheus(self.url, timeout=_QUERY_LIMIT_S)

    def _serve(self, stack: ExitStack) -> None:
        port = stack.enter_context(lease_port(9090))
        config = self._work / "prometheus.yml"
        config.write_text("{}\n")
        flags = [
            f"--config.file={config}",
            f"--storage.tsdb.path={self._data}",
            "--storage.tsdb.retention.time=100y",
            f"--web.listen-address={port.address}",
            "--query.max-samples=1000000000",
            f"--query.timeout={_QUERY_LIMIT_S:.0f}s",
            "--log.level=warn",
        ]
        tool, log = self._tools.prometheus, self._work / "prometheus.log"
        process = Process(tool.name, [str(tool.path), *flags], cwd=tool.cwd, log=log)
        stack.callback(process.stop)
        self.url = f"http://{port.address}"
        ready = readiness.answers(f"{self.url}/-/ready")
        readiness.wait([process], ready, _READY_LIMIT_S, self._interruption)


def _write_blocks(metrics: Path, folder: Path, promtool: Path) -> None:
    done = subprocess.run(
        [
            promtool, "tsdb", "create-blocks-from", "openmetrics",
            f"--max-block-duration={_BLOCK}", "--quiet", metrics.resolve(), folder,
        ],
        capture_output=True,
        text=True,
        check=False,
    )  # fmt: skip
    if done.returncode:
        said = (done.stdout + done.stderr).strip()[-2000:]
        raise RigError(f"promtool cannot write {metrics} into blocks: {said}")
