"""Target files: what they mean, and what is said of those that mean nothing."""

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
    "no such authority": ("verify: false", "ca: no.pem", 14, "tls", "No such file"),
    "no such rules": ("mine.yml", "yours.yml", 15, "rules[0]", "no file"),
}  # fmt: skip


@pytest.mark.parametrize(("old", "new", "line", "key", "hint"), BAD.values(), ids=BAD)
def test_what_does_not_fit_is_named_by_file_line_and_key(tmp_path, old, new, line, key, hint):
    assert old in GOOD
    path = write(tmp_path, GOOD.replace(old, new, 1))
    with pytest.raises(BadFileError) as caught:
        load_target(path)
    message = str(caught.value)
    assert message.startswith(f"{path}:{line}: {key}"), message
    assert hint in message


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
