"""Packages from this machine's own Debian or Ubuntu mirror, without root and without installing.

Standard library only: it also provides pip to a machine that has none yet. apt checks every
package against the mirror's signatures; it works on a state of its own, so it neither needs the
system's package lists nor changes anything outside the project.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

_TIMEOUT_S = 5
_APT_CONF = f"""\
Dir::State "{{state}}";
Dir::State::lists "{{state}}/lists";
Dir::State::status "{{state}}/status";
Dir::Cache "{{state}}/cache";
Debug::NoLocking "1";
APT::Sandbox::User "";
Acquire::Languages "none";
Acquire::Retries "1";
Acquire::http::Timeout "{_TIMEOUT_S}";
Acquire::https::Timeout "{_TIMEOUT_S}";
#clear APT::Update::Post-Invoke;
#clear APT::Update::Post-Invoke-Success;
"""
# Hooks of the machine act on the system's own package cache: they are none of our business.


class DebianError(Exception):
    """The mirror could not be reached, or lacks a package; says what apt said."""


def is_debian() -> bool:
    """Whether this machine has apt and dpkg, hence a mirror."""
    return bool(shutil.which("apt-get") and shutil.which("dpkg"))


class Mirror:
    """The packages that the machine's mirror offers, in a release of choice.

    Args:
        state: An empty folder for apt's lists and settings.
        suite: A release such as `trixie`, from the mirror that the machine takes its own release
            from; None is the machine's own release with all of the machine's sources.

    Raises:
        DebianError: A suite is asked for and the machine names no mirror for its own.
    """

    def __init__(self, state: Path, suite: str | None = None) -> None:
        self._state = state.resolve()
        for folder in ("lists/partial", "cache/archives/partial"):
            (self._state / folder).mkdir(parents=True, exist_ok=True)
        # An empty status file: what is installed on this machine must not decide what we get.
        (self._state / "status").touch()
        settings = _APT_CONF.format(state=self._state)
        if suite:
            sources = self._state / "suite.sources"
            sources.write_text(_source_of(suite))
            settings += f'Dir::Etc::sourcelist "{sources}";\nDir::Etc::sourceparts "/dev/null";\n'
            # A moving suite's lists are dated; a mirror that lags behind is still signed.
            settings += 'Acquire::Check-Valid-Until "false";\n'
        self._settings = self._state / "apt.conf"
        self._settings.write_text(settings)

        # A source that cannot be reached is passed over: third-party sources often are, and a
        # package that is missing in the end is reported where it is asked for.
        self._run("apt-get", "update", "-qq", check=False)

    def has(self, package: str) -> bool:
        """Whether the mirror offers a package of this name."""
        shown = self._run("apt-cache", "show", "--no-all-versions", package, check=False)
        return shown.returncode == 0

    def dependencies(self, package: str, prefixes: tuple[str, ...]) -> tuple[str, ...]:
        """Everything a package needs, directly or not, whose name starts with one of `prefixes`."""
        listed = self._run("apt-cache", "depends", "--recurse", "--important", package).stdout
        return tuple(sorted({name for name in listed.splitlines() if name.startswith(prefixes)}))

    def unpack(self, packages: Sequence[str], into: Path) -> None:
        """Download packages and unpack them below `into`, as if it were the root folder.

        Raises:
            DebianError: A package is unknown, cannot be had or fails its check.
        """
        with tempfile.TemporaryDirectory(dir=self._state) as downloads:
            self._run("apt-get", "download", "-qq", *packages, cwd=Path(downloads))
            for archive in sorted(Path(downloads).glob("*.deb")):
                self._run("dpkg", "-x", str(archive), str(into))

    def _run(
        self, command: str, *arguments: str, cwd: Path | None = None, check: bool = True
    ) -> subprocess.CompletedProcess[str]:
        settings = ["-c", str(self._settings)] if command.startswith("apt") else []
        done = subprocess.run(
            [command, *settings, *arguments],
            cwd=cwd,
            check=False,
            capture_output=True,
            text=True,
            env={**os.environ, "LC_ALL": "C.UTF-8"},
        )
        if check and done.returncode:
            raise DebianError(f"{command} {' '.join(arguments)}: {done.stderr.strip()}")
        return done


@contextmanager
def open_mirror(scratch: Path, suite: str | None = None) -> Iterator[Mirror]:
    """A mirror whose package lists lie below the folder `scratch` while it is in use.

    Raises:
        DebianError: A suite is asked for and the machine names no mirror for its own.
    """
    with tempfile.TemporaryDirectory(dir=scratch, prefix=".apt-") as state:
        yield Mirror(Path(state), suite)


def _source_of(suite: str) -> str:
    """A source for `suite`: the one that the machine has for its own release, but for the suite."""
    own = codename()
    for file in (Path("/etc/apt/sources.list"), *Path("/etc/apt/sources.list.d").glob("*")):
        text = file.read_text(errors="replace") if file.is_file() else ""
        sources = _deb822(text) if file.suffix == ".sources" else _one_line(text)
        for source in sources:
            if own in source["Suites"].split() and "main" in source["Components"].split():
                return "".join(f"{k}: {v}\n" for k, v in {**source, "Suites": suite}.items())
    raise DebianError(f"no source of {own or 'this release'} under /etc/apt to take {suite} from")


def codename() -> str:
    """The machine's release, such as `bookworm`; "" when it says none."""
    release = Path("/etc/os-release").read_text()
    found = re.search(r'^VERSION_CODENAME="?([\w-]+)', release, re.MULTILINE)
    return found[1] if found else ""


def _deb822(text: str) -> Iterator[dict[str, str]]:
    """The binary sources of a `.sources` file; a value keeps its continuation lines."""
    text = re.sub(r"^#.*\n?", "", text, flags=re.MULTILINE)
    for stanza in re.split(r"\n\s*\n", text):
        fields = re.findall(r"^([\w-]+):[ \t]*(.*(?:\n[ \t].*)*)", stanza, re.MULTILINE)
        source = {"Components": "", "Types": "", "Suites": "", **dict(fields)}
        if "deb" in source["Types"].split() and source.get("Enabled", "yes").strip() != "no":
            yield {**source, "Types": "deb"}


def _one_line(text: str) -> Iterator[dict[str, str]]:
    """The binary sources of a `.list` file: `deb [signed-by=KEYRING] URI SUITE COMPONENT...`."""
    line = re.compile(r"^deb\s+(?:\[(.*?)\]\s+)?(\S+)\s+(\S+)\s+([^#\n]+)", re.MULTILINE)
    for options, uri, suite, components in line.findall(text):
        source = {"Types": "deb", "URIs": uri, "Suites": suite, "Components": components.strip()}
        keyring = re.search(r"signed-by=(\S+)", options)
        yield {**source, "Signed-By": keyring[1]} if keyring else source
