"""Rows that come in bursts of like ones: how much less their evidence is worth.

A sum of n independent values of evidence has n times the variance of one. Where neighbours are
alike it has φ times as much, and a drift that is none gathers evidence like one. Divided by φ, sums
are as rare as they are meant to be: with mean -nκ and variance φ·2nκ, which is what evidence of
small changes has, a normal sum S has E[exp(S/φ)] = 1 again.
"""

from __future__ import annotations

import msgspec
import numpy as np

from target_service.contract import Dataset, Floats
from target_service.evidence import Bank, discounted
from target_service.model import Banks, Distribution, Reference, bucket_numbers

SHORTEST, LONGER, FEWEST = 8, 4, 100
"""Values of the shortest blocks that are summed, how many times as long the next ones are, and how
many blocks there must be for their variance to be known."""


def inflation(nats: Floats) -> float:
    """How many times the variance of independent evidence its sums have: φ.

    It is the largest over alternatives and block lengths. What chance alone would give, within four
    standard errors of a variance, counts as 1.

    Args:
        nats: (alternatives, n) evidence of each value, in the order in which they came.
    """
    found, length = 1.0, SHORTEST
    varying = nats[nats.var(axis=1) > 0]
    while (blocks := nats.shape[1] // length) >= FEWEST and len(varying):
        sums = varying[:, : blocks * length].reshape(len(varying), blocks, length).sum(axis=2)
        ratio = float((sums.var(axis=1) / (length * varying.var(axis=1))).max())
        if ratio > 1 + 4 * np.sqrt(2 / blocks):
            found = max(found, ratio)
        length *= LONGER
    return found


def for_dependent_rows(reference: Reference, dataset: Dataset, scores: Floats) -> Reference:
    """The reference, with the evidence of each bank divided by its inflation among these rows.

    Args:
        reference: What the rows made.
        dataset: The rows, in the order in which they came.
        scores: (n,) what the model answered.
    """
    banks, bins = reference.banks, len(reference.scores.counts)
    scored = bucket_numbers(reference.scores.edges, scores)
    columns = zip(banks.features, reference.features, dataset.x.T, strict=True)
    divided = Banks(
        score=_divided(banks.score, scored),
        features=tuple(_divided(bank, _known(one, column)) for bank, one, column in columns),
        outcomes=_divided(banks.outcomes, bins * dataset.outcome.astype(np.intp) + scored),
    )
    return msgspec.structs.replace(reference, banks=divided)


def _known(distribution: Distribution, column: Floats) -> np.ndarray:
    return bucket_numbers(distribution.edges, column[~np.isnan(column)])


def _divided(bank: Bank, numbers: np.ndarray) -> Bank:
    return discounted(bank, 1 / inflation(np.array(bank.weights)[:, numbers]))
