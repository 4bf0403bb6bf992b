"""Who sends a drill's traffic, in a process of its own: Locust patches the one that imports it."""

import gzip
import os
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
from scenarios.users import Drill

for file in sys.argv[1:]:
    target = load_target(Path(file))
    traffic = SimpleNamespace(scenario=SimpleNamespace(name="x"))
    (client,) = Drill(traffic, target, None, (target.url,)).clients(Environment())
    for _ in range(2):
        answer = client.ask("POST", "/score", b"{}", {"X-Drill-Time": "1"})
    print(answer.status, answer.content.decode())
"""

COUNT = """\
import socket
from locust import User
from locust.env import Environment
from scenarios.client import Answer, Client
from scenarios.endpoint import Tls

with socket.socket() as taken:  # bound, and not listening: it refuses
    taken.bind(("127.0.0.1", 0))
    port = taken.getsockname()[1]
    environment = Environment(user_classes=[User])
    environment.create_local_runner()
    client = Client(environment, f"http://127.0.0.1:{port}", {}, Tls())
    answer = client.ask("POST", "/score", b"{}", {})
    assert (answer.status, answer.content) == (0, b""), answer
    client.count("POST", "/score", answer, ValueError("no answer"))
    client.count("POST", "/score", Answer(200, b"1234", 2.5), None)
stats = environment.stats
entry = stats.get("/score", "POST")
bytes_ = entry.total_content_length
print(f"POST /score: {entry.num_requests} requests, {entry.num_failures} failed, {bytes_} bytes")
print(f"total: {stats.total.num_requests} requests, {stats.total.num_failures} failed")
for error in stats.errors.values():
    print(f"{error.error}: {error.occurrences}")
"""

TARGET = "url: {url}\nmodel: credit\npredict: {{path: /score, score: risk}}\ntls: {{{tls}}}\n"


def asked(folder: Path, *targets: tuple[str, str]) -> list[str]:
    """The second answer of each target, (URL, its tls): status, 0 where none came, and content."""
    files = []
    for number, (url, tls) in enumerate(targets):
        files.append(folder / f"{number}.yaml")
        files[-1].write_text(TARGET.format(url=url, tls=tls))
    command = [sys.executable, "-c", ASK, *map(str, files)]
    done = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return [line.strip() for line in done.stdout.splitlines()]


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


def test_an_answer_is_read_whatever_its_server_does_with_encodings_and_connections(tmp_path):
    connections, requests = [], []

    class Service(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def setup(self):
            super().setup()
            connections.append(self.client_address)

        def do_POST(self):
            length = int(self.headers["Content-Length"])
            requests.append((self.path, self.headers, self.rfile.read(length)))
            packed = self.path.startswith("/packed")
            body = gzip.compress(b"well") if packed else b"well"
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            if packed:
                self.send_header("Content-Encoding", "gzip")
            self.end_headers()
            self.wfile.write(body)
            # Not announced, as when a server gives up an idle connection.
            self.close_connection = self.path.startswith("/once")

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Service)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    url = f"http://127.0.0.1:{server.server_port}"
    bases = ("", "/packed", "/once", "/a b")
    try:
        found = asked(tmp_path, *((f"{url}{base}", "") for base in bases))
    finally:
        server.shutdown()
        server.server_close()
    assert found == ["200 well"] * len(bases)
    assert len(connections) == len(bases) + 1, "one for each client, and another for /once"
    paths = [path for path, _, _ in requests[::2]]
    assert paths == ["/score", "/packed/score", "/once/score", "/a%20b/score"]
    for _, headers, body in requests:
        assert (headers["X-Drill"], headers["X-Drill-Time"]) == ("x", "1")
        assert (headers["Content-Type"], body) == ("application/json", b"{}")


def test_locust_counts_what_came_and_what_did_not(tmp_path):
    (tmp_path / "count.py").write_text(COUNT)
    done = subprocess.run(
        [sys.executable, tmp_path / "count.py"],
        cwd=PROJECT,
        env={**os.environ, "PYTHONPATH": str(PROJECT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.splitlines() == [
        "POST /score: 2 requests, 1 failed, 4 bytes",
        "total: 2 requests, 1 failed",
        "no answer: 1",
    ], done.stderr
