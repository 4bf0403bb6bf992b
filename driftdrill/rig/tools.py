"""Find Prometheus and what belongs to it on this machine, or fetch them into `build/tools`."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from driftdrill.rig import BUILD
from driftdrill.rig.errors import UsageError
from driftdrill.rig.fetch import fetch_tools, fetched

_COMMANDS = {
    "prometheus": ("prometheus",),
    "promtool": ("promtool",),
    "alertmanager": ("alertmanager", "prometheus-alertmanager"),
    "node_exporter": ("node_exporter", "prometheus-node-exporter"),
}


@dataclass(frozen=True)
class Tool:
    """A program of the drill: where it is, what it says it is, and where it has to be started."""

    name: str
    path: Path
    version: str
    cwd: Path | None = None

    @property
    def series(self) -> str:
        """The version without its last part, as in `3.5`."""
        return ".".join(self.version.split(".")[:2])


@dataclass(frozen=True)
class Tools:
    """The programs that a drill runs, beside the service and Locust.

    Attributes:
        node_exporter: Describes the machine to those who watch; a drill needs none.
    """

    prometheus: Tool
    promtool: Tool
    alertmanager: Tool
    node_exporter: Tool | None = None


def find_tools(fetch: bool = True, folder: Path = BUILD / "tools") -> Tools:
    """Find the programs; when one is missing, fetch all.

    Each is looked for in its environment variable (PROMETHEUS, PROMTOOL, ALERTMANAGER,
    NODE_EXPORTER), on PATH, and in `folder`. promtool is first looked for beside Prometheus and
    must be of the same version series, for it answers for the rules that Prometheus will run.

    Args:
        fetch: Whether to download what is missing.
        folder: Where fetched programs are, and are put.

    Raises:
        UsageError: A variable names no working program; or one is missing and cannot be fetched.
    """
    tools = _look(folder)
    if fetch and isinstance(tools, str):
        fetch_tools(folder)
        tools = _look(folder)
    if isinstance(tools, str):
        raise UsageError(tools)
    return tools


def _look(folder: Path) -> Tools | str:
    """The programs that are here, or what is missing."""
    with ThreadPoolExecutor() as pool:  # each takes a tenth of a second to say what it is
        prometheus, alertmanager, node_exporter = pool.map(
            lambda name: next(_working(name, folder), None),
            ("prometheus", "alertmanager", "node_exporter"),
        )
    if not prometheus or not alertmanager:
        name = "prometheus" if not prometheus else "alertmanager"
        return f"no {name} on PATH or in {folder}; set {name.upper()}, or run `driftdrill doctor`"
    seen = []
    for promtool in _working("promtool", folder, beside=prometheus.path.parent):
        if promtool.series == prometheus.series:
            return Tools(prometheus, promtool, alertmanager, node_exporter)
        seen.append(f"{promtool.path} is {promtool.version}")
    return (
        f"no promtool {prometheus.series} for {prometheus.path}: {', '.join(seen) or 'none found'}"
        "; set PROMTOOL"
    )


def _working(name: str, folder: Path, beside: Path | None = None) -> Iterator[Tool]:
    """The programs of a name that run, best first; a variable allows for no other.

    Raises:
        UsageError: The variable names no working program.
    """
    variable = name.upper()
    if named := os.environ.get(variable):
        tool = _tool(name, Path(named))
        if not tool:
            raise UsageError(f"{variable} has the value {named!r}, which is no working {name}")
        yield tool
        return
    paths = [beside / name] if beside else []
    paths += [Path(p) for c in _COMMANDS[name] if (p := shutil.which(c))]
    for path in (*paths, *fetched(name, folder)):
        if tool := _tool(name, path):
            yield tool


def _tool(name: str, path: Path) -> Tool | None:
    """The program at a path, when it runs and says that it is the one."""
    try:
        version = _version(name, path, path.stat().st_mtime_ns)
    except (OSError, subprocess.TimeoutExpired, ValueError):
        return None
    # A Debian package that was unpacked elsewhere, ours among them, has its files beside it.
    share = path.absolute().parents[1] / "share" / "prometheus"
    return Tool(name, path.absolute(), version, share if share.is_dir() else None)


@lru_cache
def _version(name: str, path: Path, changed: int) -> str:  # noqa: ARG001  asks again after a change
    """What a program of some name says it is; ValueError when it says something else."""
    said = subprocess.run(
        [path, "--version"], capture_output=True, text=True, timeout=20, check=False
    )
    # Alertmanager of old wrote its version to the error stream.
    version = re.match(rf"{name}, version (\S+)", said.stdout or said.stderr)
    if not version:
        raise ValueError(f"{path} is not {name}")
    return version[1]
