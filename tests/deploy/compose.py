"""docker-compose.yml as Compose itself reads it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

PROJECT = Path(__file__).parents[2]
BIN = Path(sys.executable).parent


def compose(*arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
    """Run `docker-compose`, which needs no engine to read its file."""
    command = [BIN / "docker-compose", "--project-directory", PROJECT, "--profile", "*"]
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("DRIFTDRILL_", "GRAFANA_"))}
    return subprocess.run(
        [*command, *arguments],
        cwd=PROJECT,
        env={**clean, **env},
        capture_output=True,
        text=True,
        check=False,
    )


def services(**env: str) -> dict[str, dict[str, Any]]:
    """Every service, with all variables filled in and all anchors resolved."""
    done = compose("config", "--format", "json", **{"GRAFANA_ADMIN_PASSWORD": "made-up", **env})
    assert done.returncode == 0, done.stderr
    assert "variable is not set" not in done.stderr, done.stderr
    read: dict[str, dict[str, Any]] = json.loads(done.stdout)["services"]
    return read
