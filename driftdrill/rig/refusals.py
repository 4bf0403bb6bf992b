"""Why a rule file is refused: what promtool says, and which rule that is about."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from driftdrill.rig.errors import UsageError
from driftdrill.rig.tools import Tool
from driftdrill.scaling import milliseconds

_HOLDS = ("for", "keep_firing_for")


def refusal(files: Sequence[Path], promtool: Tool) -> str:
    """What promtool has against some rule files; empty when it takes them.

    Findings of its linter, such as two rules of one name, are no reason not to drill. Of a duration
    that is none promtool names no rule, so those of the files that have one are added.
    """
    done = subprocess.run(
        [promtool.path, "check", "rules", "--lint=none", *files],
        capture_output=True,
        text=True,
        check=False,
    )
    if not done.returncode:
        return ""
    said = (done.stdout + done.stderr).strip()
    return "\n".join([said, *(fault for path in files for fault in _without_duration(path))])


def refuse_invalid(files: Mapping[Path, Path], promtool: Tool) -> None:
    """UsageError where promtool refuses a rule file.

    Args:
        files: Each, and the path by which the user knows it.
        promtool: Checks them.
    """
    if refusal([*files], promtool):  # mostly there is none, and one call tells
        for file, known_as in files.items():
            if found := refusal([file], promtool):
                raise UsageError(f"{known_as}: not a valid rule file\n{found}")


def _without_duration(path: Path) -> Iterator[str]:
    """A sentence for each duration of a file's groups and rules that Prometheus does not read."""
    try:
        groups = yaml.safe_load(path.read_text())["groups"]
        for group in groups:
            yield from _faults(f"group {group['name']!r}", group, ["interval"])
            for number, rule in enumerate(group.get("rules") or (), 1):
                name = rule.get("alert") or rule.get("record")
                yield from _faults(
                    f"group {group['name']!r}, rule {number}, {name!r}", rule, _HOLDS
                )
    except (OSError, ValueError, yaml.YAMLError, AttributeError, KeyError, TypeError):
        return  # What is wrong there is for promtool to say.


def _faults(where: str, holder: Mapping[str, Any], keys: Sequence[str]) -> Iterator[str]:
    for key in keys:
        if holder.get(key) is not None:
            try:
                milliseconds(str(holder[key]))
            except ValueError as error:
                yield f"{where}: {key}: {error}"
