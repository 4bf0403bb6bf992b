"""`driftdrill check --target FILE --probe` and what a drill refuses: one clear message each."""

import gzip
import json
import ssl
import sys
import threading
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import NamedTuple

import pytest

from driftdrill.cli import main
from scenarios.presets import NUMBERS_ONLY, PRESETS

SCORER = """\
url: URL
model: credit
predict: {path: /score, score: risk}
headers: {Authorization: "Bearer ${SCORER_TOKEN}"}
"""


METRICS = {
    "/metrics": b"# TYPE scored counter\nscored 1\n",
    "/untyped": b"scored 1\n",
    "/garbled": b"# TYPE scored counter\nscored one\n",
}


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
        elif row["income"] == "away":
            self.answer(307, b"", Location="/v2/score")
        elif row["income"] == "nothing":
            self.answer(200, b"")
        elif row["income"] == "packed":
            self.answer(200, gzip.compress(b'{"risk": 0.25}'), **{"Content-Encoding": "gzip"})
        elif row["income"] == "mispacked":
            self.answer(200, b'{"risk": 0.25}', **{"Content-Encoding": "gzip"})
        elif row["income"] == "endless":
            self.send_response(200)
            self.end_headers()
            with suppress(OSError):
                while True:
                    self.wfile.write(b" " * 2**20)
        else:
            self.answer(200, b'{"risk": 0.25}')

    def do_GET(self):
        if self.path == "/moved":
            self.answer(302, b"", Location="/metrics")
        elif self.path == "/gone":
            self.answer(404, b"nothing here")
        else:
            self.answer(200, METRICS.get(self.path, b"?"))

    def answer(self, status, body, **headers):
        self.send_response(status)
        for header in headers.items():
            self.send_header(*header)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


@contextmanager
def serving(handler):
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


@pytest.fixture(scope="module")
def url():
    with serving(Scorer) as url:
        yield url


ROW = {"age", "payment_delay", "home"}
"""Some of what every row holds."""


def open_inference(body):
    (tensor,) = body["inputs"]
    (row,) = tensor["data"]
    return tensor["datatype"] == "FP64" and tensor["shape"] == [1, len(row)]


def columns_of_a_frame(body):
    kinds = {tensor["name"]: tensor["datatype"] for tensor in body["inputs"]}
    values = [value for tensor in body["inputs"] for value in tensor["data"]]
    return (
        body["parameters"]["content_type"] == "pd"
        and (kinds["age"], kinds["home"]) == ("FP64", "BYTES")
        and len(values) == len(kinds)
    )


def dataframe_split(body):
    frame = body["dataframe_split"]
    return set(frame["columns"]) >= ROW and len(frame["data"][0]) == len(frame["columns"])


OUTPUTS = {"outputs": [{"name": "predict", "data": [0.25], "shape": [1], "datatype": "FP64"}]}
SPOKEN = {
    "json": (lambda body: set(body) >= ROW, {"risk": 0.25}, "score: risk, path: /score"),
    "driftdrill": (
        lambda body: set(body["rows"][0]) >= ROW,
        {"predictions": [{"score": 0.25, "token": "t"}]},
        "",
    ),
    "open-inference": (open_inference, OUTPUTS, "path: /v2/models/credit/infer"),
    "mlserver": (columns_of_a_frame, OUTPUTS, "path: /v2/models/credit/infer"),
    "kserve-v1": (
        lambda body: isinstance(body["instances"][0], list),
        {"predictions": [0.25]},
        "path: /v1/models/credit:predict",
    ),
    "mlflow": (dataframe_split, {"predictions": [0.25]}, ""),
    "bentoml": (lambda body: isinstance(body["input_series"][0], list), [0.25], ""),
}
"""Preset -> whether a body is as the protocol has it; an answer in it; what a file says beside."""


@pytest.fixture
def speaker(request):
    """A server that speaks the protocol of a preset, and refuses what is not in it."""
    understands, answer, _ = SPOKEN[request.param]

    class Speaker(Scorer):
        def do_POST(self):
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            if understands(body):
                self.answer(200, json.dumps(answer).encode())
            else:
                self.answer(400, b"not in this protocol")

    with serving(Speaker) as url:
        yield url


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


def test_every_preset_is_spoken_here():
    assert set(SPOKEN) == set(PRESETS)


@pytest.mark.parametrize(
    ("speaker", "preset"), [(name, name) for name in SPOKEN], ids=SPOKEN, indirect=["speaker"]
)
def test_a_probe_speaks_the_protocol_of_each_preset(driftdrill, tmp_path, speaker, preset):
    (tmp_path / "numbers.yaml").write_text("rows: numbers.csv\n")
    (tmp_path / "numbers.csv").write_text("age,income\n31,52000\n")
    beside = f"predict: {{{SPOKEN[preset][2]}}}\n" if SPOKEN[preset][2] else ""
    model = "numbers.yaml" if preset in NUMBERS_ONLY else "credit"
    text = f"url: {speaker}\nmodel: {model}\npreset: {preset}\n{beside}"
    done = driftdrill(text, "check", "--probe")
    assert done.returncode == 0, done.stderr
    assert "score 0.25" in done.stdout


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
    "redirect": ("score: risk", 'score: risk, request: {"income": away, "i": "{age}"}', 2,
                 "no redirect is followed, and this one leads to /v2/score"),
    "empty": ("score: risk", 'score: risk, request: {"income": nothing, "i": "{age}"}', 2,
              "the answer is empty"),
    "mispacked": ("score: risk", 'score: risk, request: {"income": mispacked, "i": "{age}"}', 2,
                  "answers what its Content-Encoding is not"),
    "endless": ("score: risk", 'score: risk, request: {"income": endless, "i": "{age}"}', 3,
                "has not answered to the end within 10 s"),
    "http for https": ("URL", "https:URL", 3, "look at the https of url"),
    "no metrics": ("model:", "metrics: /nowhere\nmodel:", 2, "metrics: Prometheus cannot read it"),
    "metrics gone": ("model:", "metrics: /gone\nmodel:", 2, "look at url and metrics"),
    "garbled": ("model:", "metrics: /garbled\nmodel:", 2, "could not convert string to float"),
}  # fmt: skip


@pytest.mark.parametrize(("old", "new", "code", "said"), WRONG.values(), ids=WRONG)
def test_what_is_wrong_is_one_message_and_its_exit_code(
    driftdrill, tmp_path, url, old, new, code, said
):
    assert old in SCORER
    text = SCORER.replace(old, new, 1).replace("https:URL", url.replace("http", "https"))
    done = driftdrill(text.replace("URL", url), "check", "--probe")
    assert done.returncode == code, done.stdout + done.stderr
    assert said in done.stderr
    assert done.stderr.startswith(f"driftdrill: {tmp_path / 'scorer.yaml'}: ")
    assert "Traceback" not in done.stderr


def test_an_answer_may_be_packed(driftdrill, url):
    text = SCORER.replace("URL", url).replace(
        "score: risk", 'score: risk, request: {"income": packed, "i": "{age}"}'
    )
    done = driftdrill(text, "check", "--probe")
    assert done.returncode == 0, done.stderr
    assert "score 0.25" in done.stdout


def test_a_target_without_metrics_is_for_a_prometheus_that_knows_it(driftdrill, tmp_path, url):
    text = SCORER.replace("URL", url) + "metrics: null\n"
    asked = driftdrill(text, "check", "--probe")
    assert asked.returncode == 0, asked.stderr
    assert "GET" not in asked.stdout
    drilled = driftdrill(text, "run", "steady")
    assert drilled.returncode == 2
    assert "name the --prometheus that knows" in drilled.stderr
    theirs = ["--prometheus", "http://127.0.0.1:9", "--out", str(tmp_path / "out")]
    begun = driftdrill(text, "run", "steady", *theirs)
    assert begun.returncode == 3
    assert "http://127.0.0.1:9 is no Prometheus to drill" in begun.stdout


@pytest.mark.parametrize("path", ["/untyped", "/moved"])
def test_metrics_are_read_as_prometheus_reads_them(driftdrill, url, path):
    text = SCORER.replace("URL", url).replace("model:", f"metrics: {path}\nmodel:")
    done = driftdrill(text, "check", "--probe")
    assert done.returncode == 0, done.stderr
    assert f"GET {url}{path}  1 metrics" in done.stdout


def test_a_tensor_of_numbers_is_not_sent_categories(driftdrill, url):
    text = f"url: {url}\nmodel: credit\npreset: open-inference\npredict: {{path: /score}}\n"
    done = driftdrill(text, "check")
    assert done.returncode == 2
    assert "scorer.yaml:3: preset: " in done.stderr
    assert "home, purpose, channel, region are categories" in done.stderr


def test_a_header_that_http_cannot_carry_is_named_by_file_line_and_key(driftdrill, url):
    text = SCORER.replace("URL", url).replace("Bearer", "Bäcker")
    done = driftdrill(text, "check", "--probe")
    assert done.returncode == 2
    assert "scorer.yaml:4: headers.Authorization: expected a value of ASCII" in done.stderr


def test_rows_that_lack_a_column_are_named_by_file_line_and_column(driftdrill, tmp_path, url):
    (tmp_path / "rows.yaml").write_text(
        "rows: loans.csv\nfeatures: {age: numeric, income: numeric}\n"
    )
    (tmp_path / "loans.csv").write_text("age,home\n31,own\n")
    text = SCORER.replace("URL", url).replace("model: credit", "model: rows.yaml")
    done = driftdrill(text, "check", "--probe")
    assert done.returncode == 2
    assert done.stderr == (
        f"driftdrill: {tmp_path}/rows.yaml:2: features.income: {tmp_path}/loans.csv has no column"
        " 'income'; it has: age, home\n"
    )


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


def test_a_certificate_that_nobody_vouches_for_is_not_trusted(driftdrill, certificate):
    server = ThreadingHTTPServer(("127.0.0.1", 0), Scorer)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    text = SCORER.replace("URL", f"https://127.0.0.1:{server.server_port}")
    try:
        refused = driftdrill(text, "check", "--probe")
        trusted = driftdrill(f"{text}tls: {{ca: {certificate.file}}}\n", "check", "--probe")
    finally:
        server.shutdown()
        server.server_close()
    assert (refused.returncode, trusted.returncode) == (3, 0), refused.stderr + trusted.stderr
    assert "certificate verify failed" in refused.stderr
