"""What the tests of the harness share."""

from __future__ import annotations

import sys

import pytest

from driftdrill.cli import main


@pytest.fixture
def drill(tmp_path, monkeypatch, capfd):
    """Give the command in an empty folder; (exit code, standard output, standard error)."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["driftdrill", *arguments])
        with pytest.raises(SystemExit) as ended:
            main()
        out, said = capfd.readouterr()
        assert "Traceback" not in said, said
        return int(ended.value.code), out, said

    return run
