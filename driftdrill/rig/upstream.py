"""Released binaries of Prometheus and Alertmanager, checked against their published checksums."""

from __future__ import annotations

import hashlib
import io
import platform
import tarfile
import urllib.error
import urllib.request
from pathlib import Path

ORIGIN = "https://github.com/prometheus"
VERSIONS = {"prometheus": "3.5.0", "alertmanager": "0.28.1"}
"""Releases that this project is tested with; 3.5 is the long-term support line."""

_TIMEOUT_S = 5
_MACHINES = {"x86_64": "amd64", "amd64": "amd64", "aarch64": "arm64", "arm64": "arm64"}


class UpstreamError(Exception):
    """A release cannot be had, or is not what its publisher released."""


def fetch_release(
    project: str, programs: tuple[str, ...], into: Path, origin: str = ORIGIN
) -> None:
    """Download a release and put its programs into a folder, nothing else of it.

    Args:
        project: `prometheus` or `alertmanager`.
        programs: Names of the programs to keep.
        into: An existing folder.
        origin: Where the projects are published.

    Raises:
        UpstreamError: There is no release for this machine, it cannot be reached, or the archive
            does not have its published SHA-256; then nothing is written.
    """
    machine = _MACHINES.get(platform.machine().lower())
    if not machine:
        raise UpstreamError(f"{project} has no release for a {platform.machine()} processor")
    stem = f"{project}-{VERSIONS[project]}.{platform.system().lower()}-{machine}"
    release = f"{origin}/{project}/releases/download/v{VERSIONS[project]}"
    url = f"{release}/{stem}.tar.gz"
    # Lines of sha256sum: the checksum, two spaces, the name.
    published = _get(f"{release}/sha256sums.txt").decode(errors="replace").splitlines()
    archive = _get(url)
    found = hashlib.sha256(archive).hexdigest()
    if f"{found}  {stem}.tar.gz" not in published:
        raise UpstreamError(f"{url} has SHA-256 {found}, which is not the one published; not used")
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        for program in programs:
            member = tar.extractfile(f"{stem}/{program}")
            if member is None:
                raise UpstreamError(f"{url} holds no program {program}")
            (into / program).write_bytes(member.read())
            (into / program).chmod(0o755)


def _get(url: str) -> bytes:
    try:
        with urllib.request.urlopen(url, timeout=_TIMEOUT_S) as answer:  # noqa: S310  own constant
            body: bytes = answer.read()
            return body
    except (urllib.error.URLError, OSError) as error:
        raise UpstreamError(f"{url}: {error}") from error
