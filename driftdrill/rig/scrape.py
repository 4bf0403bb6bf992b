"""How Prometheus reaches the metrics of somebody else's service."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from scenarios.target import Target


def scrape_address(target: Target) -> str:
    """`host:port` of a target's metrics."""
    parts = urlsplit(target.scraped)
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
    return f"{host}:{parts.port or {'http': 80, 'https': 443}[parts.scheme]}"


def scrape_settings(target: Target, secrets: Path) -> dict[str, Any]:
    """The settings of a scrape job for a target.

    Args:
        target: The target.
        secrets: Folder for what must not stand in a configuration that is kept.
    """
    parts = urlsplit(target.scraped)
    settings: dict[str, Any] = {"scheme": parts.scheme, "metrics_path": parts.path or "/"}
    if parts.query:
        settings["params"] = parse_qs(parts.query, keep_blank_values=True)
    if target.authorization is not None:
        kind, _, credentials = target.authorization.partition(" ")
        file = secrets / "credentials"
        file.touch(mode=0o600)
        file.write_text(credentials)
        settings["authorization"] = {"type": kind, "credentials_file": str(file)}
    tls = target.tls
    named = {"ca_file": tls.ca, "cert_file": tls.certificate, "key_file": tls.key}
    settings["tls_config"] = {
        **{key: str(path.resolve()) for key, path in named.items() if path},
        "insecure_skip_verify": not tls.verify,
    }
    return settings
