"""A folder made from one's own rows; tests/live/test_init.py drills one."""

from dataclasses import replace

import numpy as np
import pytest

from driftdrill.init import Own, init
from driftdrill.rig.errors import UsageError
from target_service.model import Reference, load_reference


def reference_of(folder, rows, in_order: bool) -> Reference:
    own = Own("m", rows, "risk", "late", "http://127.0.0.1:8000", in_order)
    list(init(folder, own))
    return load_reference(folder / "reference.json")


def test_rows_in_order_that_are_like_their_neighbours_count_for_less(tmp_path):
    rng = np.random.default_rng(0)
    hourly = np.repeat(rng.normal(size=200), 20)
    lines = ["weather,size,risk,late"]
    lines += [
        f"{weather:.4f},{size:.4f},{1 / (1 + np.exp(-weather - size)):.6f},{int(late)}"
        for weather, size, late in zip(
            hourly, rng.normal(size=4000), rng.random(4000) < 0.3, strict=True
        )
    ]
    rows = tmp_path / "rows.csv"
    rows.write_text("\n".join(lines) + "\n")

    plain = reference_of(tmp_path / "plain", rows, in_order=False).banks
    ordered = reference_of(tmp_path / "ordered", rows, in_order=True).banks

    weather, size = (
        np.abs(after.weights).sum() / np.abs(before.weights).sum()
        for before, after in zip(plain.features, ordered.features, strict=True)
    )
    # 20 equal values in a row count as little more than one.
    assert 1 / 40 < weather < 1 / 15
    assert size == 1
    assert np.abs(ordered.score.weights).sum() < np.abs(plain.score.weights).sum() / 4
    # Outcomes given the scores are independent whatever the scores are like.
    assert ordered.outcomes == plain.outcomes


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"outcome": "score"}, "--score and --outcome both name score"),
        ({"outcome": "size"}, r"rows\.csv:2: size: expected 0 or 1"),
        ({"url": "scorer"}, "--url: expected a URL such as"),
    ],
)
def test_what_does_not_fit_is_said_before_anything_is_written(tmp_path, wrong, said):
    rows = tmp_path / "rows.csv"
    rows.write_text("size,score,late\n" + "2.5,0.1,0\n7.5,0.2,1\n" * 500)
    own = Own("own", rows, "score", "late", "http://127.0.0.1:8000")
    with pytest.raises((UsageError, ValueError), match=said):
        list(init(tmp_path / "new", replace(own, **wrong)))
    assert not (tmp_path / "new").exists()
