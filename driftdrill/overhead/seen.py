"""What a study brings home, live or virtual."""

from __future__ import annotations

from dataclasses import dataclass

from driftdrill.exposition import Exposition
from driftdrill.overhead.claims import Step


@dataclass(frozen=True)
class Seen:
    """Steps, and what tells which labels grew.

    Attributes:
        target: What was measured.
        steps: The least traffic first.
        first: The exposition after the first step; `last` the one after the last.
    """

    target: str
    steps: tuple[Step, ...]
    first: Exposition
    last: Exposition
