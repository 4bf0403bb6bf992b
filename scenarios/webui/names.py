"""Under which names the page may be asked for."""

from __future__ import annotations

from ipaddress import ip_address
from urllib.parse import urlsplit


def is_own_name(host: str, web_host: str | None) -> bool:
    """Whether a Host header is an address, a name of a local network, or where the page listens."""
    try:
        name = urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return False
    try:
        ip_address(name)
    except ValueError:
        return "." not in name or name == (web_host or "").lower()
    return True
