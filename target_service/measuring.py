"""Reference data and the scores they got -> the reference that live traffic is held against."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
from numpy.typing import NDArray

from target_service.contract import (
    BAND_QUANTILES,
    OTHER,
    Dataset,
    Floats,
    Schema,
    tail_refined_edges,
)
from target_service.evidence import (
    FEATURE_CHANGES,
    Bank,
    category_bank,
    numeric_bank,
    outcome_bank,
    score_changes,
)
from target_service.model import (
    Banks,
    Calibration,
    Distribution,
    Reference,
    band_names,
    bucket_numbers,
)


def measure(
    dataset: Dataset, scores: Floats, name: str, version: str, decision_quantile: float
) -> Reference:
    """The reference that n rows, the (n,) scores a model gave them, and their outcomes make.

    Args:
        dataset: Rows that the model was not fitted on.
        scores: What it answered.
        name: Of the model.
        version: Of the model.
        decision_quantile: Share of the scores at or below the decision threshold.

    Raises:
        ValueError: A segment of the schema has no rows.
    """
    schema = dataset.schema
    segment = schema.segment_numbers(dataset.x)
    if missing := set(range(len(schema.segments))) - set(segment.tolist()):
        absent = ", ".join(schema.segments[number] for number in sorted(missing))
        raise ValueError(f"{name}: the reference has no rows of segment {absent}")
    distribution = _distribution(scores, tuple(tail_refined_edges(scores).tolist()))
    numbers = bucket_numbers(distribution.edges, scores)
    by_outcome = [
        np.bincount(numbers[dataset.outcome == outcome], minlength=len(distribution.counts))
        for outcome in (0, 1)
    ]
    features = _feature_distributions(dataset)
    threshold = _nearest_edge(scores, distribution.edges, decision_quantile)
    positive = np.arange(len(distribution.counts)) > distribution.edges.index(threshold)
    labelled = [one.tolist() for one in by_outcome]
    changes = score_changes(distribution.counts, labelled)
    banks = Banks(
        score=numeric_bank(distribution.counts, changes, alarms=1),
        features=_feature_banks(dataset.schema, features),
        outcomes=outcome_bank(labelled, positive.tolist()),
    )
    bands = tuple(sorted({_nearest_edge(scores, distribution.edges, q) for q in BAND_QUANTILES}))
    return Reference(
        name=name,
        version=version,
        trained_at=datetime.now(UTC).isoformat(timespec="seconds"),
        schema=dataset.schema,
        decision_threshold=threshold,
        scores=distribution,
        features=features,
        labelled=(tuple(labelled[0]), tuple(labelled[1])),
        bands=bands,
        segments=tuple(
            _distribution(scores[segment == number], bands, moments=False)
            for number in range(len(schema.segments))
        ),
        calibration=_calibration(dataset, scores, segment, bands),
        banks=banks,
    )


def _feature_distributions(reference: Dataset) -> tuple[Distribution, ...]:
    distributions = []
    for feature, column in zip(reference.schema.features, reference.x.T, strict=True):
        if feature.kind == "category":
            edges = tuple(float(number) for number in range(len(feature.categories)))
            distributions.append(_distribution(column, edges, moments=False))
        else:
            edges = tuple(tail_refined_edges(column).tolist())
            distributions.append(_distribution(column, edges))
    return tuple(distributions)


def _feature_banks(schema: Schema, features: tuple[Distribution, ...]) -> tuple[Bank, ...]:
    return tuple(
        category_bank(distribution.counts, (*feature.categories, OTHER), len(features))
        if feature.kind == "category"
        else numeric_bank(distribution.counts, FEATURE_CHANGES, len(features))
        for feature, distribution in zip(schema.features, features, strict=True)
    )


def _distribution(column: Floats, edges: tuple[float, ...], moments: bool = True) -> Distribution:
    values: NDArray[np.float64] = column[~np.isnan(column)]
    counts = np.bincount(bucket_numbers(edges, values), minlength=len(edges) + 1)
    return Distribution(
        edges,
        tuple(counts.tolist()),
        mean=float(values.mean()) if moments else None,
        sd=float(values.std()) if moments else None,
        range=(float(values.min()), float(values.max())) if moments else None,
    )


def _calibration(
    reference: Dataset, scores: Floats, segment: NDArray[np.intp], bands: tuple[float, ...]
) -> tuple[Calibration, ...]:
    schema = reference.schema
    groups = [(str(schema.segment), name, segment == i) for i, name in enumerate(schema.segments)]
    numbers = bucket_numbers(bands, scores)
    groups += [("score", name, numbers == i) for i, name in enumerate(band_names(bands))]
    gap = reference.outcome - scores
    return tuple(
        Calibration(by, group, float(gap[rows].mean()) if rows.any() else 0.0, int(rows.sum()))
        for by, group, rows in groups
    )


def _nearest_edge(scores: Floats, edges: tuple[float, ...], quantile: float) -> float:
    """The edge at a quantile that is one of the edges' own, found again after ties merged."""
    wanted = np.quantile(scores, quantile)
    return min(edges, key=lambda edge: abs(edge - wanted))
