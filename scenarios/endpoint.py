"""How a server of somebody's is reached, as a file says it: URL, headers with secrets, TLS."""

from __future__ import annotations

import os
import re
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import msgspec

from scenarios.yamlfile import Located

_VARIABLE = re.compile(r"\$\{(\w+)\}")
_HEADER = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")


@dataclass(frozen=True)
class Tls:
    """Whom to trust, and who we are. All None: the machine's authorities, no certificate."""

    ca: Path | None = None
    certificate: Path | None = None
    key: Path | None = None
    verify: bool = True

    def context(self) -> ssl.SSLContext:
        """The settings as Python takes them; OSError where a file cannot be read."""
        context = ssl.create_default_context(cafile=self.ca)
        if not self.verify:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        if self.certificate:
            context.load_cert_chain(self.certificate, self.key)
        return context


@dataclass(frozen=True)
class Endpoint:
    """A server.

    Attributes:
        url: Base URL, without a slash at the end.
        headers: Sent with every request; secrets are in them.
    """

    url: str
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    tls: Tls = Tls()


class Strict(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A mapping of a file, which takes the keys that are named and no other."""


class TlsKeys(Strict, frozen=True):
    """The keys of `tls`."""

    ca: str | None = None
    certificate: str | None = None
    key: str | None = None
    verify: bool = True


def read_url(text: str) -> str:
    """A URL, its variables filled in; ValueError where it is none, or holds a secret."""
    filled = _filled(text)
    parts = urlsplit(filled)
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.fragment:
        raise ValueError(f"expected a URL such as http://127.0.0.1:8080, got {text!r}")
    if parts.username or parts.password:
        raise ValueError("expected no password in a URL: put it into headers, as ${VARIABLE}")
    parts.port  # noqa: B018  raises ValueError where it is none
    return filled


def read_headers(source: Located, key: str, raw: Mapping[str, str]) -> Mapping[str, str]:
    """Headers, their variables filled in; BadFileError where one cannot be sent."""
    headers = {}
    for name, value in raw.items():
        with source.at(f"{key}.{name}"):
            filled = headers[name] = _filled(value)
            if not _HEADER.fullmatch(name) or not (filled.isascii() and filled.isprintable()):
                raise ValueError("expected a header's name, and a value of ASCII on one line")
    return headers


def read_tls(source: Located, key: str, raw: TlsKeys) -> Tls:
    """TLS settings, whose files are relative to the file; BadFileError where one is of no use."""

    def file(name: str | None) -> Path | None:
        return source.path.parent / name if name else None

    tls = Tls(file(raw.ca), file(raw.certificate), file(raw.key), raw.verify)
    with source.at(key):
        try:
            tls.context()
        except OSError as error:  # ssl.SSLError is one, too
            raise ValueError(f"cannot be used: {error.strerror or error}") from error
    return tls


def _filled(text: str) -> str:
    def variable(found: re.Match[str]) -> str:
        if found[1] not in os.environ:
            raise ValueError(f"the environment has no variable {found[1]}")
        return os.environ[found[1]]

    return _VARIABLE.sub(variable, text)
