"""What a command answers with: an exit code, and what it says."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from rich.console import Console
from rich.text import Text

from driftdrill.verdict import Outcome

PASS, FAIL, USAGE, INCONCLUSIVE = range(4)

_PLAIN_WIDTH = 120
"""Columns of a log or a pipe, which say of themselves nothing; a verdict's table takes 110."""

console = Console(
    width=None if sys.stdout.isatty() or "COLUMNS" in os.environ else _PLAIN_WIDTH,
)
"""Standard output."""


def exit_code(outcomes: Sequence[Outcome]) -> int:
    """One code for several drills: a failure outranks what could not be known."""
    if "fail" in outcomes:
        return FAIL
    return INCONCLUSIVE if "inconclusive" in outcomes else PASS


def complain(message: str) -> None:
    """Say on standard error what is wrong."""
    Console(stderr=True).print(Text(f"driftdrill: {message}", style="red"), soft_wrap=True)
