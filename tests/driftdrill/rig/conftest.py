"""What the rig's tests share."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from driftdrill.rig.tools import Tools, find_tools


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (ProcessLookupError, FileNotFoundError):
        return False
    return state != "Z"


@pytest.fixture
def ends() -> Callable[[int], bool]:
    """Whether a process ends, given time; one that nobody has waited for counts as ended."""

    def wait(pid: int) -> bool:
        deadline = time.monotonic() + 20
        while _runs(pid) and time.monotonic() < deadline:
            time.sleep(0.02)
        return not _runs(pid)

    return wait


@pytest.fixture(scope="session")
def tools() -> Tools:
    """The real programs, fetched when this machine has none."""
    return find_tools()


@pytest.fixture
def fake_tool() -> Callable[[Path, str, str], Path]:
    """Write a program that says that it is `name` of a version, and return its path."""

    def write(path: Path, name: str, version: str) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f'#!/bin/sh\necho "{name}, version {version} (branch: HEAD)"\n')
        path.chmod(0o755)
        return path

    return write
