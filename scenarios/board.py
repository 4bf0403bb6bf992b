"""Where the load generator's web page and the harness that judges meet: a folder.

The page asks for a run, the harness says when it begins, and shows what it sees. Each file appears
whole, under its last name, so that the other side never reads half of one.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import msgspec

_REQUEST = "request.json"


class Start(msgspec.Struct, frozen=True):
    """The harness' go-ahead.

    Attributes:
        t0: Unix time at which the drill begins.
        urls: Base URL of each place of a replica of the service.
        replicas: How many there are where no phase says.
    """

    t0: float
    urls: tuple[str, ...]
    replicas: int


class Request(msgspec.Struct, frozen=True):
    """What somebody chose.

    Attributes:
        scenario: Its name in the catalogue, or the path of its file.
        speed: Production seconds per real second.
    """

    scenario: str
    speed: float
    seed: int


def announce(path: Path, document: msgspec.Struct) -> None:
    """Write a value as JSON; the file appears whole."""
    unfinished = path.with_name(f".{path.name}.new")
    unfinished.write_bytes(msgspec.json.encode(document))
    unfinished.rename(path)


def read_start(path: Path) -> Start | None:
    """The harness' go-ahead, once there is one."""
    return msgspec.json.decode(path.read_bytes(), type=Start) if path.exists() else None


@dataclass(frozen=True)
class Run:
    """One run that the page asked for: the folder of what both sides say about it."""

    folder: Path

    @property
    def number(self) -> int:
        """Counts the runs from 1."""
        return int(self.folder.name)

    @property
    def start_file(self) -> Path:
        """Holds a `Start` once the drill may begin."""
        return self.folder / "start"

    @property
    def status_file(self) -> Path:
        """Gets a line of traffic twice a second."""
        return self.folder / "traffic.jsonl"

    @property
    def report_file(self) -> Path:
        """The report, once there is a verdict."""
        return self.folder / "report.html"

    @property
    def request(self) -> Request:
        """What was asked for."""
        return msgspec.json.decode((self.folder / _REQUEST).read_bytes(), type=Request)

    @property
    def ended(self) -> bool:
        """Whether its traffic has ended, by itself or because somebody stopped it."""
        return (self.folder / "ended").exists()

    def end(self) -> None:
        """Say that its traffic has ended."""
        (self.folder / "ended").touch()


@dataclass(frozen=True)
class Board:
    """All runs of one web page, and what it shows."""

    folder: Path

    @property
    def view_file(self) -> Path:
        """What the live page shows, as HTML."""
        return self.folder / "view.html"

    def ask(self, request: Request) -> Run:
        """Ask for a run; the traffic's side."""
        last = self.last()
        run = Run(self.folder / str(last.number + 1 if last else 1))
        run.folder.mkdir()
        announce(run.folder / _REQUEST, request)
        return run

    def last(self) -> Run | None:
        """The run that was asked for last."""
        runs = [Run(path.parent) for path in self.folder.glob(f"*/{_REQUEST}")]
        return max(runs, key=lambda run: run.number, default=None)

    def show(self, html: str) -> None:
        """Put a view on the live page; the harness' side."""
        unfinished = self.view_file.with_suffix(".new")
        unfinished.write_text(html, encoding="utf-8")
        unfinished.rename(self.view_file)
