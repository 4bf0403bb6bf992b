"""What mutants met, kept as it is found: a study that was stopped goes on where it was."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

import msgspec


class Met(msgspec.Struct, frozen=True):
    """One mutant before one scenario.

    Attributes:
        mutant: Its number.
        reason: Why the drill did not pass; None where it did, and so did not notice.
    """

    mutant: int
    reason: str | None


class Journal:
    """The mutants that one scenario has met, as a file of JSON lines.

    Args:
        path: The file; there need not be one yet.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def read(self) -> Iterator[Met]:
        """Everything but a line that somebody who was killed did not finish."""
        if not self._path.exists():
            return
        for line in self._path.read_bytes().splitlines():
            with suppress(msgspec.DecodeError):
                yield msgspec.json.decode(line, type=Met)

    @contextmanager
    def continued(self) -> Iterator[Writer]:
        """Add to it for as long as the `with` block lasts."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with self._path.open("ab") as file:
            yield Writer(file)


class Writer:
    """Adds lines, each of which is there for readers at once."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        # After an unfinished line; empty lines are none.
        self._file.write(b"\n")

    def add(self, met: Met) -> None:
        """Keep what a mutant met."""
        self._file.write(msgspec.json.encode(met) + b"\n")
        self._file.flush()
