"""Bodies of requests and answers. What decodes into these types is valid; nothing checks again."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from target_service.contract import MAX_BATCH, Feature
from target_service.model import Distribution, Model

LARGEST_NUMBER = 1e15
"""No feature comes near; a bound keeps the histograms' sums finite whatever clients send."""

LONGEST_CATEGORY = 64

LONGEST_TOKEN = 512


class Prediction(msgspec.Struct, frozen=True):
    """The probability of outcome 1, and what brings the outcome back once it is known."""

    score: Annotated[float, Meta(ge=0, le=1)]
    token: str


class Predictions(msgspec.Struct, frozen=True):
    """One prediction per row, in the same order."""

    model: str
    version: str
    predictions: list[Prediction]


class Label(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What came true for one prediction."""

    token: Annotated[str, Meta(min_length=1, max_length=LONGEST_TOKEN)]
    outcome: Literal[0, 1]


class FeedbackRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Outcomes of earlier predictions: all are taken, or none."""

    labels: Annotated[list[Label], Meta(min_length=1, max_length=MAX_BATCH)]


class FeedbackAnswer(msgspec.Struct, frozen=True):
    """How many outcomes were new, and how many had been told before."""

    accepted: int
    duplicates: int


class Health(msgspec.Struct, frozen=True):
    """The service is ready to predict."""

    status: Literal["ok"]
    model: str
    version: str


class Problem(msgspec.Struct, frozen=True):
    """Why a request was refused, and the part of its body that was wrong, where one was."""

    error: str
    field: str | None = None


def predict_request(model: Model) -> type[msgspec.Struct]:
    """The type of a /predict body: `rows`, each an object with exactly the model's features."""
    row = msgspec.defstruct(
        "Row",
        [
            (feature.name, _value_type(feature, reference))
            for feature, reference in zip(model.schema.features, model.features, strict=True)
        ],
        frozen=True,
        forbid_unknown_fields=True,
        gc=False,
    )
    rows = Annotated[list[row], Meta(min_length=1, max_length=MAX_BATCH)]  # type: ignore[valid-type]
    return msgspec.defstruct(
        "PredictRequest", [("rows", rows)], frozen=True, forbid_unknown_fields=True
    )


def _value_type(feature: Feature, reference: Distribution) -> Any:
    """The type of one feature; a missing value is null, and only where the feature allows it."""
    value: Any
    if feature.kind == "numeric":
        typical = reference.edges[len(reference.edges) // 2]
        value = Annotated[float, Meta(ge=-LARGEST_NUMBER, le=LARGEST_NUMBER, examples=[typical])]
    else:
        about = "Any other value counts as unseen."
        value = Annotated[
            str,
            Meta(max_length=LONGEST_CATEGORY, description=about, examples=list(feature.categories)),
        ]
    return value | None if feature.nullable else value
