"""A Prometheus on a folder of samples, on the loopback."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from driftdrill.rig import readiness
from driftdrill.rig.interrupts import Interruption
from driftdrill.rig.ports import lease_port
from driftdrill.rig.process import Process
from driftdrill.rig.tools import Tools

_READY_LIMIT_S = 60.0
QUERY_LIMIT_S = 3600.0
"""A query may take as long as it likes; this ends one that hangs."""

_BLOCK = "100000h"
"""Blocks are never put together, and what is sent stays in the open one, which takes samples of
half its duration in any order."""

_ENVIRONMENT = {"GOGC": "400", "GODEBUG": "memprofilerate=0"}
"""Queries make garbage quickly: cleaning up at five times what is kept, instead of at twice, saves
a tenth to a quarter of the processor time, for some 100 MB more in a drill of a month. Not sampling
who uses memory saves 4 %."""


@contextmanager
def serve(
    data: Path, tools: Tools, work: Path, interruption: Interruption, *flags: str
) -> Iterator[str]:
    """Prometheus' base URL, inside the `with` block.

    Args:
        data: Its folder of samples.
        tools: Prometheus.
        work: Folder for its configuration and log.
        interruption: Ends the wait for it.
        flags: More of its command line.

    Raises:
        RigError: It did not start.
    """
    work = work.resolve()
    work.mkdir(parents=True, exist_ok=True)
    config = work / "prometheus.yml"
    config.write_text("{}")
    with lease_port(9090) as port:
        command = [
            str(tools.prometheus.path),
            f"--config.file={config}",
            f"--storage.tsdb.path={data.resolve()}",
            f"--storage.tsdb.min-block-duration={_BLOCK}",
            f"--storage.tsdb.max-block-duration={_BLOCK}",
            "--storage.tsdb.retention.time=100y",
            "--no-storage.tsdb.wal-compression",
            f"--web.listen-address={port.address}",
            "--query.max-samples=1000000000",
            f"--query.timeout={QUERY_LIMIT_S:.0f}s",
            "--log.level=warn",
            *flags,
        ]
        tool, log = tools.prometheus, work / "prometheus.log"
        process = Process(
            tool.name, command, cwd=tool.cwd, env={**os.environ, **_ENVIRONMENT}, log=log
        )
        try:
            url = f"http://{port.address}"
            ready = readiness.answers(f"{url}/-/ready")
            readiness.wait([process], ready, _READY_LIMIT_S, interruption)
            yield url
        finally:
            process.stop(grace=0.0)  # what it would tidy up is thrown away
