"""Promtool's tests of the rules, which may notice a mutant that no drill does."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import yaml

from driftdrill.rig.tools import Tool
from driftdrill.virtual.rules import Group


def passes(test: Path, groups: Sequence[Group], promtool: Tool) -> bool:
    """Whether a test file passes with some rules.

    Args:
        test: It, which names its rules as `../rules/NAME`.
        groups: The rules, sound or broken.
        promtool: Runs the test.
    """
    with TemporaryDirectory() as work:
        rules, tests = Path(work, "rules"), Path(work, "tests")
        rules.mkdir()
        tests.mkdir()
        for path in {group.file for group in groups}:
            documents = [group.document for group in groups if group.file == path]
            (rules / path.name).write_text(yaml.safe_dump({"groups": documents}))
        shutil.copy(test, tests)
        command = [str(promtool.path), "test", "rules", str(tests / test.name)]
        return subprocess.run(command, capture_output=True, check=False).returncode == 0
