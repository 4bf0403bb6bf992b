"""Put Prometheus and what belongs to it into a folder: Debian's packages, or the releases."""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path

from driftdrill.rig.debian import DebianError, codename, is_debian, open_mirror
from driftdrill.rig.errors import UsageError
from driftdrill.rig.locks import build_once
from driftdrill.rig.upstream import UpstreamError, fetch_release

_RELEASES = {"prometheus": ("prometheus", "promtool"), "alertmanager": ("alertmanager",)}
_PACKAGES = ("prometheus", "prometheus-alertmanager")

_NODE_EXPORTER = "prometheus-node-exporter"

_NEWER = {"bookworm": "trixie"}
"""Releases whose programs run on an older one as well: Debian 13's Prometheus, 2.53, takes half the
time of Debian 12's 2.42 to evaluate rules."""

# Debian compiles this folder into the programs: Alertmanager exits without the template in it, and
# the web pages need their files. In our own copy the same number of bytes means "the working
# directory", and the programs are started in the folder.
_SHARE = b"/usr/share/prometheus"
_WORKING_DIRECTORY = b"/proc/self/cwd".ljust(len(_SHARE), b"/")

_NO_PAGES = "usr/share/prometheus/web/no-ui/index.html"
_FORWARD = """\
<!doctype html><meta charset="utf-8"><title>Prometheus</title>
<script>location.replace("classic" + location.pathname + location.search)</script>
<a href="classic/graph">Prometheus</a>
"""
"""Debian's newer packages say there that they lack the new pages; ours leads to the old ones."""


def fetched(name: str, folder: Path) -> tuple[Path, ...]:
    """Where a program lies once it is fetched, from either source."""
    commands = {"alertmanager": "prometheus-alertmanager", "node_exporter": _NODE_EXPORTER}
    command = commands.get(name, name)
    project = "alertmanager" if name == "alertmanager" else "prometheus"
    return folder / "debian/usr/bin" / command, folder / project / name


def fetch_tools(folder: Path, suite: str | None = None) -> None:
    """Fetch all three programs, once.

    On a machine with apt they come from its own mirror first: that is near, signed with keys that
    the machine already trusts, and reachable where the internet is not. A newer stable release of
    Debian is preferred where its programs run. Elsewhere, and when the mirror fails, they are the
    projects' releases, checked against the published SHA-256.

    Args:
        folder: Where they are put; made when missing.
        suite: The one Debian release to take them from, such as `trixie`.

    Raises:
        UsageError: Neither can be had; says what was tried and what to do.
    """
    tried = []
    if is_debian():
        _say("Fetching Prometheus and Alertmanager from this machine's package mirror ...")
        for release in [suite] if suite else [*_newer(), None]:
            try:
                build_once(folder / "debian", partial(_from_debian, suite=release))
            except DebianError as error:
                tried.append(str(error))
            else:
                return
    try:
        for project, programs in _RELEASES.items():
            _say(f"Fetching the released {project} ...")
            build_once(folder / project, partial(fetch_release, project, programs))
    except UpstreamError as error:
        tried.append(str(error))
        raise UsageError(
            "Prometheus and Alertmanager are not here and cannot be fetched; install them, or set "
            "PROMETHEUS, PROMTOOL and ALERTMANAGER\n  " + "\n  ".join(tried)
        ) from error


def _newer() -> list[str]:
    """A newer release whose programs this machine runs, if there is one."""
    own = codename()
    return [_NEWER[own]] if own in _NEWER else []


def _from_debian(into: Path, suite: str | None) -> None:
    with open_mirror(into, suite) as mirror:
        # Newer releases have promtool in a package of its own, and the old web pages' scripts
        # and fonts come from packages of theirs.
        promtool = ("promtool",) if mirror.has("promtool") else ()
        web = mirror.dependencies("prometheus", ("libjs-", "fonts-"))
        mirror.unpack([*_PACKAGES, *promtool, *web, _NODE_EXPORTER], into)
    for program in _PACKAGES:
        path = into / "usr/bin" / program
        path.write_bytes(path.read_bytes().replace(_SHARE, _WORKING_DIRECTORY))
    if (into / _NO_PAGES).exists():
        (into / _NO_PAGES).write_text(_FORWARD)


def _say(message: str) -> None:
    print(message, file=sys.stderr, flush=True)
