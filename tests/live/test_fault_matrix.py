"""The fault matrix: whatever breaks, the verdict is inconclusive or a right fail, and says why.

Each fault meets real processes. What comes from outside (a binary that starts slowly, a disk that
is full, a supervisor that restarts a server) is a wrapper script in the place of the binary.
"""

from __future__ import annotations

import contextlib
import os
import resource
import signal
import socket
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from driftdrill.rig.configs import ALERTMANAGER_JOB
from driftdrill.rig.ports import lease_port
from driftdrill.rig.tools import find_tools

pytestmark = pytest.mark.live

SPEED = "60"
DRIFTING = """\
name: drifting
summary: Incomes fall by two standard deviations.
model: credit
traffic: {rate: 2}
phases:
  - {name: calm, duration: 3m}
  - name: recession
    duration: 9m
    drifts: [{kind: covariate-shift, feature: income, shift: -2}]
expect:
  - {alert: FeatureDrift, labels: {feature: income}, within: 8m}
  - {alert: ScoreDrift, within: 9m}
allow:
  - {alert: FeatureOutOfRange}
  - {alert: SegmentDrift}
"""
PROMETHEUS, ALERTMANAGER = "--storage.tsdb.path", "--cluster.listen-address"
SERVICE, LOCUST = "target_service", "locustfile.py"


@pytest.fixture
def drifting(tmp_path):
    path = tmp_path / "drifting.yaml"
    path.write_text(DRIFTING)
    return str(path)


def wrapper(folder: Path, tool: str, script: str) -> dict[str, str]:
    """The environment in which a shell script stands in for one of the tools.

    In the script, $TOOL is the real one.
    """
    tools = find_tools()
    real = getattr(tools, tool)
    path = folder / "bin" / tool
    path.parent.mkdir(parents=True)
    if real.cwd:
        (folder / "share").mkdir()
        (folder / "share" / "prometheus").symlink_to(real.cwd)
    asked = 'if [ "$1" = --version ]; then exec "$TOOL" "$@"; fi'
    path.write_text(f"#!/bin/sh\nTOOL={real.path}\n{asked}\n{script}\n")
    path.chmod(0o755)
    return {tool.upper(): str(path), "PROMTOOL": str(tools.promtool.path)}


def kill_server(drill, tool: str) -> None:
    """Kill the server below a wrapper, not the wrapper."""
    real = getattr(find_tools(), tool).path
    (server,) = (child for child in drill.children() if Path(child.exe()).samefile(real))
    server.kill()


# --- Servers that stand still ---------------------------------------------------------------------


FROZEN = {
    PROMETHEUS: ("not evaluated", "Prometheus did not answer"),
    ALERTMANAGER: ("Alertmanager did not answer",),
    SERVICE: ("was not scraped",),
    LOCUST: ("late",),
}


@pytest.fixture(scope="module")
def frozen(run_shared, at_once, calm):
    def freeze(word):
        drill = run_shared(calm, "--speed", SPEED)
        drill.wait_until_running()
        process = drill.process(word)
        os.kill(process, signal.SIGSTOP)
        time.sleep(5 if word == LOCUST else 10)
        with contextlib.suppress(ProcessLookupError):  # the drill may have ended it meanwhile
            os.kill(process, signal.SIGCONT)
        return (drill, *drill.finish())

    return at_once(freeze, FROZEN)


@pytest.mark.parametrize("word", FROZEN)
def test_a_server_that_stands_still_for_ten_seconds_is_noticed(frozen, word):
    drill, code, verdict = frozen[word]
    assert (code, verdict["outcome"]) == (3, "inconclusive"), drill.said
    told = " ".join(verdict["reasons"])
    assert any(words in told for words in FROZEN[word]), told
    assert (drill.out / "report.html").exists()


# --- Servers that come late, come again, or cannot come -------------------------------------------

_SLOW = """\
import sys, time
if {"locust", "target_service"} & set(sys.orig_argv):
    time.sleep(3)
"""


def test_slow_starts_and_taken_ports_change_nothing(run, calm, tmp_path):
    (tmp_path / "sitecustomize.py").write_text(_SLOW)
    env = wrapper(tmp_path, "prometheus", 'sleep 3; exec "$TOOL" "$@"')
    env |= wrapper(tmp_path / "slow", "alertmanager", 'sleep 3; exec "$TOOL" "$@"')
    taken = []
    with contextlib.ExitStack() as holders:
        for port in (8000, 9090, 9093):
            holder = holders.enter_context(socket.socket())
            # Leased until it is taken: not from under a drill beside this one.
            with lease_port(port) as lease:
                holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                holder.bind(("127.0.0.1", lease.port))
                holder.listen()
                taken.append(f":{lease.port}")
        search = os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")])
        env |= {"PYTHONPATH": search}
        drill = run(calm, "--speed", SPEED, "--workers", "1", env=env)
        code, verdict = drill.finish()
    assert (code, verdict["reasons"]) == (0, []), drill.said
    assert not drill.prometheus_url().endswith(tuple(taken))


RESTARTED = {"prometheus": "Prometheus", "alertmanager": "Alertmanager was restarted"}


@pytest.fixture(scope="module")
def restarted(run_shared, at_once, calm, tmp_path_factory):
    def restart(tool):
        env = wrapper(tmp_path_factory.mktemp(tool), tool, 'while :; do "$TOOL" "$@"; done')
        drill = run_shared(calm, "--speed", SPEED, env=env)
        drill.wait_until_running()
        drill.wait_until_scraped(ALERTMANAGER_JOB)  # so that its second start is no first one
        kill_server(drill, tool)
        return (drill, *drill.finish())

    return at_once(restart, RESTARTED)


@pytest.mark.parametrize("tool", RESTARTED)
def test_a_server_that_a_supervisor_restarts_is_noticed(restarted, tool):
    drill, code, verdict = restarted[tool]
    assert (code, verdict["outcome"]) == (3, "inconclusive"), drill.said
    assert any(RESTARTED[tool] in reason for reason in verdict["reasons"]), verdict["reasons"]


def test_a_prometheus_that_does_not_start_is_named(run, calm, tmp_path):
    env = wrapper(tmp_path, "prometheus", "echo no, thanks; exit 7")
    drill = run(calm, "--speed", SPEED, env=env)
    code, verdict = drill.finish()
    assert (code, verdict["outcome"]) == (3, "inconclusive")
    assert "prometheus exited with status 7" in verdict["reasons"][0]
    assert "no, thanks" in verdict["reasons"][0]


# --- Disks that are full, rules that fail ---------------------------------------------------------

_FAILING = """\
groups:
  - name: failing
    rules:
      - alert: TwoOfAKind
        expr: model_score_bucket * on (model) model_score_bucket > 0
"""


@pytest.fixture(scope="module")
def spoilt(run_shared, at_once, calm, tmp_path_factory):
    folder = tmp_path_factory.mktemp("spoilt")
    (folder / "failing.yml").write_text(_FAILING)
    how = {
        "full disk": ((), wrapper(folder, "prometheus", 'ulimit -f 256; exec "$TOOL" "$@"')),
        "failing rule": (("--rules", str(folder / "failing.yml")), None),
    }

    def spoil(case):
        more, env = how[case]
        drill = run_shared(calm, "--speed", SPEED, *more, env=env)
        return (drill, *drill.finish())

    return at_once(spoil, how)


def test_a_full_disk_under_prometheus_is_noticed(spoilt):
    drill, code, verdict = spoilt["full disk"]
    assert (code, verdict["outcome"]) == (3, "inconclusive"), drill.said
    assert verdict["reasons"]


def test_a_rule_that_fails_at_evaluation_is_named(spoilt):
    drill, code, verdict = spoilt["failing rule"]
    assert (code, verdict["outcome"]) == (3, "inconclusive"), drill.said
    assert any("TwoOfAKind" in reason for reason in verdict["reasons"]), verdict["reasons"]


def test_a_full_disk_under_the_results_never_passes(run, calm):
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, hard))
    try:
        drill = run(calm, "--speed", SPEED)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    code = drill.ended()
    assert code == 3, drill.said
    assert "File too large" in drill.said or "disk" in drill.said, drill.said


# --- Notifications --------------------------------------------------------------------------------


class _Refusing(BaseHTTPRequestHandler):
    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_error(500)

    def log_message(self, *_):
        pass


def test_a_receiver_that_answers_500_is_an_alert_that_reached_nobody(run, drifting, tmp_path):
    with ThreadingHTTPServer(("127.0.0.1", 0), _Refusing) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{server.server_port}/"
        script = f"""
for flag in "$@"; do case "$flag" in --config.file=*) config="${{flag#--config.file=}}";; esac; done
sed -i "s#url: .*#url: {address}#" "$config"
exec "$TOOL" "$@"
"""
        drill = run(drifting, "--speed", SPEED, env=wrapper(tmp_path, "alertmanager", script))
        code, verdict = drill.finish()
        server.shutdown()
    assert (code, verdict["outcome"]) == (1, "fail"), drill.said
    unheard = ["no notification of it arrived" in reason for reason in verdict["reasons"]]
    assert unheard == [True, True], verdict["reasons"]  # both alerts, and nothing else is wrong


# --- Files ----------------------------------------------------------------------------------------


def test_a_folder_with_leftovers_is_refused(run, calm, tmp_path):
    (tmp_path / "drill-0").mkdir()
    (tmp_path / "drill-0" / "verdict.json").write_text("{}")
    assert run(calm, "--speed", SPEED).ended() == 2
    assert (tmp_path / "drill-0" / "verdict.json").read_text() == "{}"


def test_a_truncated_scenario_is_refused(run, calm, tmp_path):
    text, cut = Path(calm).read_text(), tmp_path / "cut.yaml"
    cut.write_text(text[: text.index("duration") + 4])
    drill = run(str(cut), "--speed", SPEED)
    code = drill.ended()
    assert code == 2
    assert "cut.yaml" in drill.said
