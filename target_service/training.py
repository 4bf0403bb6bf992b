"""Training: a data set -> a model with its held-out reference. The only user of scikit-learn."""

from __future__ import annotations

import msgspec
import numpy as np
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from target_service.contract import (
    DATA,
    RECIPES,
    Dataset,
    Schema,
    load_dataset,
)
from target_service.flaws import mislabelled
from target_service.measuring import measure
from target_service.model import (
    CategoryTerm,
    Model,
    NumericTerm,
)
from target_service.seasons import measure_season


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

    pipeline = fit(fitted_on)
    intercept, terms = compile_linear(pipeline, dataset.schema)
    scores = np.asarray(pipeline.predict_proba(reference.x)[:, 1], dtype=np.float64)
    measured = measure(reference, scores, name, version, recipe.decision_quantile)
    if recipe.hours is not None:
        season = measure_season(measured, reference, scores, recipe.hours)
        measured = msgspec.structs.replace(measured, season=season)
    return Model(intercept=intercept, terms=terms, **msgspec.structs.asdict(measured))


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
