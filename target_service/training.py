"""Training: a data set -> a model with its held-out reference. The only user of scikit-learn."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
from numpy.typing import NDArray
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from target_service.contract import (
    BAND_QUANTILES,
    DATA,
    OTHER,
    RECIPES,
    Dataset,
    Floats,
    Schema,
    load_dataset,
    tail_refined_edges,
)
from target_service.evidence import (
    FEATURE_CHANGES,
    SCORE_CHANGES,
    Bank,
    category_bank,
    numeric_bank,
    outcome_bank,
)
from target_service.flaws import mislabelled
from target_service.model import (
    Banks,
    Calibration,
    CategoryTerm,
    Distribution,
    Model,
    NumericTerm,
    band_names,
    bucket_numbers,
)


def train(dataset: Dataset, name: str, version: str) -> Model:
    """Fit the named model, and measure its reference on the rows that follow.

    The same data set gives the same model but for `trained_at`.

    Raises:
        ValueError: No recipe has that name, or the data are too short for it.
    """
    recipe = RECIPES[_known(name)]
    fitted_on, reference = recipe.split(dataset)
    if not len(reference) or len(np.unique(fitted_on.outcome)) < 2:
        raise ValueError(f"{name}: needs rows of both outcomes, then rows for the reference")
    segment = dataset.schema.segment_numbers(reference.x)
    if missing := set(range(len(dataset.schema.segments))) - set(segment.tolist()):
        absent = ", ".join(dataset.schema.segments[number] for number in sorted(missing))
        raise ValueError(f"{name}: the reference has no rows of segment {absent}")

    pipeline = fit(fitted_on)
    intercept, terms = compile_linear(pipeline, dataset.schema)
    scores = np.asarray(pipeline.predict_proba(reference.x)[:, 1], dtype=np.float64)
    reference_scores = _distribution(scores, tuple(tail_refined_edges(scores).tolist()))
    numbers = bucket_numbers(reference_scores.edges, scores)
    by_outcome = [
        np.bincount(numbers[reference.outcome == outcome], minlength=len(reference_scores.counts))
        for outcome in (0, 1)
    ]
    features = _feature_distributions(reference)
    threshold = _nearest_edge(scores, reference_scores.edges, recipe.decision_quantile)
    positive = np.arange(len(reference_scores.counts)) > reference_scores.edges.index(threshold)
    banks = Banks(
        score=numeric_bank(reference_scores.counts, SCORE_CHANGES, alarms=1),
        features=_feature_banks(dataset.schema, features),
        outcomes=outcome_bank([one.tolist() for one in by_outcome], positive.tolist()),
    )
    bands = tuple(
        sorted({_nearest_edge(scores, reference_scores.edges, q) for q in BAND_QUANTILES})
    )
    return Model(
        name=name,
        version=version,
        trained_at=datetime.now(UTC).isoformat(timespec="seconds"),
        schema=dataset.schema,
        intercept=intercept,
        terms=terms,
        decision_threshold=threshold,
        scores=reference_scores,
        features=features,
        labelled=(tuple(by_outcome[0].tolist()), tuple(by_outcome[1].tolist())),
        bands=bands,
        segments=tuple(
            _distribution(scores[segment == number], bands, moments=False)
            for number in range(len(dataset.schema.segments))
        ),
        calibration=_calibration(reference, scores, segment, bands),
        banks=banks,
    )


def train_named(name: str, version: str, lost_positives: float = 0.0) -> Model:
    """Train one of the models that ship, on the data set of the same name.

    Args:
        name: Which model.
        version: Of the artifact.
        lost_positives: For drills: share of the positive outcomes that are recorded as negative.

    Raises:
        ValueError: No such model, or its data set cannot be read.
    """
    dataset = load_dataset(DATA / f"{_known(name)}.npz")
    return train(mislabelled(dataset, lost_positives), name, version)


def _known(name: str) -> str:
    if name not in RECIPES:
        raise ValueError(f"no model {name!r}; known: {', '.join(RECIPES)}")
    return name


def fit(dataset: Dataset) -> Pipeline:
    """A scikit-learn pipeline from the encoded (n, d) matrix to the outcome."""
    numeric = [i for i, f in enumerate(dataset.schema.features) if f.kind == "numeric"]
    category = [i for i, f in enumerate(dataset.schema.features) if f.kind == "category"]
    known = [np.arange(len(dataset.schema.features[i].categories), dtype=float) for i in category]
    columns = ColumnTransformer(
        [
            ("numeric", make_pipeline(SimpleImputer(strategy="median"), StandardScaler()), numeric),
            ("category", OneHotEncoder(categories=known, handle_unknown="ignore"), category),
        ]
    )
    return make_pipeline(columns, LogisticRegression(max_iter=1000)).fit(dataset.x, dataset.outcome)


def compile_linear(
    pipeline: Pipeline, schema: Schema
) -> tuple[float, tuple[NumericTerm | CategoryTerm, ...]]:
    """A fitted pipeline as an intercept and one term per column: its log-odds are linear."""
    columns = pipeline["columntransformer"].named_transformers_
    imputer, scaler = columns["numeric"]["simpleimputer"], columns["numeric"]["standardscaler"]
    regression = pipeline["logisticregression"]
    weights = regression.coef_[0].tolist()
    numeric_count = len(scaler.scale_)
    slopes = np.array(weights[:numeric_count]) / scaler.scale_
    intercept = float(regression.intercept_[0] - slopes @ scaler.mean_)

    numeric = iter(zip(slopes.tolist(), imputer.statistics_.tolist(), strict=True))
    effects = iter(weights[numeric_count:])
    terms: list[NumericTerm | CategoryTerm] = []
    for feature in schema.features:
        if feature.kind == "numeric":
            terms.append(NumericTerm(*next(numeric)))
        else:
            terms.append(CategoryTerm((*(next(effects) for _ in feature.categories), 0.0)))
    return intercept, tuple(terms)


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
        Calibration(by, group, float(gap[rows].mean()), int(rows.sum()))
        for by, group, rows in groups
    )


def _nearest_edge(scores: Floats, edges: tuple[float, ...], quantile: float) -> float:
    """The edge at a quantile that is one of the edges' own, found again after ties merged."""
    wanted = np.quantile(scores, quantile)
    return min(edges, key=lambda edge: abs(edge - wanted))
