"""Target files: what they mean, and what is said of those that mean nothing."""

import subprocess
from pathlib import Path

import pytest

from scenarios.exchange import Exchange
from scenarios.target import Feedback, load_target, shipped_target
from scenarios.worlds import population
from scenarios.yamlfile import BadFileError

GOOD = """\
url: https://scorer.test:8443/v1/
model: credit
predict:
  path: /score
  request: {applicant: "{*row}", id: 7}
  score: result.risk
  token: result.id
feedback:
  path: /outcome
  request: {id: "{token}", paid: "{outcome}"}
metrics: http://scorer.test:9100/metrics
headers:
  Authorization: Bearer ${SCORER_TOKEN}
tls: {verify: false}
rules: [mine.yml]
"""


@pytest.fixture(autouse=True)
def _token(monkeypatch):
    monkeypatch.setenv("SCORER_TOKEN", "s3cret")


def write(folder: Path, text: str) -> Path:
    (folder / "mine.yml").write_text("groups: []\n")
    path = folder / "target.yaml"
    path.write_text(text)
    return path


def test_a_target_is_what_its_file_says(tmp_path):
    target = load_target(write(tmp_path, GOOD))
    assert (target.url, target.model) == ("https://scorer.test:8443/v1", "credit")
    assert target.metrics == "http://scorer.test:9100/metrics"
    assert target.predict.score == ("result", "risk")
    assert target.headers == {"Authorization": "Bearer s3cret"}
    assert target.rules == (tmp_path / "mine.yml",)
    assert target.feedback is not None
    assert target.feedback.body([("x", 1)]) == b'{"id":"x","paid":1}'


def test_a_secret_is_in_no_description_of_a_target(tmp_path):
    assert "s3cret" not in repr(load_target(write(tmp_path, GOOD)))


def test_metrics_on_another_host_are_not_told_the_secret(tmp_path):
    assert load_target(write(tmp_path, GOOD)).authorization is None
    same = GOOD.replace("http://scorer.test:9100/metrics", "/metrics")
    target = load_target(write(tmp_path, same))
    assert target.metrics == "https://scorer.test:8443/metrics"
    assert target.authorization == "Bearer s3cret"


def test_a_preset_says_the_rest(tmp_path):
    short = "url: http://127.0.0.1:5000\nmodel: credit\npreset: mlflow\n"
    target = load_target(write(tmp_path, short))
    assert target.predict.path == "/invocations"
    assert target.metrics == "http://127.0.0.1:5000/metrics"
    assert target.feedback is None
    assert target.predict.token is None


def test_the_shipped_service_is_the_preset_of_its_name(tmp_path):
    short = "url: http://127.0.0.1:8000\nmodel: credit\npreset: driftdrill\n"
    target, shipped = (
        load_target(write(tmp_path, short)),
        shipped_target("http://127.0.0.1:8000", "credit"),
    )
    assert target.predict == shipped.predict
    assert target.feedback == shipped.feedback


def test_outcomes_are_told_as_a_list_where_there_is_a_template_for_one():
    told = Feedback("/feedback", {"labels": "{*labels}"}, {"t": "{token}", "y": "{outcome}"})
    body = told.body([("a", 1), ("b", 0)])
    assert body == b'{"labels":[{"t":"a","y":1},{"t":"b","y":0}]}'


BAD = {
    "no scheme": ("https://scorer.test:8443/v1/", "scorer.test", 1, "url", "expected a URL"),
    "no such port": (":8443", ":99999", 1, "url", "Port out of range"),
    "password in url": ("//scorer", "//me:pw@scorer", 1, "url", "no password in a URL"),
    "unknown model": ("model: credit", "model: debit", 2, "model", "known: credit, flights"),
    "unknown preset": ("model: credit", "model: credit\npreset: kserv", 3, "preset", "known: d"),
    "unknown key": ("tls:", "tsl:", 14, "tsl", "known: url, model"),
    "unknown feature": ('"{*row}"', '"{agee}"', 5, "predict.request", "{agee}; known"),
    "constant request": ('"{*row}"', "1", 5, "predict.request", "no value of a row is in it"),
    "score is no path": ("result.risk", "result..risk", 6, "predict.score", "expected a path"),
    "score missing": ("  score: result.risk\n", "", 3, "predict.score", "preset 'json' has none"),
    "path missing": ("  path: /score\n", "", 3, "predict.path", "preset 'json' has none"),
    "token missing": ("  token: result.id\n", "", 3, "predict.token", "preset 'json' has none"),
    "path without slash": ("path: /score", "path: score", 4, "predict.path", "begins with /"),
    "outcome not told": ('"{outcome}"', "1", 8, "feedback", "no {outcome} in it"),
    "unknown variable": ("SCORER_TOKEN", "NO_SUCH_TOKEN", 13, "headers.Authorization", "NO_SUCH_T"),
    "two lines": ("Bearer ${SCORER_TOKEN}", '"a\\nb"', 13, "headers.Authorization", "one line"),
    "empty variable": ("SCORER_TOKEN", "EMPTY", 13, "headers.Authorization", "EMPTY of the envir"),
    "blank at the end": ("SCORER_TOKEN", "BLANK", 13, "headers.Authorization", "without blanks"),
    "odd variable": ("SCORER_TOKEN}", "SCORER-TOKEN}", 13, "headers.Authorization", "as ${NAME}"),
    "open variable": ("_TOKEN}", "_TOKEN", 13, "headers.Authorization", "as ${NAME}"),
    "length": ("Authorization:", "Content-Length:", 13, "headers.Content-Length", "by the body"),
    "query": ("8443/v1/", "8443/?v=1", 1, "url", "without a query"),
    "metrics by a name": ("http://scorer.test:9100/metrics", "none", 11, "metrics", "or null for"),
    "no such authority": ("verify: false", "ca: no.pem", 14, "tls.ca", "No such file"),
    "no authority": ("verify: false", "ca: mine.yml", 14, "tls.ca", "no certificate of an auth"),
    "no key": ("verify: false", "certificate: crt.pem", 14, "tls.certificate", "no key is named"),
    "closed key": ("verify: false", "certificate: crt.pem, key: closed.pem", 14, "tls.certificate",
                   "without a pass phrase"),
    "key alone": ("verify: false", "key: key.pem", 14, "tls.key", "none is named"),
    "no such rules": ("mine.yml", "yours.yml", 15, "rules[0]", "no file"),
}  # fmt: skip


@pytest.mark.parametrize(("old", "new", "line", "key", "hint"), BAD.values(), ids=BAD)
def test_what_does_not_fit_is_named_by_file_line_and_key(
    tmp_path, monkeypatch, certificate, old, new, line, key, hint
):
    assert old in GOOD
    monkeypatch.setenv("EMPTY", "")
    monkeypatch.setenv("BLANK", "s3cret\n")
    (tmp_path / "crt.pem").write_bytes(certificate.file.read_bytes())
    (tmp_path / "key.pem").write_bytes(certificate.key.read_bytes())
    if "closed.pem" in new:
        command = ["openssl", "pkcs8", "-topk8", "-passout", "pass:closed", "-in", "key.pem"]
        subprocess.run([*command, "-out", "closed.pem"], cwd=tmp_path, check=True)
    path = write(tmp_path, GOOD.replace(old, new, 1))
    with pytest.raises(BadFileError) as caught:
        load_target(path)
    message = str(caught.value)
    assert message.startswith(f"{path}:{line}: {key}"), message
    assert hint in message
    assert "s3cret" not in message


def test_a_service_may_have_nothing_to_scrape(tmp_path):
    target = load_target(write(tmp_path, GOOD.replace("http://scorer.test:9100/metrics", "null")))
    assert target.metrics is None
    assert target.authorization is None
    with pytest.raises(ValueError, match="nothing to scrape"):
        _ = target.scraped


@pytest.fixture
def exchange():
    return Exchange(shipped_target("http://127.0.0.1:1", "credit"), population("credit").schema)


def test_an_answer_gives_score_and_token(exchange):
    body = b'{"predictions": [{"score": 1, "token": "t"}]}'
    assert exchange.read(200, body) == (1, "t")


@pytest.mark.parametrize(
    ("status", "body", "said"),
    [
        (0, b"", "no answer"),
        (503, b"{}", "status 503"),
        (302, b"{}", "status 302"),
        (200, b"<html>", "not JSON"),
        (200, b"\xff", "not JSON"),
        (200, b'{"score": NaN}', "not JSON, which has no NaN"),
        (200, b"[" * 5000 + b"]" * 5000, "nested too deep"),
        (200, b'{"predictions": []}', r"nothing at predictions\[0\]: there is a list of 0"),
        (200, b'{"predictions": [{"score": "0.5"}]}', 'the score is no number: "0.5"'),
        (200, b'{"predictions": [{"score": null}]}', "the score is no number: null"),
        (200, b'{"predictions": [{"score": true}]}', "the score is no number: true"),
        (200, b'{"predictions": [{"score": 0.5}]}', "nothing at predictions"),
    ],
)
def test_an_answer_without_a_score_says_what_is_there(exchange, status, body, said):
    with pytest.raises(ValueError, match=said):
        exchange.read(status, body)
