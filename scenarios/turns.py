"""Who of several load generators sends which request. Reads no clock; times are production seconds.

Every worker draws the same stream and sends its share of it: of those who take part when request k
is due, the one whose turn k is. So each request is sent once, with the row and at the time that it
would have from a single load generator, however many there are and whoever comes or goes.
"""

from __future__ import annotations

import math

import msgspec
import numpy as np
from numpy.typing import NDArray

from target_service.contract import Floats


class Turn(msgspec.Struct, frozen=True):
    """From `start` on, until the next turn's, `members` take requests one after the other."""

    start: float
    members: tuple[str, ...]


class Turns(msgspec.Struct, frozen=True):
    """All turns of a drill, in order; the first one starts with it.

    >>> turns = Turns((Turn(0.0, ("a", "b")), Turn(10.0, ("b",))))
    >>> turns.of("b", np.arange(4), np.array([0.0, 5.0, 10.0, 15.0]))
    array([False,  True,  True,  True])
    """

    turns: tuple[Turn, ...]

    @property
    def members(self) -> tuple[str, ...]:
        """Who takes part from the last turn on."""
        return self.turns[-1].members

    def then(self, start: float, members: tuple[str, ...]) -> Turns:
        """With one turn more."""
        return Turns((*self.turns, Turn(start, members)))

    def since(self, member: str) -> float:
        """When somebody's first turn starts; infinity where there is none."""
        return min((turn.start for turn in self.turns if member in turn.members), default=math.inf)

    def of(self, member: str, numbers: NDArray[np.int64], due: Floats) -> NDArray[np.bool_]:
        """(n,) whether each request, by its number and (n,) ascending due times, is a member's."""
        mine = np.zeros(len(due), dtype=np.bool_)
        starts = np.searchsorted(due, [turn.start for turn in self.turns])
        for turn, first, end in zip(self.turns, starts, [*starts[1:], len(due)], strict=True):
            if member in turn.members:
                place, count = turn.members.index(member), len(turn.members)
                mine[first:end] = numbers[first:end] % count == place
        return mine


ALONE = Turns((Turn(0.0, ("",)),))
"""One load generator that sends everything."""
