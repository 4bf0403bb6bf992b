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

_VARIABLE = re.compile(r"\$\{([^}]*)\}?")
_HEADER = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_OF_THE_BODY = {"content-length", "transfer-encoding"}


@dataclass(frozen=True)
class Tls:
    """Whom to trust, and who we are. All None: the machine's authorities, no certificate."""

    ca: Path | None = None
    certificate: Path | None = None
    key: Path | None = None
    verify: bool = True

    def context(self) -> ssl.SSLContext:
        """The settings as Python takes them; OSError or ValueError where a file is of no use."""
        context = ssl.create_default_context(cafile=self.ca)
        if not self.verify:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        if self.certificate:
            context.load_cert_chain(self.certificate, self.key, password=_ask_nobody)
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


def read_base_url(text: str) -> str:
    """A URL that paths are joined to, without a slash at the end; ValueError where it is none."""
    url = read_url(text)
    if urlsplit(url).query:
        raise ValueError(f"expected a URL without a query, as paths are joined to it, got {text!r}")
    return url.rstrip("/")


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
            if not _HEADER.fullmatch(name):
                raise ValueError("expected a header's name")
            if name.lower() in _OF_THE_BODY:
                raise ValueError("it goes by the body, and is set for each request")
            filled = headers[name] = _filled(value)
            # Not shown: a secret may be in it.
            if not (filled.isascii() and filled.isprintable()) or filled != filled.strip():
                raise ValueError(
                    "expected a value of ASCII on one line, without blanks at its ends; what a"
                    " variable holds may end in a line break"
                )
    return headers


def read_tls(source: Located, key: str, raw: TlsKeys) -> Tls:
    """TLS settings, whose files are relative to the file; BadFileError where one is of no use."""

    def file(name: str) -> Path | None:
        written: str | None = getattr(raw, name)
        with source.at(f"{key}.{name}"):
            return _readable(source.path.parent / written) if written else None

    tls = Tls(file("ca"), file("certificate"), file("key"), raw.verify)
    with source.at(f"{key}.key"):
        if raw.key and not raw.certificate:
            raise ValueError("it belongs to a certificate, and none is named")
    if tls.ca:
        with source.at(f"{key}.ca"):
            _require_use(Tls(ca=tls.ca), f"no certificate of an authority in {tls.ca}")
    with source.at(f"{key}.certificate"):
        holder = tls.key or f"{tls.certificate}, and no key is named"
        _require_use(tls, f"it needs its own private key, without a pass phrase, in {holder}")
    return tls


def _readable(path: Path) -> Path:
    try:
        path.read_bytes()
    except OSError as error:
        raise ValueError(f"{path}: cannot be read: {error.strerror}") from error
    return path


def _require_use(tls: Tls, expected: str) -> None:
    try:
        tls.context()
    except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
        raise ValueError(f"cannot be used: {expected}") from error


def _ask_nobody() -> str:
    """What TLS calls for the pass phrase of a key; without it, it would ask at the terminal."""
    raise ValueError("the key has a pass phrase")


def _filled(text: str) -> str:
    def variable(found: re.Match[str]) -> str:
        if not re.fullmatch(r"\$\{\w+\}", found[0]):
            raise ValueError(f"expected a variable such as ${{NAME}}, got {found[0]!r}")
        if not os.environ.get(found[1]):
            how = "empty" if found[1] in os.environ else "not set"
            raise ValueError(f"the variable {found[1]} of the environment is {how}")
        return os.environ[found[1]]

    return _VARIABLE.sub(variable, text)
