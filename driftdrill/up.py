"""Everything started, for people: choose a drill in Locust's web page, and watch."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from driftdrill.models import artifact
from driftdrill.rig.errors import RigError
from driftdrill.rig.interrupts import Interrupted, Interruption
from driftdrill.rig.ports import lease_port
from driftdrill.rig.replicas import single
from driftdrill.rig.rig import Rig
from driftdrill.rig.tools import find_tools
from scenarios.spec import FOLDER

MODEL = "credit"


def stay_up(
    speed: float, rules: Sequence[Path], interruption: Interruption, console: Console
) -> None:
    """Start all servers and Locust's web page, print their addresses, and wait for a signal.

    Raises:
        RigError: A server did not start, or died.
    """
    with (
        tempfile.TemporaryDirectory(prefix="driftdrill-") as folder,
        lease_port(8089) as web,
        Rig(Path(folder) / "up", speed, find_tools(), rules, interruption) as rig,
    ):
        try:
            rig.start(single(artifact(MODEL)))
            web_page = ["--web-host", "127.0.0.1", "--web-port", str(web.port)]
            locust = rig.locust(
                [
                    *("--locustfile", str(FOLDER / "locustfile.py"), "--host", rig.service_urls[0]),
                    *web_page,
                    *("--speed", repr(speed), "--loglevel", "WARNING"),
                ],
                {},
            )
            rig.wait_until_ready()
            console.print("Choose a drill and press Start; Ctrl-C ends everything.\n")
            for name, url in {
                "Locust": f"http://{web.address}",
                "Prometheus": rig.prometheus_url,
                "Alertmanager": rig.alertmanager_url,
                "Service": f"{rig.service_urls[0]}/metrics",
            }.items():
                console.print(f"  {name:<14}{url}")
            while True:
                interruption.check()
                dead = rig.dead() or (None if locust.alive else locust)
                if dead:
                    raise RigError(dead.describe_exit())
                time.sleep(0.2)
        except Interrupted:
            console.print("\nStopped.")
