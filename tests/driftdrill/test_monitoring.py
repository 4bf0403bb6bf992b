"""`--prometheus`: a URL, or a file that says how somebody's Prometheus is asked."""

from pathlib import Path

import pytest

from driftdrill.monitoring import find_monitoring
from driftdrill.rig.errors import UsageError
from scenarios.yamlfile import BadFileError

FILE = """\
url: https://prometheus.test/team/
headers: {Authorization: "Bearer ${MONITORING_TOKEN}"}
alertmanager:
  url: https://alerts.test
  tls: {verify: false}
"""


@pytest.fixture(autouse=True)
def _token(monkeypatch):
    monkeypatch.setenv("MONITORING_TOKEN", "s3cret")


def write(folder: Path, text: str) -> str:
    (folder / "theirs.yaml").write_text(text)
    return str(folder / "theirs.yaml")


def test_a_url_is_all_that_an_open_prometheus_takes():
    monitoring = find_monitoring("http://127.0.0.1:9090/")
    assert monitoring.prometheus.url == "http://127.0.0.1:9090"
    assert not monitoring.prometheus.headers
    assert monitoring.alertmanager is None


def test_a_file_says_what_either_server_asks_for(tmp_path):
    monitoring = find_monitoring(write(tmp_path, FILE))
    assert monitoring.prometheus.url == "https://prometheus.test/team"
    assert monitoring.prometheus.headers == {"Authorization": "Bearer s3cret"}
    assert monitoring.alertmanager is not None
    assert not monitoring.alertmanager.headers, "a secret of one server is not told another"
    assert not monitoring.alertmanager.tls.verify
    assert "s3cret" not in repr(monitoring)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("http://me:pw@prometheus.test", "no password in a URL"),
        ("ftp://prometheus.test", "expected a URL"),
        ("http://prometheus.test/?team=ml", "expected a URL without a query"),
        ("prometheus.test:9090", "expected a URL such as http"),
        ("no-such.yaml", "there is no file 'no-such.yaml'"),
    ],
)
def test_what_is_neither_is_refused(given, said):
    with pytest.raises(UsageError, match=said):
        find_monitoring(given)


BAD = {
    "no url": ("url: https://prometheus.test/team/", "tls: {}", 1, "", "missing required field"),
    "no such variable": ("MONITORING_TOKEN", "NO_TOKEN", 2, "headers.Authorization", "NO_TOKEN"),
    "unknown key": ("  tls:", "  tsl:", 5, "alertmanager.tsl", "known: url, headers, tls"),
    "no such authority": ("verify: false", "ca: no.pem", 5, "alertmanager.tls.ca", "No such file"),
}


@pytest.mark.parametrize(("old", "new", "line", "key", "said"), BAD.values(), ids=BAD)
def test_what_is_wrong_in_the_file_is_named_by_line_and_key(tmp_path, old, new, line, key, said):
    assert old in FILE
    path = write(tmp_path, FILE.replace(old, new, 1))
    with pytest.raises(BadFileError) as caught:
        find_monitoring(path)
    place = f"{path}:{line}: {key}: " if key else f"{path}:{line}: "
    assert str(caught.value).startswith(place), caught.value
    assert said in str(caught.value)
