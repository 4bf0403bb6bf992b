"""Who sends a drill's traffic, in a process of its own: Locust patches the one that imports it."""

import ssl
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[2]

ASK = """\
import sys
from pathlib import Path
from types import SimpleNamespace
from locust.env import Environment
from scenarios.target import load_target
from scenarios.users import Applicant, Drill, introduce

for file in sys.argv[1:]:
    target = load_target(Path(file))
    traffic = SimpleNamespace(scenario=SimpleNamespace(name="x"))
    introduce(Drill(traffic, target, None, (target.url,)))
    applicant = Applicant(Environment())
    for _ in range(2):
        answer = applicant.client.post("/score", data=b"{}")
    print(answer.status_code)
"""

TARGET = "url: {url}\nmodel: credit\npredict: {{path: /score, score: risk}}\ntls: {{{tls}}}\n"


def asked(folder: Path, *targets: tuple[str, str]) -> list[str]:
    """The status of an answer of each target, (URL, its tls); 0 where none came."""
    files = []
    for number, (url, tls) in enumerate(targets):
        files.append(folder / f"{number}.yaml")
        files[-1].write_text(TARGET.format(url=url, tls=tls))
    command = [sys.executable, "-c", ASK, *map(str, files)]
    done = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


@pytest.fixture
def servers():
    """A service that sends its clients elsewhere; the cookies that come back; who arrives there."""
    came_with: list[str | None] = []
    arrived: list[str] = []

    class Elsewhere(BaseHTTPRequestHandler):
        def do_POST(self):
            arrived.append(self.path)
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_):
            pass

    class Service(Elsewhere):
        def do_POST(self):
            came_with.append(self.headers["Cookie"])
            self.send_response(307)
            self.send_header("Set-Cookie", "customer=1")
            self.send_header("Location", f"http://127.0.0.1:{elsewhere.server_port}/score")
            self.send_header("Content-Length", "0")
            self.end_headers()

    elsewhere, service = (
        ThreadingHTTPServer(("127.0.0.1", 0), kind) for kind in (Elsewhere, Service)
    )
    for server in (elsewhere, service):
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    yield f"http://127.0.0.1:{service.server_port}", came_with, arrived
    for server in (elsewhere, service):
        server.shutdown()
        server.server_close()


def test_traffic_follows_nobody_to_another_address_and_keeps_no_cookies(servers, tmp_path):
    url, came_with, arrived = servers
    assert asked(tmp_path, (url, "")) == ["307"]
    assert came_with == [None, None]
    assert arrived == []


def test_traffic_goes_to_the_server_alone_that_the_named_authority_vouches_for(
    certificate, tmp_path
):
    class Service(BaseHTTPRequestHandler):
        def do_POST(self):
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Service)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    here, alias = (f"https://{host}:{server.server_port}" for host in ("127.0.0.1", "localhost"))
    ours = f"ca: {certificate.file}"
    try:
        found = asked(tmp_path, (here, ours), (here, ""), (alias, ours), (alias, "verify: false"))
    finally:
        server.shutdown()
        server.server_close()
    assert found == ["200", "0", "0", "200"], "trusted, of nobody's, of another name, not checked"
