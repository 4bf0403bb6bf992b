"""What took part in a drill, by version."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from importlib.metadata import version

from driftdrill.rig.tools import Tools

_PACKAGES = ("driftdrill", "locust", "numpy", "prometheus-client", "starlette", "uvicorn")


def versions(tools: Tools) -> Mapping[str, str]:
    """Name -> version of the programs and packages that shape a verdict."""
    return {
        "prometheus": tools.prometheus.version,
        "alertmanager": tools.alertmanager.version,
        "python": platform.python_version(),
        **{name: version(name) for name in _PACKAGES},
    }
