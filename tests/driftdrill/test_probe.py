"""`driftdrill check --target FILE --probe` and what a drill refuses: one clear message each."""

import json
import ssl
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import NamedTuple

import pytest

from driftdrill.cli import main

SCORER = """\
url: URL
model: credit
predict: {path: /score, score: risk}
headers: {Authorization: "Bearer ${SCORER_TOKEN}"}
"""


class Scorer(BaseHTTPRequestHandler):
    """A service as somebody else may have written it."""

    protocol_version = "HTTP/1.1"

    def do_POST(self):
        row = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self.headers["Authorization"] != "Bearer s3cret":
            self.answer(401, b'{"detail": "who are you?"}')
        elif self.path != "/score":
            self.answer(404, b"nothing here")
        elif "income" not in row:
            self.answer(422, b'{"detail": "income: field required"}')
        elif row["income"] == "crash":
            self.answer(500, b"oh no")
        else:
            self.answer(200, b'{"risk": 0.25}')

    def do_GET(self):
        self.answer(200, b"# TYPE scored counter\nscored 1\n" if self.path == "/metrics" else b"?")

    def answer(self, status, body):
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


@pytest.fixture(scope="module")
def url():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Scorer)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


class Done(NamedTuple):
    returncode: int
    stdout: str
    stderr: str


@pytest.fixture
def driftdrill(tmp_path, monkeypatch, capsys):
    """Run the command on a target file of the given text, in this process."""

    def run(text: str, *arguments: str) -> Done:
        path = tmp_path / "scorer.yaml"
        path.write_text(text)
        monkeypatch.setenv("SCORER_TOKEN", "s3cret")
        monkeypatch.setenv("COLUMNS", "200")
        monkeypatch.setattr(sys, "argv", ["driftdrill", *arguments, "--target", str(path)])
        with pytest.raises(SystemExit) as ended:
            main()
        return Done(ended.value.code, *capsys.readouterr())

    return run


def test_a_probe_says_what_it_sent_and_what_came(driftdrill, url):
    done = driftdrill(SCORER.replace("URL", url), "check", "--probe")
    assert done.returncode == 0, done.stderr
    assert f"POST {url}/score" in done.stdout
    assert '"income":' in done.stdout
    assert "score 0.25" in done.stdout
    assert f"GET {url}/metrics  1 metrics" in done.stdout
    assert "s3cret" not in done.stdout


WRONG = {
    "wrong url": ("URL", "http://127.0.0.1:9", 3, "http://127.0.0.1:9/score cannot be reached"),
    "wrong host": ("URL", "http://no.such.invalid", 3, "cannot be reached"),
    "not allowed": ("${SCORER_TOKEN}", "none", 2, "look at headers: what proves who we are"),
    "wrong path": ("/score", "/predict", 2, "look at url and predict.path"),
    "wrong template": ("score: risk", 'score: risk, request: {"in": "{income}"}', 2,
                       "the service does not take this body"),
    "score not found": ("score: risk", "score: result.risk", 2,
                        "nothing at result: there is an object with 'risk'"),
    "service fails": ("score: risk", 'score: risk, request: {"income": crash, "i": "{age}"}', 3,
                      "answers 500 Internal Server Error"),
    "no metrics": ("model:", "metrics: /nowhere\nmodel:", 2, "nothing that Prometheus can read"),
}  # fmt: skip


@pytest.mark.parametrize(("old", "new", "code", "said"), WRONG.values(), ids=WRONG)
def test_what_is_wrong_is_one_message_and_its_exit_code(
    driftdrill, tmp_path, url, old, new, code, said
):
    assert old in SCORER
    text = SCORER.replace(old, new, 1).replace("URL", url)
    done = driftdrill(text, "check", "--probe")
    assert done.returncode == code, done.stdout + done.stderr
    assert said in done.stderr
    assert done.stderr.startswith(f"driftdrill: {tmp_path / 'scorer.yaml'}: ")
    assert "Traceback" not in done.stderr


def test_a_drill_asks_before_it_starts_anything(driftdrill, tmp_path, url):
    text = SCORER.replace("${SCORER_TOKEN}", "none").replace("URL", url)
    done = driftdrill(text, "run", "steady", "--out", str(tmp_path / "out"))
    assert done.returncode == 2
    assert "look at headers" in done.stderr
    assert not (tmp_path / "out").exists()


def test_a_scenario_of_other_rows_is_refused(driftdrill, url):
    text = SCORER.replace("URL", url).replace("model: credit", "model: flights")
    done = driftdrill(text, "run", "steady")
    assert done.returncode == 2
    assert "sends rows of credit" in done.stderr


def test_only_a_live_drill_can_ask_a_service_that_runs(driftdrill, url):
    done = driftdrill(SCORER.replace("URL", url), "run", "steady", "--virtual")
    assert done.returncode == 2
    assert "only a live drill can ask it" in done.stderr


def test_a_certificate_that_nobody_vouches_for_is_not_trusted(driftdrill, tmp_path):
    certificate, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    made = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"]
    made += ["-nodes", "-keyout", key, "-out", certificate, "-days", "2", "-subj", "/CN=localhost"]
    made += ["-addext", "subjectAltName=IP:127.0.0.1"]
    subprocess.run(made, check=True, capture_output=True)
    server = ThreadingHTTPServer(("127.0.0.1", 0), Scorer)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    text = SCORER.replace("URL", f"https://127.0.0.1:{server.server_port}")
    try:
        refused = driftdrill(text, "check", "--probe")
        trusted = driftdrill(f"{text}tls: {{ca: cert.pem}}\n", "check", "--probe")
    finally:
        server.shutdown()
        server.server_close()
    assert (refused.returncode, trusted.returncode) == (3, 0), refused.stderr + trusted.stderr
    assert "certificate verify failed" in refused.stderr
