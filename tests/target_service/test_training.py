from __future__ import annotations

import msgspec
import numpy as np
import pytest

from target_service.contract import Dataset
from target_service.model import Model
from target_service.training import train, train_named


def test_the_same_data_give_the_same_model(credit_data: Dataset, credit: Model) -> None:
    again = train(credit_data, "credit", "1.0.0")

    assert msgspec.structs.replace(again, trained_at=credit.trained_at) == credit


def test_the_artifact_says_when_it_was_trained_in_utc(credit: Model) -> None:
    assert credit.trained_at.endswith("+00:00")


@pytest.mark.parametrize(("name", "declined"), [("credit", 0.1), ("flights", 0.25)])
def test_the_decision_threshold_is_an_edge_that_the_riskiest_share_exceeds(
    name: str, declined: float, request: pytest.FixtureRequest
) -> None:
    model: Model = request.getfixturevalue(name)
    threshold = model.scores.edges.index(model.decision_threshold)

    assert model.scores.cdf[threshold] == pytest.approx(1 - declined, abs=1e-3)


@pytest.mark.parametrize("name", ["credit", "flights"])
def test_the_score_reference_has_20_buckets_and_20000_samples(
    name: str, request: pytest.FixtureRequest
) -> None:
    model: Model = request.getfixturevalue(name)

    assert len(model.scores.counts) == 20
    assert model.scores.samples >= 20_000
    assert np.sum(model.labelled, axis=0).tolist() == list(model.scores.counts)


def test_the_reference_shares_no_row_with_the_training_data(
    flights_data: Dataset, flights: Model
) -> None:
    days = (flights_data.time - flights_data.time[0]) / 86_400
    held_out = flights_data[np.searchsorted(days, 56) : np.searchsorted(days, 84)]
    distance = flights.features[flights.schema.index("distance")]

    assert distance.samples == len(held_out)
    assert distance.mean == held_out.x[:, flights.schema.index("distance")].mean()


def test_missing_values_are_not_in_a_feature_reference(flights: Model) -> None:
    pressure = flights.features[flights.schema.index("pressure")]

    assert 0 < pressure.samples < flights.scores.samples


@pytest.mark.parametrize(("name", "at_least"), [("credit", 0.75), ("flights", 0.65)])
def test_scores_rank_rows_that_the_model_has_not_seen(
    name: str, at_least: float, request: pytest.FixtureRequest
) -> None:
    model: Model = request.getfixturevalue(name)
    dataset: Dataset = request.getfixturevalue(f"{name}_data")
    late = dataset[-20_000:]
    scores = model.score(late.x)
    rank = np.empty(len(late))
    rank[np.argsort(scores)] = np.arange(len(late))
    ones = late.outcome == 1
    area = (rank[ones].mean() - (ones.sum() - 1) / 2) / (~ones).sum()

    assert area > at_least


def test_an_unknown_model_is_refused_with_the_known_names() -> None:
    with pytest.raises(ValueError, match="no model 'bogus'; known: credit, flights"):
        train_named("bogus", "1.0.0")


def test_data_too_short_for_a_reference_are_refused(credit_data: Dataset) -> None:
    with pytest.raises(ValueError, match="credit: needs rows of both outcomes"):
        train(credit_data[:1000], "credit", "1.0.0")
