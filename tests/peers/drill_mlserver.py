"""Drill MLServer, from PyPI, with a scikit-learn model: `python tests/peers/drill_mlserver.py`.

Not part of `make test`: the environment that it makes under build/ takes minutes to install.
Options that follow go to `driftdrill run`.
"""

import csv
import json
import subprocess
import sys
import time
import venv
from pathlib import Path

import httpx

from target_service.contract import DATA, load_dataset

HERE = Path(__file__).parent
BUILD = HERE.parents[1] / "build" / "peers" / "mlserver"
BIN = BUILD / "venv" / "bin"
ROWS = 3000
START_LIMIT_S = 180.0

SETTINGS = {
    "host": "127.0.0.1",
    "http_port": 8180,
    "grpc_port": 8181,
    "metrics_port": 8182,
    "parallel_workers": 0,
    "debug": False,
}
MODEL = {
    "name": "credit",
    "implementation": "mlserver_sklearn.SKLearnModel",
    "parameters": {"uri": "./model.joblib"},
}


def install() -> None:
    """MLServer in an environment of its own, once."""
    if not (BIN / "mlserver").exists():
        venv.create(BUILD / "venv", with_pip=True)
        subprocess.run([BIN / "pip", "install", "-q", "mlserver", "mlserver-sklearn"], check=True)


def make_model() -> None:
    """What MLServer is to serve, and its settings."""
    dataset = load_dataset(DATA / "credit.npz")[:ROWS]
    rows = dataset.schema.decode(dataset.x)
    with (BUILD / "rows.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, [*dataset.schema.names, "outcome"])
        writer.writeheader()
        for row, outcome in zip(rows, dataset.outcome.tolist(), strict=True):
            writer.writerow({**row, "outcome": outcome})
    (BUILD / "settings.json").write_text(json.dumps(SETTINGS))
    (BUILD / "model-settings.json").write_text(json.dumps(MODEL))
    fit = [BIN / "python", HERE / "mlserver_model.py", BUILD / "rows.csv", BUILD / "model.joblib"]
    subprocess.run(fit, check=True)


def await_ready(server: subprocess.Popen[bytes]) -> None:
    """Return once the model is loaded."""
    deadline = time.monotonic() + START_LIMIT_S
    while time.monotonic() < deadline and server.poll() is None:
        try:
            answer = httpx.get("http://127.0.0.1:8180/v2/models/credit/ready", trust_env=False)
        except httpx.TransportError:
            time.sleep(0.2)
            continue
        if answer.is_success:
            return
    raise SystemExit(f"MLServer was not ready; see {BUILD / 'mlserver.log'}")


def main(options: list[str]) -> int:
    """Install, fit, serve, drill; the drill's exit code."""
    install()
    make_model()
    with (BUILD / "mlserver.log").open("wb") as log:
        server = subprocess.Popen([BIN / "mlserver", "start", BUILD], stdout=log, stderr=log)
        try:
            await_ready(server)
            drill = [sys.executable, "-m", "driftdrill", "run", str(HERE / "trouble.yaml")]
            drill += ["--target", str(HERE / "mlserver.yaml"), "--speed", "12", *options]
            return subprocess.run(drill, check=False).returncode
        finally:
            server.terminate()
            server.wait()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
