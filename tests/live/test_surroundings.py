"""More of the fault matrix: what is around the servers breaks; the drills suffer at once."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import time
from pathlib import Path

import psutil
import pytest

from driftdrill.models import artifact
from driftdrill.rig.tools import find_tools

pytestmark = pytest.mark.live

STILL_S = 10.0

_OTHER_MODELS = """\
import sys
if "driftdrill" in sys.orig_argv:
    import pathlib
    import driftdrill.models
    driftdrill.models.FOLDER = pathlib.Path({folder!r})
"""

_REFUSING = """\
#!/bin/sh
if [ "$1" = --version ]; then exec "{tool}" "$@"; fi
for flag in "$@"; do case "$flag" in --config.file=*) config="${{flag#--config.file=}}";; esac; done
sed -i "s#sample_limit: .*#sample_limit: 10#" "$config"
exec "{tool}" "$@"
"""


def stand_still(processes):
    """Stop processes for a while, as the machine that they share would."""
    for number in (signal.SIGSTOP, signal.SIGCONT):
        for process in processes:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.send_signal(number)
        if number == signal.SIGSTOP:
            time.sleep(STILL_S)


def still_worker(start, calm, folder):
    del folder
    drill = start(calm, "--speed", "60", "--workers", "2")
    drill.wait_until_running()
    stand_still([child for child in drill.children() if "--worker" in child.cmdline()][:1])
    return drill


def still_machine(start, calm, folder):
    del folder
    drill = start(calm, "--speed", "60")
    drill.wait_until_running()
    stand_still(drill.children())
    return drill


def refused_scrapes(start, calm, folder):
    tools = find_tools()
    path = folder / "prometheus"
    path.write_text(_REFUSING.format(tool=tools.prometheus.path))
    path.chmod(0o755)
    if tools.prometheus.cwd:
        shared = folder.parent / "share" / "prometheus"
        shared.parent.mkdir()
        shared.symlink_to(tools.prometheus.cwd)
    env = {"PROMETHEUS": str(path), "PROMTOOL": str(tools.promtool.path)}
    return start(calm, "--speed", "60", env=env)


def damaged_model(start, calm, folder):
    models = folder / "models"
    shutil.copytree(artifact("credit"), models / "credit")
    path = models / "credit" / "model.json"
    path.write_bytes(path.read_bytes().replace(b"1", b"2", 1))
    (folder / "sitecustomize.py").write_text(_OTHER_MODELS.format(folder=str(models)))
    search = os.pathsep.join([str(folder), os.environ.get("PYTHONPATH", "")])
    return start(calm, "--speed", "60", env={"PYTHONPATH": search})


FAULTS = {
    still_worker: ("late", "not delivered", "off by"),
    still_machine: ("late", "not evaluated", "not scraped", "did not answer"),
    refused_scrapes: ("not scraped", "scrape", "fires already"),
    damaged_model: ("damaged",),
}


@pytest.fixture(scope="module")
def suffered(run_shared, at_once, calm, tmp_path_factory):
    cases = {fault.__name__: fault for fault in FAULTS}

    def suffer(name):
        folder = Path(tmp_path_factory.mktemp(name)) / "bin"
        folder.mkdir()
        drill = cases[name](run_shared, calm, folder)
        return (drill, *drill.finish())

    return at_once(suffer, cases)


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.__name__)
def test_what_breaks_around_a_drill_is_named(suffered, fault):
    drill, code, verdict = suffered[fault.__name__]
    assert (code, verdict["outcome"]) == (3, "inconclusive"), drill.said
    told = " ".join(verdict["reasons"])
    assert any(words in told for words in FAULTS[fault]), told
    assert (drill.out / "report.html").exists()
