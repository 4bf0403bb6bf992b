"""The shipped models' artifacts: where they are, and that they are there."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from driftdrill.rig import BUILD, PROJECT
from driftdrill.rig.errors import RigError, UsageError
from driftdrill.rig.locks import locked
from driftdrill.rig.replicas import Service
from scenarios.spec import Scenario
from scenarios.worlds import is_own
from target_service.builds import BUILDS, USUAL

FOLDER = BUILD / "models"


def service(scenario: Scenario) -> Service:
    """What the replicas of a drill are to be, each build with its artifact.

    Raises:
        RigError: A model could not be trained.
    """
    builds = {life.build for life in scenario.fleet.lives}
    artifacts = {build: artifact(scenario.model, build=build) for build in sorted(builds)}
    return Service(artifacts, scenario.fleet, scenario.lost_scrapes)


def artifact(model: str, train: bool = True, build: str = USUAL) -> Path:
    """A model's artifact, trained first when it is missing or older than what it is made from.

    Args:
        model: Which one.
        train: Whether to train it.
        build: Which build is to serve it; most serve the same.

    Raises:
        UsageError: The model is the user's own.
        RigError: It is missing and `train` is false, or training failed; with what was said.
    """
    if is_own(model):
        raise UsageError(
            f"{model} describes rows, and no model of ours takes them: name a --target"
        )
    parent = FOLDER / build if BUILDS[build].lost_positives else FOLDER
    folder = parent / model
    if _is_current(folder):
        return folder
    if not train:
        raise RigError(f"no current {folder}; `driftdrill doctor --fix` trains it")
    command = [sys.executable, "-m", "target_service", "train", model, "--out", str(parent)]
    command += ["--drill-build", build] if parent != FOLDER else []
    with locked(folder):
        if _is_current(folder):  # somebody else trained it meanwhile
            return folder
        done = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RigError(f"model {model} could not be trained\n{done.stdout}{done.stderr}")
    return folder


def _is_current(folder: Path) -> bool:
    """Whether an artifact is younger than all that it is made from."""
    made = max((path.stat().st_mtime for path in folder.glob("*")), default=0.0)
    service = PROJECT / "target_service"
    sources = [*service.glob("*.py"), *service.glob("data/*.npz")]
    return made > max(path.stat().st_mtime for path in sources)
