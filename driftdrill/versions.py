"""What took part in a drill, by version."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from importlib.metadata import version

from driftdrill.rig.tools import Tools

_PACKAGES = ("driftdrill", "locust", "numpy", "prometheus-client", "starlette", "uvicorn")


def versions(tools: Tools | None) -> Mapping[str, str]:
    """Name -> version of the programs, where they are ours, and packages that shape a verdict."""
    programs = (tools.prometheus, tools.alertmanager) if tools else ()
    return {
        **{tool.name: tool.version for tool in programs},
        "python": platform.python_version(),
        **{name: version(name) for name in _PACKAGES},
    }
