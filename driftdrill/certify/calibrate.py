"""Thresholds by simulation: as low as a run length allows at the traffic that a service has.

The formula ln(F · M · T) holds for any traffic, and is too careful for most of it. Here traffic
without a change is drawn, bank by bank, and the threshold is the least with which the run length is
known to be long enough.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np
from joblib import Parallel, delayed
from msgspec.structs import replace

from driftdrill.certify.certificate import calm
from driftdrill.certify.statistic import DENSE_WINDOWS, SPARSE_WINDOWS, evidence
from driftdrill.models import artifact
from driftdrill.rig.errors import UsageError
from target_service.contract import RECIPES, Floats
from target_service.evidence import Bank
from target_service.model import (
    ArtifactError,
    Banks,
    Model,
    Reference,
    load,
    load_reference,
)

STREAMS, EVALUATIONS = 100, 20_000
"""How much traffic is drawn for each bank."""

WARM_UP = DENSE_WINDOWS[-1]
"""Evaluations from which on all windows are full: a service has run for a while."""


@dataclass(frozen=True)
class Traffic:
    """What one evaluation brings, at least.

    Attributes:
        values: Predictions.
        labels: Outcomes.
    """

    values: int
    labels: int


@dataclass(frozen=True)
class Calibrated:
    """The threshold of one bank.

    Attributes:
        bank: `score`, `outcomes`, or the name of a feature.
        formula: ln(F · M · T), in nats.
        threshold: The calibrated one, in nats.
    """

    bank: str
    formula: float
    threshold: float


def read_model(named: str) -> Reference:
    """A model that ships, that of a folder, or a reference alone in a file; UsageError if none."""
    path = artifact(named) if named in RECIPES else Path(named)
    try:
        return load(path) if path.is_dir() else load_reference(path)
    except ArtifactError as error:
        raise UsageError(str(error)) from error


def write_model(reference: Reference, out: Path) -> None:
    """Write what `read_model` read: a model into a folder, a reference into a file."""
    if isinstance(reference, Model):
        reference.save(out)
    else:
        out.write_bytes(msgspec.json.encode(reference))


def calibrate(
    reference: Reference,
    traffic: Traffic,
    run_length: int,
    seed: int,
    jobs: int,
    show: Callable[[int, int], None],
) -> tuple[Sequence[Calibrated], Banks]:
    """The thresholds of all banks of a reference, and its banks with them.

    Args:
        reference: Of a model.
        traffic: What an evaluation brings. More of it makes run lengths longer.
        run_length: Evaluations between two false alarms of an alert.
        seed: Of what is drawn.
        jobs: Processes, as joblib counts.
        show: Called with the banks that are done, and how many there are.

    Raises:
        UsageError: Its evidence is discounted, so independent draws would promise too much.
    """
    everything = [reference.banks.score, *reference.banks.features, reference.banks.outcomes]
    if any(bank.trust != 1 for bank in everything):
        raise UsageError(
            f"{reference.name}: its rows are like their neighbours, and draws are not:"
            " its thresholds stay those of the formula"
        )
    if reference.season is not None:
        raise UsageError(
            f"{reference.name}: its reference goes by the hour:"
            " its thresholds stay those of the formula"
        )
    features = dict(zip(reference.schema.names, reference.banks.features, strict=True))
    shared = len(features)
    todo = {
        "score": (reference.banks.score, [reference.scores.counts], DENSE_WINDOWS, 1),
        **{
            name: (bank, [one.counts], SPARSE_WINDOWS, shared)
            for (name, bank), one in zip(features.items(), reference.features, strict=True)
        },
        "outcomes": (reference.banks.outcomes, reference.labelled, DENSE_WINDOWS, 1),
    }
    found = Parallel(n_jobs=jobs, return_as="generator")(
        delayed(threshold)(
            bank,
            np.concatenate(counts),
            windows,
            traffic.labels if name == "outcomes" else traffic.values,
            run_length * banks,
            [seed, number],
        )
        for number, (name, (bank, counts, windows, banks)) in enumerate(todo.items())
    )
    lines: dict[str, Calibrated] = {}
    for (name, (bank, _, _, banks)), reached in zip(todo.items(), found, strict=True):
        formula = math.log(len(bank.alternatives) * banks * run_length)
        lines[name] = Calibrated(name, formula, min(reached, formula))
        show(len(lines), len(todo))
    return tuple(lines.values()), _with_thresholds(reference.banks, lines, features)


def threshold(
    bank: Bank,
    counts: Floats,
    windows: Sequence[int],
    values: int,
    run_length: int,
    seed: Sequence[int],
) -> float:
    """The least threshold, in nats, at which a bank's run length is known to be long enough.

    The lower bound of the measured run length (Garwood 1936) has to reach it. A run length that is
    longer than the streams is reached from there by its logarithm: Shiryaev and Roberts' statistic
    grows by 1 per evaluation in the mean, so that its run length is at least in proportion to the
    exponential of the threshold (Pollak 1987).

    Args:
        bank: Of the reference.
        counts: (bins,) reference values. What is known of their shares is no better than so many
            values make it, so each stream has shares of its own (Dirichlet, Krichevsky-Trofimov).
        windows: Evaluations that the rules look back over.
        values: Per evaluation.
        run_length: Evaluations between two false alarms.
        seed: Of the draws.
    """
    rng = np.random.default_rng(list(seed))
    weights = np.array(bank.weights)
    length = min(EVALUATIONS, run_length)
    streams = STREAMS * EVALUATIONS // (length + WARM_UP)
    arrived = np.full(length + WARM_UP, float(values))
    heights = np.empty((streams, length), dtype=np.float32)
    for row in heights:
        drawn = rng.multinomial(values, rng.dirichlet(counts + 0.5), size=length + WARM_UP)
        row[:] = np.maximum.accumulate(evidence(weights @ drawn.T, arrived, windows)[WARM_UP:])
    highest = np.sort(heights[:, -1])
    for alarms in range(streams - 1, -1, -1):
        # With a threshold just above the highest of all other streams, so many alarm.
        least = np.nextafter(highest[streams - 1 - alarms], np.float32(np.inf))
        watched = int((heights < least).sum())
        if calm(alarms, max(watched, 1), 60.0).arl_low >= length:
            return float(least) + math.log(run_length / length)
    return math.inf


def _with_thresholds(
    banks: Banks, found: Mapping[str, Calibrated], features: Mapping[str, Bank]
) -> Banks:
    return Banks(
        score=replace(banks.score, threshold=found["score"].threshold),
        features=tuple(
            replace(bank, threshold=found[name].threshold) for name, bank in features.items()
        ),
        outcomes=replace(banks.outcomes, threshold=found["outcomes"].threshold),
    )
