from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from driftdrill.rig import venv
from driftdrill.rig.debian import DebianError


def pip_of(folder: Path) -> str:
    command = [str(folder / "bin/pip"), "--version"]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout


@pytest.mark.live
def test_a_venv_has_pip(tmp_path: Path) -> None:
    venv.make_venv(tmp_path / "venv")
    assert str(tmp_path / "venv") in pip_of(tmp_path / "venv")


@pytest.mark.live
def test_a_python_without_ensurepip_gets_pip_from_debian(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "ensurepip", None)
    venv.make_venv(tmp_path / "venv", build=tmp_path / "build")
    assert str(tmp_path / "venv") in pip_of(tmp_path / "venv")


def test_elsewhere_a_python_without_ensurepip_is_a_clear_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "ensurepip", None)
    monkeypatch.setenv("PATH", "")
    with pytest.raises(DebianError, match="has no module ensurepip"):
        venv.make_venv(tmp_path / "venv", build=tmp_path / "build")
    assert not (tmp_path / "venv").exists()


def test_the_command_tells_how_it_is_used() -> None:
    command = [sys.executable, "-m", "driftdrill.rig.venv"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr == "usage: python3 -m driftdrill.rig.venv FOLDER\n"
