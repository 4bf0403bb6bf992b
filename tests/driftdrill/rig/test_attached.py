"""Servers that run already, as far as a drill needs to know before it begins."""

import json
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from driftdrill.monitoring import Monitoring
from driftdrill.rig.attached import Attached
from driftdrill.rig.errors import RigError
from scenarios.endpoint import Endpoint
from scenarios.target import load_target

RULES = {"groups": []}
KNOWN = {"activeAlertmanagers": [{"url": "URL/api/v2/alerts"}]}
PROMETHEUS = {
    "/api/v1/rules": RULES,
    "/api/v1/alertmanagers": KNOWN,
    "/api/v1/status/config": {"yaml": "global: {external_labels: {team: ml}}"},
    "/api/v1/status/buildinfo": {"version": "3.5.0"},
}


@contextmanager
def serving(answers):
    """A server that answers paths with JSON, and knows no method but GET; yields its URL."""

    class Server(BaseHTTPRequestHandler):
        def do_GET(self):
            path = self.path.partition("?")[0]
            known = answers.get(path)
            if path.startswith("/api/v1"):
                known = {"status": "success", "data": known}
            text = json.dumps(known).replace("URL", f"http://{self.headers['Host']}")
            self.send_response(200)
            self.end_headers()
            self.wfile.write(text.encode())

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Server)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


def start(tmp_path, url):
    path = tmp_path / "target.yaml"
    path.write_text("url: http://127.0.0.1:9\nmodel: credit\npreset: mlflow\n")
    with Attached(tmp_path / "out", Monitoring(Endpoint(url)), 1.0) as attached:
        attached.start(load_target(path))
        return attached


def test_what_runs_already_is_only_read(tmp_path):
    alertmanager = {"/api/v2/status": {"versionInfo": {"version": "0.28.1"}}}
    with serving({**PROMETHEUS, **alertmanager}) as url:
        attached = start(tmp_path, url)
    assert attached.versions == {"prometheus": "3.5.0", "alertmanager": "0.28.1"}


@pytest.mark.parametrize(
    ("path", "answer", "said"),
    [
        ("/api/v1/rules", None, "is no Prometheus to drill: what it says of its rules"),
        ("/api/v1/rules", {"groups": [{}]}, "is no Prometheus to drill"),
        ("/api/v1/alertmanagers", [], "is no Prometheus to drill"),
        ("/api/v1/status/config", {"yaml": "a: ["}, "is no Prometheus to drill"),
        ("/api/v1/alertmanagers", {"activeAlertmanagers": []}, "tells its alerts to no Alertm"),
        ("/api/v2/status", {"status": "ok"}, "what answers for Alertmanager is none"),
    ],
)
def test_what_answers_otherwise_is_named_not_traced(tmp_path, path, answer, said):
    with (
        serving({**PROMETHEUS, path: answer}) as url,
        pytest.raises(RigError, match=said),
    ):
        start(tmp_path, url)
