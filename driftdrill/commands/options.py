"""Arguments and options that several commands share."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

Speed = Annotated[
    float, typer.Option(min=0.1, max=1000, help="Production seconds per real second.")
]
ScenarioName = Annotated[str, typer.Argument(help="A scenario, or the path of its file.")]
Seed = Annotated[int, typer.Option(min=0, help="Seed of the traffic.")]
Days = Annotated[
    float | None,
    typer.Option(
        min=0.01, max=366, help="Stretch the steady phases until the drill lasts so many days."
    ),
]
Folder = Annotated[
    Path, typer.Option("--scenarios", help="Folder of scenario files, in place of the shipped.")
]
Rules = Annotated[
    list[Path] | None,
    typer.Option(metavar="FILE…", help="Rule files in place of the shipped ones."),
]
Target = Annotated[Path | None, typer.Option(help="A file that describes a service of your own.")]

Workers = Annotated[
    int, typer.Option(min=0, max=64, help="Processes of this machine that share the traffic.")
]
Listen = Annotated[
    str | None, typer.Option(help="Address at which workers of other machines may join.")
]


class Engine(Enum):
    """Which engine evaluates the rules of a virtual drill."""

    BLOCKS = "blocks"
    PROMTOOL = "promtool"
