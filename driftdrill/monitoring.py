"""Somebody's Prometheus, as `--prometheus` names it: a URL, or a file with headers and TLS."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import msgspec

from driftdrill.rig.errors import UsageError
from scenarios.endpoint import Endpoint, Strict, TlsKeys, read_base_url, read_headers, read_tls
from scenarios.yamlfile import Located, read_yaml


@dataclass(frozen=True)
class Monitoring:
    """How somebody's servers are asked.

    Attributes:
        alertmanager: Where its alerts arrive; None is wherever Prometheus says that it sends them,
            which is told no secret.
        path: The file that says so; None where a URL was given.
    """

    prometheus: Endpoint
    alertmanager: Endpoint | None = None
    path: Path | None = None


class _Server(Strict, frozen=True):
    url: str
    headers: dict[str, str] = msgspec.field(default_factory=dict)
    tls: TlsKeys = TlsKeys()


class _File(_Server, frozen=True):
    alertmanager: _Server | None = None


def find_monitoring(given: str) -> Monitoring:
    """What `--prometheus` means.

    Raises:
        UsageError: It is neither a URL nor a file.
        BadFileError: The file does not say what it must.
    """
    if "://" in given:
        try:
            return Monitoring(Endpoint(read_base_url(given)))
        except ValueError as error:
            raise UsageError(f"--prometheus: {error}") from error
    path = Path(given)
    if not path.is_file():
        raise UsageError(
            f"--prometheus: expected a URL such as http://127.0.0.1:9090, or a file with its url,"
            f" headers and tls; there is no file {given!r}"
        )
    source = read_yaml(path)
    file = source.convert(_File)
    arrives = file.alertmanager
    return Monitoring(
        prometheus=_endpoint(source, "", file),
        alertmanager=_endpoint(source, "alertmanager.", arrives) if arrives else None,
        path=path,
    )


def _endpoint(source: Located, prefix: str, raw: _Server) -> Endpoint:
    with source.at(f"{prefix}url"):
        url = read_base_url(raw.url)
    return Endpoint(
        url,
        read_headers(source, f"{prefix}headers", raw.headers),
        read_tls(source, f"{prefix}tls", raw.tls),
    )
