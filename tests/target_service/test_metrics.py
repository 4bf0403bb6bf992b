from __future__ import annotations

import threading
from itertools import accumulate

import msgspec
import numpy as np
import pytest
from exposition import samples, select, value
from prometheus_client import CollectorRegistry
from prometheus_client.openmetrics.parser import text_string_to_metric_families as openmetrics

from target_service.contract import METRICS, RECIPES, Dataset
from target_service.http_metrics import WAITING
from target_service.metrics import ModelMetrics
from target_service.model import Model, band_names
from target_service.reference import le_name


def test_the_names_and_labels_on_the_wire_are_those_of_the_contract(
    metrics: ModelMetrics,
) -> None:
    found = {(name, frozenset(key for key, _ in labels)) for name, labels in samples(metrics)}

    assert found == {(name, frozenset(labels)) for name, labels in METRICS.items()}


@pytest.mark.parametrize("name", ["credit", "flights"])
def test_traffic_adds_no_series(name: str, request: pytest.FixtureRequest) -> None:
    model: Model = request.getfixturevalue(name)
    dataset: Dataset = request.getfixturevalue(f"{name}_data")
    metrics = ModelMetrics(model, "app")
    before = samples(metrics)
    x = dataset.x[:100].copy()
    x[:50] = np.nan
    x[50:, -1] = len(model.schema.features[-1].categories)
    metrics.observe(x, model.score(x))
    segments = model.schema.segment_numbers(x)
    metrics.observe_labels(model.score(x), dataset.outcome[:100], segments, duplicates=2)
    metrics.observe_request("POST", "/predict", 200, 0.01)

    assert samples(metrics).keys() == before.keys()


def test_every_counter_starts_at_0(metrics: ModelMetrics) -> None:
    counters = [
        count
        for (name, _labels), count in samples(metrics).items()
        if name.endswith(("_total", "_bucket", "_count", "_sum"))
    ]

    assert len(counters) > 300
    assert set(counters) == {0.0}


@pytest.mark.parametrize(
    "sizes",
    [
        pytest.param([1] * (2 * WAITING + 30), id="one by one"),
        pytest.param([3, WAITING - 4, 2, WAITING, WAITING + 29], id="mixed"),
        pytest.param([WAITING // 2 - 1] * 5 + [WAITING // 2, 1], id="on the edge"),
        pytest.param([2 * WAITING + 30], id="at once"),
    ],
)
def test_rows_are_counted_alike_however_many_come_at_once(
    credit: Model, credit_data: Dataset, sizes: list[int]
) -> None:
    x = credit_data.x[: sum(sizes)].copy()
    x[3, 0] = np.nan
    x[4, -1] = np.nan
    x[5, -1] = len(credit.schema.features[-1].categories)
    x[6, 0] = credit.features[0].edges[4]
    scores = credit.score(x)
    scores[7] = credit.scores.edges[2]
    metrics = ModelMetrics(credit, "app")
    for end, size in zip(accumulate(sizes), sizes, strict=True):
        metrics.observe(x[end - size : end], scores[end - size : end])

    age = x[~np.isnan(x[:, 0]), 0]
    for name, edges, values, labels in (
        ("model_score", credit.scores.edges, scores, {}),
        ("model_feature", credit.features[0].edges, age, {"feature": credit.schema.names[0]}),
    ):
        found = select(metrics, f"{name}_bucket", **labels)
        assert [count for _, count in found] == [
            sum(v <= edge for v in values.tolist()) for edge in (*edges, np.inf)
        ]
        assert value(metrics, f"{name}_sum", **labels) == pytest.approx(values.sum())
    whole = ModelMetrics(credit, "app")
    whole.observe(x, scores)
    assert samples(metrics) == pytest.approx(samples(whole))


def test_what_is_changed_after_it_was_observed_counts_as_it_was(
    credit_data: Dataset, metrics: ModelMetrics
) -> None:
    x, scores = credit_data.x[:2].copy(), np.array([0.25, 0.5])
    metrics.observe(x, scores)
    x[:], scores[:] = np.nan, 9.0

    assert value(metrics, "model_score_sum") == 0.75
    assert value(metrics, "model_feature_count", feature="age") == 2


def test_rows_and_scores_that_do_not_fit_are_refused(
    credit_data: Dataset, metrics: ModelMetrics
) -> None:
    x, scores = credit_data.x[:2], np.array([0.25, 0.5])
    for rows, their_scores in ((x[:, :1], scores), (x, scores[:1]), (x[0], scores)):
        with pytest.raises(ValueError, match="do not fit"):
            metrics.observe(rows, their_scores)
    assert value(metrics, "model_score_count") == 0


def test_a_value_on_an_edge_belongs_to_the_bucket_below_it(
    credit: Model, credit_data: Dataset, metrics: ModelMetrics
) -> None:
    edge = credit.scores.edges[4]
    metrics.observe(credit_data.x[:1], np.array([edge]))
    buckets = select(metrics, "model_score_bucket")

    assert {float(labels["le"]): count for labels, count in buckets} == {
        le: float(le >= edge) for le in (*credit.scores.edges, np.inf)
    }


def test_missing_values_and_unseen_categories_are_counted_apart(
    credit: Model, credit_data: Dataset, metrics: ModelMetrics
) -> None:
    x = credit_data.x[:1].copy()
    x[0, credit.schema.index("income")] = np.nan
    x[0, credit.schema.index("home")] = 3
    metrics.observe(x, credit.score(x))

    assert value(metrics, "model_feature_missing_total", feature="income") == 1
    assert value(metrics, "model_feature_count", feature="income") == 0
    assert value(metrics, "model_category_total", feature="home", category="other") == 1
    assert value(metrics, "model_feature_count", feature="age") == 1


def test_values_beyond_those_of_the_reference_are_counted_in_the_last_bucket_and_apart(
    credit: Model, credit_data: Dataset, metrics: ModelMetrics
) -> None:
    column = credit.schema.index("income")
    smallest, largest = credit.features[column].range or (0.0, 0.0)
    x = np.repeat(credit_data.x[:1], 4, axis=0)
    x[:, column] = [smallest, np.nextafter(smallest, 0), largest, largest * 100]
    metrics.observe(x, credit.score(x))
    edge = credit.features[column].edges[-1]

    assert value(metrics, "model_feature_out_of_range_total", feature="income") == 2
    assert value(metrics, "model_feature_count", feature="income") == 4
    assert value(metrics, "model_feature_bucket", feature="income", le=le_name(edge)) == 2
    assert value(metrics, "model_feature_out_of_range_total", feature="age") == 0


def test_scores_are_counted_by_segment(
    credit: Model, credit_data: Dataset, metrics: ModelMetrics
) -> None:
    x = credit_data.x[:4].copy()
    x[:, credit.schema.index("region")] = [0, 0, 3, 4]  # north twice, west, and one unseen
    metrics.observe(x, np.array([0.2, 0.4, 0.9, 0.5]))
    north = select(metrics, "model_segment_score_bucket", segment="north")

    assert value(metrics, "model_segment_score_sum", segment="north") == pytest.approx(0.6)
    assert [count for _, count in north] == [
        sum(score <= edge for score in (0.2, 0.4)) for edge in (*credit.bands, np.inf)
    ]
    assert value(metrics, "model_segment_score_count", segment="west") == 1
    assert {labels["segment"] for labels, _ in select(metrics, "model_segment_score_count")} == {
        "north", "south", "east", "west",
    }  # fmt: skip


def test_a_model_without_segments_has_none_on_the_wire(credit: Model, credit_data: Dataset) -> None:
    schema = msgspec.structs.replace(credit.schema, segment=None)
    bands = tuple(part for part in credit.calibration if part.by == "score")
    plain = msgspec.structs.replace(credit, schema=schema, segments=(), calibration=bands)
    metrics = ModelMetrics(plain, "app")
    metrics.observe(credit_data.x[:2], np.array([0.2, 0.4]))
    metrics.observe_labels(np.array([0.2]), np.array([1]))

    assert not select(metrics, "model_segment_score_count")
    outcomes = select(metrics, "model_calibration_outcomes_total")
    assert {labels["by"] for labels, _ in outcomes} == {"score"}
    assert sum(count for _, count in outcomes) == 1


def test_the_spread_of_the_scores_follows_from_their_sums(
    credit: Model, credit_data: Dataset, metrics: ModelMetrics
) -> None:
    scores = credit.score(credit_data.x[:500])
    metrics.observe(credit_data.x[:500], scores)
    n = value(metrics, "model_score_count")
    mean = value(metrics, "model_score_sum") / n
    variance = value(metrics, "model_score_squares_total") / n - mean**2

    assert variance == pytest.approx(scores.var())
    assert value(metrics, "model_score_reference_sd") == pytest.approx(scores.std(), rel=0.1)


def test_outcomes_are_counted_by_segment_and_by_band_of_scores(
    credit: Model, metrics: ModelMetrics
) -> None:
    low, high = credit.bands[0] / 2, (credit.bands[-1] + 1) / 2
    none = len(credit.schema.segments)
    metrics.observe_labels(np.array([low, high, high]), np.array([1, 0, 1]), np.array([0, 0, none]))
    names = ("outcomes_total", "positives_total", "expected_total")

    def counted(**group: str) -> list[float]:
        return [value(metrics, f"model_calibration_{name}", **group) for name in names]

    assert counted(by="region", group="north") == pytest.approx([2, 1, low + high])
    assert counted(by="region", group="south") == [0, 0, 0]
    assert counted(by="score", group=band_names(credit.bands)[0]) == pytest.approx([1, 1, low])
    assert counted(by="score", group=band_names(credit.bands)[-1]) == pytest.approx(
        [2, 1, 2 * high]
    )


def test_the_gap_of_the_reference_is_that_of_outcomes_and_scores(
    credit: Model, credit_data: Dataset, metrics: ModelMetrics
) -> None:
    _, reference = RECIPES["credit"].split(credit_data)
    east = reference.x[:, credit.schema.index("region")] == 2
    gap = (reference.outcome - credit.score(reference.x))[east]
    named = {"by": "region", "group": "east"}

    assert value(metrics, "model_calibration_reference_gap", **named) == pytest.approx(gap.mean())
    assert value(metrics, "model_calibration_reference_samples", **named) == east.sum()


def test_the_share_that_the_reference_misses_is_told(flights: Model, flights_data: Dataset) -> None:
    _, reference = RECIPES["flights"].split(flights_data)
    missing = np.isnan(reference.x[:, flights.schema.index("pressure")]).mean()
    told = value(
        ModelMetrics(flights, "app"), "model_feature_reference_missing", feature="pressure"
    )

    assert told == pytest.approx(missing)
    assert missing > 0.05


def test_outcomes_are_counted_by_what_came_true(metrics: ModelMetrics) -> None:
    outcomes = np.array([0, 0, 1])
    metrics.observe_labels(np.array([0.1, 0.2, 0.9]), outcomes, duplicates=5)

    assert value(metrics, "model_labelled_score_count", outcome="0") == 2
    assert value(metrics, "model_labelled_score_sum", outcome="1") == 0.9
    assert value(metrics, "model_feedback_total", result="accepted") == 3
    assert value(metrics, "model_feedback_total", result="duplicate") == 5


@pytest.mark.parametrize("distribution", ["model_score", "model_feature"])
def test_reference_masses_chain_from_edge_to_edge_and_add_up_to_the_cdf(
    metrics: ModelMetrics, distribution: str
) -> None:
    labels = {"feature": "income"} if distribution == "model_feature" else {}
    masses = select(metrics, f"{distribution}_reference_mass", **labels)
    cdf = select(metrics, f"{distribution}_reference_cdf", **labels)
    les = [found["le"] for found, _ in masses]

    assert [found["lower"] for found, _ in masses] == ["-Inf", *les[:-1]]
    assert les == [found["le"] for found, _ in cdf]
    assert les == [found["le"] for found, _ in select(metrics, f"{distribution}_bucket", **labels)]
    assert np.cumsum([mass for _, mass in masses]) == pytest.approx([below for _, below in cdf])
    assert cdf[-1][1] == 1.0


def test_category_reference_masses_add_up_to_1(metrics: ModelMetrics) -> None:
    masses = select(metrics, "model_category_reference_mass", feature="purpose")

    assert [found["category"] for found, _ in masses][-1] == "other"
    assert sum(mass for _, mass in masses) == pytest.approx(1)


def test_the_decision_threshold_of_model_info_is_an_le_of_the_score(
    metrics: ModelMetrics,
) -> None:
    ((info, one),) = select(metrics, "model_info")

    assert one == 1
    assert info["decision_threshold"] in {
        labels["le"] for labels, _ in select(metrics, "model_score_bucket")
    }


def test_le_of_large_edges_is_written_as_prometheus_3_writes_it(
    credit: Model, credit_data: Dataset
) -> None:
    from target_service.training import train

    cents = credit_data.schema.index("income")
    x = credit_data.x.copy()
    x[:, cents] *= 100
    dataset = Dataset(credit.schema, x, credit_data.outcome, credit_data.time, credit_data.known)
    metrics = ModelMetrics(train(dataset, "credit", "1.0.0"), "app")
    les = [found["le"] for found, _ in select(metrics, "model_feature_bucket", feature="income")]

    assert all("e+06" in le or "e+07" in le for le in les[1:-1])


def test_openmetrics_is_answered_when_asked_for(metrics: ModelMetrics) -> None:
    content, content_type = metrics.expose("application/openmetrics-text;version=1.0.0")
    families = {family.name for family in openmetrics(content.decode())}

    assert content_type.startswith("application/openmetrics-text; version=1.0.0")
    assert {"http_request_count", "model_score", "model_info"} <= families


def test_two_metrics_share_nothing(credit: Model, credit_data: Dataset) -> None:
    one, other = ModelMetrics(credit, "app"), ModelMetrics(credit, "app")
    one.observe(credit_data.x[:5], credit.score(credit_data.x[:5]))

    assert value(one, "model_score_count") == 5
    assert value(other, "model_score_count") == 0


def test_a_registry_that_is_passed_in_is_exposed_whole(credit: Model) -> None:
    from prometheus_client import Gauge

    registry = CollectorRegistry()
    Gauge("beside", "Another collector.", registry=registry).set(7)

    assert value(ModelMetrics(credit, "app", registry), "beside") == 7


def test_no_count_is_lost_between_threads(credit: Model, credit_data: Dataset) -> None:
    metrics = ModelMetrics(credit, "app")
    x = credit_data.x[:1]
    scores = credit.score(x)

    def count() -> None:
        for _ in range(500):
            metrics.observe(x, scores)

    threads = [threading.Thread(target=count) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert value(metrics, "model_score_count") == 2000


def test_a_request_of_no_rows_counts_nothing(credit: Model) -> None:
    metrics = ModelMetrics(credit, "test")
    before = metrics.state()
    metrics.observe(np.empty((0, len(credit.features))), np.empty(0))
    np.testing.assert_array_equal(metrics.state(), before)
