"""What can be said before a drill: are the files right, is the machine ready?"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from rich.console import Console
from rich.text import Text

from driftdrill.models import artifact
from driftdrill.rig.configs import write_rules
from driftdrill.rig.errors import RigError, UsageError
from driftdrill.rig.ports import lease_port
from driftdrill.rig.rig import refuse_leftovers
from driftdrill.rig.tools import find_tools
from driftdrill.scaling import unscalable
from driftdrill.text import printable_lines
from scenarios.rowsfile import describe, load_rows
from scenarios.spec import Scenario, load
from scenarios.target import load_target
from scenarios.worlds import MODELS
from scenarios.yamlfile import read_bounded

PORTS = {"service": 8000, "Prometheus": 9090, "Alertmanager": 9093, "Locust's web page": 8089}


def check_file(path: Path, speed: float, console: Console) -> Iterator[str]:
    """Check one file of any kind; yields what is wrong, prints what is worth knowing."""
    document = _document(path)
    try:
        if "groups" in document or "apiVersion" in document:
            check_rules([path], speed)
            kind = "rules"
            for name, function in _bound_to_the_clock(document):
                note = f"{path}: {name} depends on `{function}`, which a drill cannot speed up"
                console.print(Text(note, style="yellow"), soft_wrap=True)
        elif "rows" in document:
            rows = load_rows(path)
            kind = "rows"
        elif "url" in document:
            load_target(path)
            kind = "target"
        else:
            load(path)
            kind = "scenario"
    except (UsageError, ValueError) as error:
        yield str(error)
    else:
        console.print(Text(f"{path}: a valid {kind} file"), soft_wrap=True)
        for line in describe(rows) if kind == "rows" else ():
            console.print(Text(f"  {line}"), soft_wrap=True)


def check_rules(rules: Sequence[Path], speed: float) -> None:
    """UsageError, with what promtool says, where Prometheus would refuse a rule file at a speed."""
    with tempfile.TemporaryDirectory() as folder:
        write_rules(rules, speed, Path(folder) / "rules", find_tools().promtool)


def result_folders(scenarios: Sequence[Scenario], out: Path | None) -> list[Path | None]:
    """Where each drill is to write: into `out`, or each into a folder of its own below it.

    Returns:
        One folder per scenario; None for each when the user named none.

    Raises:
        UsageError: A folder holds something, or two drills would write into the same.
    """
    if out is None:
        return [None] * len(scenarios)
    folders = [out / scenario.name for scenario in scenarios] if len(scenarios) > 1 else [out]
    if len(set(folders)) < len(folders):
        raise UsageError(f"two scenarios of one name would both write below {out}; run them apart")
    for folder in folders:
        refuse_leftovers(folder)
    return [*folders]


def _document(path: Path) -> Mapping[str, Any]:
    """The mapping in a file; empty where it is none, of which a scenario's reader says more."""
    try:
        document = yaml.safe_load(read_bounded(path))
    except (ValueError, yaml.YAMLError, RecursionError):
        return {}
    return document if isinstance(document, dict) else {}


def _bound_to_the_clock(document: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """The rules of a valid rule file that ask for the time, each with the function it calls."""
    for group in document["groups"] or ():
        for rule in group.get("rules") or ():
            for function in unscalable(str(rule["expr"])):
                yield rule.get("alert") or rule["record"], function


def doctor(fix: bool, quiet: bool, console: Console) -> bool:
    """Look at the tools, models and ports that a drill needs; true when none is missing.

    Args:
        fix: Fetch and train what is missing.
        quiet: Print only what is wrong.
        console: Where to print.
    """

    def tools() -> str:
        found = find_tools(fetch=fix)
        return ", ".join(
            f"{tool.name} {tool.version} ({tool.path})"
            for tool in (found.prometheus, found.promtool, found.alertmanager)
        )

    def model(name: str) -> Callable[[], str]:
        return lambda: str(artifact(name, train=fix))

    def port(preferred: int) -> Callable[[], str]:
        def look() -> str:
            with lease_port(preferred) as lease:
                free = f"{preferred} is free"
                return free if lease.port == preferred else f"{preferred} is taken: {lease.port}"

        return look

    looks: dict[str, Callable[[], str]] = {
        "tools": tools,
        **{f"model {name}": model(name) for name in MODELS},
        **{f"port of {name}": port(number) for name, number in PORTS.items()},
        "processors": lambda: f"{os.cpu_count()} (a live drill at speed 60 keeps one busy)",
    }
    well = True
    for what, look in looks.items():
        try:
            found = Text(f"  ok   {what}: {look()}")
        except (UsageError, RigError, OSError) as error:
            well = False
            found = Text(f"  BAD  {what}: {printable_lines(str(error))}", style="red")
            console.print(found, soft_wrap=True)
        else:
            if not quiet:
                console.print(found, soft_wrap=True)
    return well
