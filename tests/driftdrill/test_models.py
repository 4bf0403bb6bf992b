"""The shipped models' artifacts: trained once, whoever asks at the same time."""

from __future__ import annotations

import os
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from driftdrill import models
from driftdrill.rig.errors import RigError


@pytest.fixture
def trained(tmp_path, monkeypatch):
    """The models that were trained, in their order; each takes a moment."""
    found: list[str] = []

    def train(command, **_):
        time.sleep(0.2)
        name, out = command[4], Path(command[6])
        found.append(name)
        (out / name).mkdir(parents=True, exist_ok=True)
        (out / name / "model.json").write_text("{}")
        return subprocess.CompletedProcess(command, 0, "", "")

    monkeypatch.setattr(models, "FOLDER", tmp_path / "models")
    monkeypatch.setattr(models.subprocess, "run", train)
    return found


def test_drills_that_begin_at_the_same_time_train_a_model_once(trained):
    with ThreadPoolExecutor(4) as pool:
        folders = set(pool.map(models.artifact, ["credit"] * 4))
    assert trained == ["credit"]
    assert folders == {models.FOLDER / "credit"}


def test_a_model_older_than_its_sources_is_trained_again(trained):
    folder = models.artifact("credit")
    os.utime(folder / "model.json", (0, 0))
    assert models.artifact("credit") == folder
    assert trained == ["credit", "credit"]


def test_a_model_that_is_not_there_is_named_where_none_may_be_trained(trained):
    with pytest.raises(RigError, match=r"no current .*credit; `driftdrill doctor --fix` trains it"):
        models.artifact("credit", train=False)
    assert trained == []
