"""The example drills as fixtures."""

from __future__ import annotations

import pytest
import report_examples
from report_examples import Drill


@pytest.fixture
def passed() -> Drill:
    return report_examples.passed()


@pytest.fixture
def failed() -> Drill:
    return report_examples.failed()


@pytest.fixture
def died() -> Drill:
    return report_examples.died()


@pytest.fixture(params=["passed", "failed", "died"])
def drill(request: pytest.FixtureRequest) -> Drill:
    """Each of them in turn."""
    made: Drill = getattr(report_examples, request.param)()
    return made
