"""The options that the servers of a drill are started with."""

from __future__ import annotations

from pathlib import Path

_LOOKBACK_S = 300.0  # Prometheus' default
_RESEND_S = 60.0  # Prometheus' default


def prometheus_flags(folder: Path, address: str, speed: float) -> list[str]:
    """Of a Prometheus whose files are in a folder, for drills at a speed."""
    # Alerts are repeated to Alertmanager this often, and expire there after four times as
    # long: below a second, a pause of a busy machine would resolve them.
    resend = max(1.0, _RESEND_S / speed)
    return [
        f"--config.file={folder / 'prometheus.yml'}",
        f"--storage.tsdb.path={folder / 'prometheus'}",
        "--storage.tsdb.retention.time=10y",
        f"--web.listen-address={address}",
        f"--query.lookback-delta={_milliseconds(_LOOKBACK_S / speed)}",
        f"--rules.alert.resend-delay={_milliseconds(resend)}",
        "--log.level=warn",
    ]


def alertmanager_flags(folder: Path, address: str) -> list[str]:
    """Of an Alertmanager whose files are in a folder."""
    return [
        f"--config.file={folder / 'alertmanager.yml'}",
        f"--storage.path={folder / 'alertmanager'}",
        f"--web.listen-address={address}",
        "--cluster.listen-address=",
        "--log.level=warn",
    ]


def node_exporter_flags(address: str) -> list[str]:
    """Of a node-exporter that is scraped several times a second: what dashboards show, no more."""
    return [
        f"--web.listen-address={address}",
        "--collector.disable-defaults",
        *(f"--collector.{name}" for name in ("cpu", "filefd", "meminfo")),
        "--log.level=warn",
    ]


def _milliseconds(seconds: float) -> str:
    return f"{max(1, round(seconds * 1000))}ms"
