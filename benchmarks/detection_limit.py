"""The least that any chart reaches which knows what changes there may be, but not which one comes.

Mixtures of Shiryaev and Roberts' statistic over the changes are what no chart is much better than
(see docs/detection.md), so what is left to choose is how much weight each change has. Here it is
searched for the weights with the smallest geometric mean of delays over those of the oracle.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import numpy as np
from detection_worlds import CALM, MIRRORED
from detectors import CHUNK, first_over, shiryaev_roberts, threshold

from target_service.contract import Floats

FACTORS = (4.0, 2.0, 1.4, 1.2)
"""By which one weight at a time is raised or lowered, as long as that helps."""


def statistics(streams: Floats, step: int) -> Floats:
    """(changes, streams, evaluations) of each change, averaged with its mirror image."""
    densities = [after for both in MIRRORED.values() for after in both]
    first = np.cumsum([0, *(len(both) for both in MIRRORED.values())])[:-1]
    sizes = np.array([len(both) for both in MIRRORED.values()], dtype=np.float32)
    parts = [
        np.add.reduceat(shiryaev_roberts(CALM, densities, step, streams[i : i + CHUNK]), first)
        / sizes[:, None, None]
        for i in range(0, len(streams), CHUNK)
    ]
    return np.concatenate(parts, axis=1)


def least_ratio(
    calm: Floats,
    changed: Mapping[str, Floats],
    oracle: Mapping[str, float],
    step: int,
    run_length: float,
    delay: Callable[[Floats], float],
) -> tuple[float, Mapping[str, float]]:
    """The smallest geometric mean that any weights reach, and those weights.

    Args:
        calm: (streams, values) without a change.
        changed: By the change, streams with it.
        oracle: By the change, its delay.
        step: Values per evaluation.
        run_length: Values between two false alarms.
        delay: Mean delay, from the alarms of streams with a change.
    """
    quiet = statistics(calm, step)
    found = {name: statistics(streams, step) for name, streams in changed.items()}

    def ratio(weights: Floats) -> float:
        """The geometric mean with some weights."""

        def heights(each: Floats) -> Floats:
            mixed = np.tensordot(weights.astype(np.float32), each, 1)
            return np.maximum.accumulate(np.log(mixed), axis=1)

        level, _ = threshold(heights(quiet), step, run_length)
        delays = {name: delay(first_over(heights(one), level, step)) for name, one in found.items()}
        return math.exp(np.mean([math.log(delays[name] / oracle[name]) for name in delays]))

    weights = np.full(len(MIRRORED), 1 / len(MIRRORED))
    best = ratio(weights)
    for factor in FACTORS:
        for number in range(len(weights)):
            for one in (factor, 1 / factor):
                tried = weights.copy()
                tried[number] *= one
                tried /= tried.sum()
                reached = ratio(tried)
                if reached < best:
                    best, weights = reached, tried
    return best, dict(zip(MIRRORED, weights.tolist(), strict=True))
