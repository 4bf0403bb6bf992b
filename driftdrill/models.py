"""The shipped models' artifacts: where they are, and that they are there."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from driftdrill.rig import BUILD, PROJECT
from driftdrill.rig.errors import RigError, UsageError
from scenarios.worlds import is_own

FOLDER = BUILD / "models"


def artifact(model: str, train: bool = True) -> Path:
    """A model's artifact, trained first when it is missing or older than what it is made from.

    Raises:
        UsageError: The model is the user's own.
        RigError: It is missing and `train` is false, or training failed; with what was said.
    """
    if is_own(model):
        raise UsageError(
            f"{model} describes rows, and no model of ours takes them: name a --target"
        )
    folder = FOLDER / model
    made = max((path.stat().st_mtime for path in folder.glob("*")), default=0.0)
    service = PROJECT / "target_service"
    sources = [*service.glob("*.py"), *service.glob("data/*.npz")]
    if made <= max(path.stat().st_mtime for path in sources):
        if not train:
            raise RigError(f"no current {folder}; `driftdrill doctor --fix` trains it")
        command = [sys.executable, "-m", "target_service", "train", model, "--out", str(FOLDER)]
        done = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=False)
        if done.returncode:
            raise RigError(f"model {model} could not be trained\n{done.stdout}{done.stderr}")
    return folder
