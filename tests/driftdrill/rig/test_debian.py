from __future__ import annotations

import sys
from pathlib import Path

import pytest

from driftdrill.rig import debian
from driftdrill.rig.debian import DebianError, open_mirror

DEB822 = """\
# The distribution
Types: deb deb-src
URIs: https://mirror.invalid/debian
Suites: bookworm bookworm-updates
Components: main contrib
Signed-By:
 -----BEGIN PGP PUBLIC KEY BLOCK-----
 .
 abc

Types: deb-src
URIs: https://mirror.invalid/sources
Suites: bookworm
Components: main

Enabled: no
Types: deb
URIs: https://mirror.invalid/off
Suites: bookworm
Components: main
"""

ONE_LINE = """\
# deb https://mirror.invalid/off bookworm main
deb-src https://mirror.invalid/debian bookworm main
deb [arch=amd64 signed-by=/keys/debian.gpg] https://mirror.invalid/debian bookworm main contrib
deb https://mirror.invalid/plain bookworm main # the old one
"""


def test_deb822_sources_are_read_with_keys_and_without_what_is_disabled() -> None:
    (source,) = debian._deb822(DEB822)
    assert source["URIs"] == "https://mirror.invalid/debian"
    assert source["Types"] == "deb"
    assert source["Signed-By"].splitlines()[1:] == [
        " -----BEGIN PGP PUBLIC KEY BLOCK-----",
        " .",
        " abc",
    ]


def test_one_line_sources_are_read_with_their_keyring() -> None:
    signed, plain = debian._one_line(ONE_LINE)
    assert signed["Signed-By"] == "/keys/debian.gpg"
    assert signed["Components"] == "main contrib"
    assert plain["URIs"] == "https://mirror.invalid/plain"
    assert "Signed-By" not in plain


def test_a_suite_without_a_source_of_this_release_is_an_error(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(debian, "codename", lambda: "no-such-release")
    with (
        pytest.raises(DebianError, match="no source of no-such-release"),
        open_mirror(tmp_path, "trixie"),
    ):
        pass


@pytest.mark.live
def test_packages_of_another_release_are_unpacked_and_nothing_else_stays(tmp_path: Path) -> None:
    with open_mirror(tmp_path, "trixie") as mirror:
        assert mirror.has("promtool")
        assert not mirror.has("no-such-package")
        assert "libjs-jquery" in mirror.dependencies("prometheus", ("libjs-",))
        mirror.unpack(["libjs-mustache"], tmp_path / "root")
    assert (tmp_path / "root/usr/share/javascript/mustache/mustache.js").exists()
    assert [path.name for path in tmp_path.iterdir()] == ["root"]


@pytest.mark.live
def test_an_unknown_package_is_an_error_that_names_it(tmp_path: Path) -> None:
    with open_mirror(tmp_path) as mirror, pytest.raises(DebianError, match="no-such-package"):
        mirror.unpack(["no-such-package"], tmp_path / "root")


def test_it_needs_the_standard_library_only() -> None:
    for name in ("debian", "locks", "venv"):
        source = Path(debian.__file__).with_name(f"{name}.py").read_text()
        words = [
            line.split()[1] for line in source.splitlines() if line.startswith(("import ", "from "))
        ]
        tops = {word.split(".")[0] for word in words}
        assert tops <= {*sys.stdlib_module_names, "driftdrill"}
