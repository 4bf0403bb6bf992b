from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from driftdrill.rig.errors import UsageError
from driftdrill.rig.tools import find_tools

Fake = Callable[[Path, str, str], Path]
NAMES = ("prometheus", "promtool", "alertmanager")


@pytest.fixture(autouse=True)
def _bare_machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A PATH without any of the programs, and no variables."""
    for name in NAMES:
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.setenv("PATH", str(tmp_path / "path"))


@pytest.fixture
def on_path(tmp_path: Path, fake_tool: Fake) -> Path:
    for name in NAMES:
        fake_tool(tmp_path / "path" / name, name, "3.5.0")
    return tmp_path / "path"


def test_programs_on_the_path_are_found_with_their_versions(on_path: Path, tmp_path: Path) -> None:
    tools = find_tools(fetch=False, folder=tmp_path)
    assert tools.prometheus.path == on_path / "prometheus"
    assert tools.prometheus.version == "3.5.0"
    assert tools.alertmanager.cwd is None


def test_alertmanager_is_found_by_the_name_debian_gives_it(on_path: Path, tmp_path: Path) -> None:
    renamed = (on_path / "alertmanager").rename(on_path / "prometheus-alertmanager")
    assert find_tools(fetch=False, folder=tmp_path).alertmanager.path == renamed


def test_a_variable_goes_before_the_path(
    on_path: Path, tmp_path: Path, fake_tool: Fake, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine = fake_tool(tmp_path / "mine" / "am", "alertmanager", "0.25.0")
    monkeypatch.setenv("ALERTMANAGER", str(mine))
    tools = find_tools(fetch=False, folder=tmp_path)
    assert tools.alertmanager.path == mine
    assert tools.prometheus.path.parent == on_path


def test_a_variable_without_a_working_program_is_an_error_that_names_it(
    on_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PROMETHEUS", str(on_path / "alertmanager"))
    with pytest.raises(UsageError, match=r"PROMETHEUS has the value '.*/alertmanager'"):
        find_tools(fetch=False, folder=tmp_path)


def test_promtool_is_taken_from_beside_the_named_prometheus(
    on_path: Path, tmp_path: Path, fake_tool: Fake, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine = fake_tool(tmp_path / "old" / "prometheus", "prometheus", "2.42.0+ds")
    beside = fake_tool(tmp_path / "old" / "promtool", "promtool", "2.42.0+ds")
    monkeypatch.setenv("PROMETHEUS", str(mine))
    assert find_tools(fetch=False, folder=tmp_path).promtool.path == beside
    assert (on_path / "promtool").exists()


def test_a_promtool_of_another_series_is_refused(
    on_path: Path, tmp_path: Path, fake_tool: Fake, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine = fake_tool(tmp_path / "old" / "prometheus", "prometheus", "2.42.0+ds")
    monkeypatch.setenv("PROMETHEUS", str(mine))
    with pytest.raises(UsageError, match=r"no promtool 2\.42 .*promtool is 3\.5\.0; set PROMTOOL"):
        find_tools(fetch=False, folder=tmp_path)
    assert (on_path / "promtool").exists()


def test_a_program_that_is_not_what_its_name_says_is_passed_over(
    on_path: Path, tmp_path: Path, fake_tool: Fake
) -> None:
    fake_tool(on_path / "alertmanager", "something-else", "1.0.0")
    debian = fake_tool(on_path / "prometheus-alertmanager", "alertmanager", "0.28.1")
    assert find_tools(fetch=False, folder=tmp_path).alertmanager.path == debian


def test_fetched_programs_are_found_and_told_their_folder(tmp_path: Path, fake_tool: Fake) -> None:
    programs = tmp_path / "debian/usr/bin"
    for name, file in zip(
        NAMES, ("prometheus", "promtool", "prometheus-alertmanager"), strict=True
    ):
        fake_tool(programs / file, name, "2.42.0")
    share = tmp_path / "debian/usr/share/prometheus"
    share.mkdir(parents=True)
    tools = find_tools(fetch=False, folder=tmp_path)
    assert tools.prometheus.cwd == tools.alertmanager.cwd == share


def test_what_is_missing_is_named_when_nothing_may_be_fetched(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"no prometheus on PATH or in .*; set PROMETHEUS"):
        find_tools(fetch=False, folder=tmp_path)
