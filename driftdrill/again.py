"""A drill once more: what it was told is kept beside its verdict, and held against the next one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any, Literal

import msgspec

from driftdrill.rig.errors import UsageError
from driftdrill.virtual.engine import EngineName

FILE = "drill.json"
VERDICT = "verdict.json"


class Input(msgspec.Struct, frozen=True):
    """A file that a drill read, by its path and what it held."""

    path: str
    sha256: str


class Given(msgspec.Struct, frozen=True):
    """What a drill was told, beside its scenario.

    Attributes:
        recording: What of a recording names its seed, and seals its series; None of no replay.
        speed: Production seconds per real second; says nothing of a virtual drill.
        days: As `--days`.
        replicas: As `--replicas`.
        prometheus: As `--prometheus`, a URL or a file.
        workers: As `--workers`; those of other machines are not counted.
    """

    mode: Literal["live", "virtual", "replay"]
    rules: tuple[Input, ...]
    seed: int
    speed: float
    engine: EngineName = "blocks"
    days: float | None = None
    replicas: int | None = None
    target: Input | None = None
    prometheus: str | Input | None = None
    workers: int = 0
    recording: Input | None = None


class Kept(msgspec.Struct, frozen=True):
    """What `drill.json` holds."""

    scenario: Input
    told: Given


def read(path: Path) -> Input:
    """A file as it is now."""
    return Input(str(path.resolve()), sha256(path.read_bytes()).hexdigest())


def keep(folder: Path, scenario: Path, told: Given) -> None:
    """Write what a drill was told into its folder."""
    kept = msgspec.json.encode(Kept(read(scenario), told))
    (folder / FILE).write_bytes(msgspec.json.format(kept, indent=2) + b"\n")


def kept(folder: Path) -> Kept:
    """What the drill of a folder was told.

    Raises:
        UsageError: The folder does not say, or a file is not what it was: that would be another
            drill.
    """
    try:
        found = msgspec.json.decode((folder / FILE).read_bytes(), type=Kept)
    except (OSError, msgspec.DecodeError) as error:
        raise UsageError(f"{folder / FILE}: expected what `run` wrote there; {error}") from None
    told = found.told
    others = (told.target, told.prometheus, told.recording)
    named = [file for file in others if isinstance(file, Input)]
    for file in (found.scenario, *told.rules, *named):
        try:
            same = read(Path(file.path)) == file
        except OSError as error:
            raise UsageError(f"{folder / FILE} names a file that cannot be read: {error}") from None
        if not same:
            raise UsageError(f"{file.path} has changed since the drill of {folder}")
    return found


def differences(first: Path, second: Path) -> Sequence[str]:
    """What the verdicts of two folders say differently of the same drill, a sentence each.

    Versions, outcome and reasons are compared, and of virtual drills, which have no chance in them,
    every byte. UsageError where one cannot be read.
    """
    return tuple(_told(verdict_of(first), verdict_of(second)))


class _Said(msgspec.Struct, frozen=True):
    """What is compared of a verdict."""

    mode: str
    outcome: str
    versions: Mapping[str, str]


def verdict_of(folder: Path) -> bytes:
    """The verdict of a drill as it was written; UsageError where there is none."""
    try:
        found = (folder / VERDICT).read_bytes()
        msgspec.json.decode(found, type=_Said)
    except (OSError, msgspec.DecodeError) as error:
        raise UsageError(f"{folder} holds no verdict to compare with: {error}") from None
    return found


def _told(before: bytes, after: bytes) -> Iterator[str]:
    old, new = (msgspec.json.decode(verdict, type=_Said) for verdict in (before, after))
    versions = list(_changed("version of ", old.versions, new.versions))
    yield from versions
    yield from _changed("", {"outcome": old.outcome}, {"outcome": new.outcome})
    if new.mode == "virtual" and before != after and not versions:
        then, now = msgspec.json.decode(before), msgspec.json.decode(after)
        keys = ", ".join(key for key in now if then.get(key) != now[key])
        yield f"the verdicts of a virtual drill are not the same bytes: {keys}"


def _changed(what: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[str]:
    for key in sorted({*old, *new}):
        if old.get(key) != new.get(key):
            yield f"{what}{key}: {old.get(key)} then, {new.get(key)} now"
