"""A recording inside a Prometheus of its own."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

from driftdrill.promapi import Prometheus
from driftdrill.rig.interrupts import Interruption
from driftdrill.rig.tools import Tools
from driftdrill.virtual.gotext import NAME, labels
from driftdrill.virtual.recording import recorded_series
from driftdrill.virtual.selectors import Wanted, everything
from driftdrill.virtual.server import QUERY_LIMIT_S, serve
from driftdrill.virtual.tsdb import BlockWriter
from target_service.contract import Floats


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

    Raises:
        EngineError: The recording's samples are out of order.
        RigError: Prometheus did not start.
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
        self._tools = tools
        self._work = work
        self._interruption = interruption
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        self._writer = BlockWriter(self._work / "blocks")
        self._writer.add(self._wanted_series())
        with ExitStack() as stack:
            self._stack = stack
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
        """Add series, to be found after `catch_up`; as `BlockWriter.add`."""
        self._writer.add(series)

    def catch_up(self) -> None:
        """Have all samples found, by clients made from now on.

        A running Prometheus looks for new blocks once a minute. So one more is started; those
        before it go on answering.
        """
        served = serve(self._writer.block(), self._tools, self._work, self._interruption)
        self.url = self._stack.enter_context(served)

    def client(self) -> Prometheus:
        """A connection to the server, for the caller to close."""
        return Prometheus(self.url, timeout=QUERY_LIMIT_S)

    def _wanted_series(self) -> Iterator[tuple[dict[str, str], Floats, Floats]]:
        for series, times, values in recorded_series(self._recording):
            named = labels(series)
            if self._wanted(named[NAME], named):
                yield named, times, values
