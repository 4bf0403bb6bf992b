from __future__ import annotations

from pathlib import Path

import msgspec
import numpy as np
import pytest

from target_service.contract import Dataset, Floats
from target_service.model import ArtifactError, Distribution, Model, load
from target_service.training import compile_linear, fit


def awkward_rows(dataset: Dataset) -> Floats:
    """Real rows, rows with everything missing, with unseen categories, and with huge numbers."""
    x = dataset.x[:200].copy()
    for i, feature in enumerate(dataset.schema.features):
        x[10 + i, i] = np.nan
        if feature.kind == "category":
            x[50:60, i] = len(feature.categories)
        else:
            x[60 + i, i] = 1e15
            x[80 + i, i] = -1e15
    x[100] = np.nan
    return x


@pytest.mark.parametrize("name", ["credit", "flights"])
def test_compiled_scores_equal_those_of_the_scikit_learn_pipeline(
    name: str, request: pytest.FixtureRequest
) -> None:
    dataset: Dataset = request.getfixturevalue(f"{name}_data")
    model: Model = request.getfixturevalue(name)
    pipeline = fit(dataset[:5000])
    intercept, terms = compile_linear(pipeline, dataset.schema)
    model = msgspec.structs.replace(model, intercept=intercept, terms=terms)
    x = awkward_rows(dataset)
    expected = pipeline.predict_proba(x)[:, 1]

    np.testing.assert_allclose(model.score(x), expected, rtol=0, atol=1e-12)
    one_by_one = np.concatenate([model.score(row[None]) for row in x])
    np.testing.assert_allclose(one_by_one, expected, rtol=0, atol=1e-12)


def test_a_saved_model_loads_as_it_was(credit: Model, tmp_path: Path) -> None:
    credit.save(tmp_path / "deep" / "credit")

    assert load(tmp_path / "deep" / "credit") == credit


def test_a_missing_artifact_is_named(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match=r"model\.json: cannot be read: No such file"):
        load(tmp_path)


@pytest.mark.parametrize("size", [0, 1, 100, 4000])
def test_a_truncated_artifact_is_named(credit: Model, tmp_path: Path, size: int) -> None:
    path = credit.save(tmp_path)
    path.write_bytes(path.read_bytes()[:size])

    with pytest.raises(ArtifactError, match=r"model\.json: not a model artifact"):
        load(tmp_path)


def test_one_changed_digit_is_found(credit: Model, tmp_path: Path) -> None:
    path = credit.save(tmp_path)
    digit = str(credit.scores.counts[3]).encode()
    path.write_bytes(path.read_bytes().replace(b"," + digit + b",", b",1,", 1))

    with pytest.raises(ArtifactError, match=r"model\.json: damaged"):
        load(tmp_path)


@pytest.mark.parametrize("content", [b"\xff\xfe", b"[]", b"{}", b"\x80\x04pickle"])
def test_another_kind_of_file_is_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "model.json").write_bytes(content)

    with pytest.raises(ArtifactError, match=r"model\.json: not a model artifact"):
        load(tmp_path)


def test_masses_and_cdf_are_shares_of_the_counts() -> None:
    distribution = Distribution(edges=(1.0, 2.0), counts=(1, 0, 3))

    assert distribution.samples == 4
    assert distribution.masses.tolist() == [0.25, 0.0, 0.75]
    assert distribution.cdf.tolist() == [0.25, 0.25, 1.0]
