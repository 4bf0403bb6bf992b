"""What can be said before a drill: are the files right, is the machine ready?"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from rich.console import Console
from rich.text import Text

from driftdrill.models import artifact
from driftdrill.rig.configs import write_rules
from driftdrill.rig.errors import RigError, UsageError
from driftdrill.rig.ports import lease_port
from driftdrill.rig.tools import find_tools
from driftdrill.scaling import unscalable
from driftdrill.text import printable_lines
from scenarios.spec import load
from scenarios.worlds import MODELS
from scenarios.yamlfile import read_yaml

PORTS = {"service": 8000, "Prometheus": 9090, "Alertmanager": 9093, "Locust's web page": 8089}


def check_file(path: Path, speed: float, console: Console) -> Iterator[str]:
    """Check one scenario or rule file; yields what is wrong, prints what is worth knowing."""
    try:
        document = read_yaml(path)
        if "groups" in document.value:
            with tempfile.TemporaryDirectory() as folder:
                write_rules([path], speed, Path(folder) / "rules", find_tools().promtool)
            kind = "rules"
            for name, function in _bound_to_the_clock(document.value):
                note = f"{path}: {name} uses {function}(), which a drill cannot speed up"
                console.print(Text(note, style="yellow"), soft_wrap=True)
        else:
            load(path)
            kind = "scenario"
    except (UsageError, ValueError) as error:
        yield str(error)
    else:
        console.print(Text(f"{path}: a valid {kind} file"), soft_wrap=True)


def _bound_to_the_clock(
    document: dict[str, list[dict[str, list[dict[str, str]]]]],
) -> Iterator[tuple[str, str]]:
    for group in document["groups"]:
        for rule in group.get("rules", []):
            for function in unscalable(rule["expr"]):
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
