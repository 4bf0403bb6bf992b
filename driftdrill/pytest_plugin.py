"""Drills as tests of pytest: a marker with a fixture, and scenario files that are collected.

pytest loads this in every run of an environment that has Driftdrill: nothing is imported before it
is used.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import pytest

if TYPE_CHECKING:
    from driftdrill.verdict import Verdict


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the two settings."""
    parser.addini("drill_files", "scenario files to collect, as patterns", type="args")
    parser.addini("drill_rules", "rule files to drill, as patterns below the root", type="args")


def pytest_configure(config: pytest.Config) -> None:
    """Make the marker known."""
    config.addinivalue_line(
        "markers", "drill(scenario, *, rules=None, seed=0): what the fixture `verdict` drills"
    )


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> pytest.Collector | None:
    """Collect a scenario file that `drill_files` names."""
    patterns: list[str] = parent.config.getini("drill_files")
    below = file_path.relative_to(parent.config.rootpath) if _is_below(file_path, parent) else None
    if below is None or not any(below.match(pattern) for pattern in patterns):
        return None
    return DrillFile.from_parent(parent, path=file_path)


@pytest.fixture
def verdict(request: pytest.FixtureRequest, tmp_path: Path) -> Verdict:
    """The verdict of the virtual drill that the test's marker `drill` names."""
    marker = request.node.get_closest_marker("drill")
    if marker is None or len(marker.args) != 1:
        _fail('name what to drill: @pytest.mark.drill("covariate-sudden")')
    if unknown := marker.kwargs.keys() - {"rules", "seed"}:
        _fail(f"the marker drill takes rules and seed, and no {min(unknown)}")
    return _drill(request.config, str(marker.args[0]), tmp_path / "drill", **marker.kwargs)


class DrillFile(pytest.File):
    """A scenario file."""

    def collect(self) -> Iterator[DrillItem]:
        """Its one test."""
        yield DrillItem.from_parent(self, name=self.path.stem)


class DrillItem(pytest.Item):
    """A virtual drill, which has to pass."""

    def runtest(self) -> None:
        """Drill; fails, with the reasons of the verdict, where that does not pass."""
        import tempfile

        with tempfile.TemporaryDirectory() as folder:
            found = _drill(self.config, str(self.path), Path(folder) / "drill")
        if found.outcome != "pass":
            _fail("\n".join([f"{found.scenario}: {found.outcome}", *found.reasons]))

    def reportinfo(self) -> tuple[Path, None, str]:
        """The file, and the name of the drill."""
        return self.path, None, f"drill: {self.name}"


def _fail(message: str) -> NoReturn:
    """Say what is wrong, and not where in our code it was found."""
    pytest.fail(message, pytrace=False)


def _drill(
    config: pytest.Config,
    scenario: str,
    out: Path,
    rules: Sequence[str] | None = None,
    seed: int = 0,
) -> Verdict:
    from io import StringIO

    from rich.console import Console

    from driftdrill.drill import RULES, virtual_drill
    from driftdrill.rig.errors import RigError, UsageError
    from scenarios.spec import find

    root = config.rootpath
    patterns: Sequence[str] = config.getini("drill_rules") if rules is None else rules
    files = [path for pattern in patterns for path in sorted(root.glob(pattern))]
    if patterns and not files:
        _fail(f"no rule file below {root} matches {', '.join(patterns)}")
    own = root / scenario
    try:
        return virtual_drill(
            find(str(own) if own.is_file() else scenario),
            days=None,
            seed=seed,
            out=out,
            rules=tuple(files) or RULES,
            engine="blocks",
            console=Console(file=StringIO()),
        )
    except (UsageError, ValueError, RigError) as error:
        raise pytest.fail.Exception(str(error), pytrace=False) from None


def _is_below(path: Path, parent: pytest.Collector) -> bool:
    return path.is_relative_to(parent.config.rootpath)
