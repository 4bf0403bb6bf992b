"""What the tests of virtual drills share."""

from pathlib import Path

import numpy as np
import pytest
from recordings import hand_made

from driftdrill.rig.tools import Tools, find_tools
from driftdrill.virtual import stages


@pytest.fixture(scope="module")
def tools() -> Tools:
    return find_tools()


@pytest.fixture
def stores_as_in_a_long_drill(monkeypatch):
    """What is read often is stored; in a short drill it would not pay."""
    monkeypatch.setattr(stages, "_STAGE_COST", 0)


@pytest.fixture
def small(tmp_path) -> Path:
    return hand_made(
        tmp_path / "recording",
        {
            'up{job="a",instance="1"}': [1.0] * 40,
            'model_score_bucket{le="1.0"}': np.arange(40.0),
            'twice{k="1",job="a"}': [1.0] * 40,
            'twice{k="2",job="a"}': [np.nan] * 20 + [1.0] * 20,
        },
    )
