from __future__ import annotations

import hashlib
import http.server
import io
import platform
import subprocess
import sys
import tarfile
import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import httpx
import pytest

from driftdrill.rig.errors import RigError
from driftdrill.rig.fetch import fetch_tools
from driftdrill.rig.interrupts import Interruption
from driftdrill.rig.ports import lease_port
from driftdrill.rig.process import Process
from driftdrill.rig.readiness import answers, wait
from driftdrill.rig.tools import Tool, find_tools
from driftdrill.rig.upstream import VERSIONS, UpstreamError, fetch_release

FETCH = "import sys, pathlib; from driftdrill.rig.fetch import fetch_tools; "
FETCH += "fetch_tools(pathlib.Path(sys.argv[1]))"


class QuietHandler(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        """Keep the test's output clean."""


@pytest.fixture
def origin(tmp_path: Path) -> Iterator[str]:
    """A site that publishes one release of Alertmanager, in `tmp_path/site`."""
    machine = {"x86_64": "amd64", "aarch64": "arm64", "arm64": "arm64"}[platform.machine()]
    version = VERSIONS["alertmanager"]
    stem = f"alertmanager-{version}.{platform.system().lower()}-{machine}"
    release = tmp_path / f"site/alertmanager/releases/download/v{version}"
    release.mkdir(parents=True)
    archive = release / f"{stem}.tar.gz"
    with tarfile.open(archive, "w:gz") as tar:
        for name in ("alertmanager", "amtool", "LICENSE"):
            member = tarfile.TarInfo(f"{stem}/{name}")
            member.size = 4
            tar.addfile(member, io.BytesIO(b"real"))
    digest = hashlib.sha256(archive.read_bytes()).hexdigest()
    (release / "sha256sums.txt").write_text(f"{'0' * 64}  other.tar.gz\n{digest}  {archive.name}\n")
    handler = partial(QuietHandler, directory=str(tmp_path / "site"))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_of_a_release_only_the_programs_are_kept(origin: str, tmp_path: Path) -> None:
    into = tmp_path / "into"
    into.mkdir()
    fetch_release("alertmanager", ("alertmanager",), into, origin)
    assert [path.name for path in into.iterdir()] == ["alertmanager"]
    assert (into / "alertmanager").read_bytes() == b"real"
    assert (into / "alertmanager").stat().st_mode & 0o111


def test_an_archive_without_its_published_checksum_is_refused(origin: str, tmp_path: Path) -> None:
    (archive,) = (tmp_path / "site").rglob("*.tar.gz")
    archive.write_bytes(archive.read_bytes() + b"!")
    into = tmp_path / "into"
    into.mkdir()
    with pytest.raises(UpstreamError, match=r"tar\.gz has SHA-256 .* not the one published"):
        fetch_release("alertmanager", ("alertmanager",), into, origin)
    assert list(into.iterdir()) == []


def test_a_release_that_is_not_there_is_an_error_with_its_address(
    origin: str, tmp_path: Path
) -> None:
    with pytest.raises(UpstreamError, match=r"/prometheus/releases/.*404"):
        fetch_release("prometheus", ("prometheus", "promtool"), tmp_path, origin)


@pytest.fixture(scope="module")
def fetched(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Programs that two processes fetched into the same folder at the same time."""
    folder = tmp_path_factory.mktemp("fetched") / "tools"
    fetching = [subprocess.Popen([sys.executable, "-c", FETCH, str(folder)]) for _ in range(2)]
    assert [process.wait() for process in fetching] == [0, 0]
    return folder


@pytest.fixture
def fetched_only(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("PROMETHEUS", "PROMTOOL", "ALERTMANAGER", "NODE_EXPORTER"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PATH", "")


def serve(tool: Tool, flags: list[str], address: str, log: Path) -> Process:
    """Start a fetched server and wait until it is ready."""
    command = [str(tool.path), f"--web.listen-address={address}", *flags]
    process = Process(tool.name, command, cwd=tool.cwd, log=log)
    try:
        wait([process], answers(f"http://{address}/-/ready"), 30, Interruption())
    except RigError:
        process.stop()
        raise
    return process


@pytest.mark.live
@pytest.mark.usefixtures("fetched_only")
def test_two_processes_fetch_at_once_and_every_program_runs(fetched: Path) -> None:
    tools = find_tools(fetch=False, folder=fetched)
    assert tools.prometheus.series == tools.promtool.series
    left = {path.name for path in fetched.iterdir() if not path.name.endswith(".lock")}
    assert left in ({"debian"}, {"prometheus", "alertmanager"})
    assert (tools.node_exporter is not None) == (left == {"debian"})


@pytest.mark.live
def test_what_is_fetched_already_is_not_fetched_again(fetched: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in fetched.rglob("*")}
    fetch_tools(fetched)
    assert {path: path.stat().st_mtime_ns for path in fetched.rglob("*")} == before


@pytest.mark.live
@pytest.mark.usefixtures("fetched_only")
def test_fetched_prometheus_serves_its_web_pages_with_their_scripts(
    fetched: Path, tmp_path: Path
) -> None:
    config = tmp_path / "prometheus.yml"
    config.write_text("{}")
    flags = [f"--config.file={config}", f"--storage.tsdb.path={tmp_path / 'data'}"]
    prometheus = find_tools(fetch=False, folder=fetched).prometheus
    with lease_port(21_000) as lease, httpx.Client(trust_env=False) as client:
        process = serve(prometheus, flags, lease.address, tmp_path / "log")
        try:
            page = client.get(f"http://{lease.address}/", follow_redirects=True)
            assert page.status_code == 200
            scripts = [part.split('"')[0] for part in page.text.split('src="')[1:]]
            assert scripts
            for script in scripts:
                assert client.get(page.url.join(script)).status_code == 200, script
        finally:
            process.stop()


@pytest.mark.live
@pytest.mark.usefixtures("fetched_only")
def test_fetched_alertmanager_starts_where_its_package_is_not_installed(
    fetched: Path, tmp_path: Path
) -> None:
    config = tmp_path / "alertmanager.yml"
    config.write_text("route: {receiver: nobody}\nreceivers: [{name: nobody}]\n")
    flags = [f"--config.file={config}", f"--storage.path={tmp_path / 'data'}"]
    alertmanager = find_tools(fetch=False, folder=fetched).alertmanager
    with lease_port(21_000) as lease:
        flags.append("--cluster.listen-address=")
        serve(alertmanager, flags, lease.address, tmp_path / "log").stop()
