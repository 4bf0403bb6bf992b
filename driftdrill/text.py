"""How the reports write times, numbers, alerts and drifts; and what makes foreign text harmless."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import fields

from simulators.drifts import Drift
from simulators.kinds import KINDS

UNKNOWN = "-"

_UNITS = (("d", 86_400), ("h", 3600), ("m", 60), ("s", 1))
_KIND_NAMES = {kind: name for name, kind in KINDS.items()}


def short_time(seconds: float | None) -> str:
    """Seconds for people; `-` when unknown.

    >>> short_time(750), short_time(2.5), short_time(90_000), short_time(None)
    ('12m30s', '2.5s', '1d1h', '-')
    """
    if seconds is None or not math.isfinite(seconds):
        return UNKNOWN
    sign, left = ("-" if seconds < 0 else ""), abs(seconds)
    if left < 10:
        return f"{sign}{short_number(round(left, 1))}s"
    left, text = round(left), ""
    for unit, size in _UNITS:
        count, left = divmod(left, size)
        text += f"{count}{unit}" if count else ""
    return sign + text


def short_number(value: float | None) -> str:
    """Three significant digits, thousands abbreviated; `-` when unknown.

    >>> short_number(0.05), short_number(1234567), short_number(300.0)
    ('0.05', '1.23M', '300')
    """
    if value is None or not math.isfinite(value):
        return UNKNOWN
    for size, unit in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= size:
            return f"{value / size:.3g}{unit}"
    return f"{value:.3g}"


def printable(text: str) -> str:
    r"""The text on one line, with every control, bidirectional or unpaired character escaped.

    Such characters move a terminal's cursor, reverse what a reader sees, or are illegal in XML.

    >>> printable("a\x1b[2Jb")
    'a\\x1b[2Jb'
    """
    return "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode()
        for character in text
    )


def printable_lines(text: str) -> str:
    """`printable`, line by line: a log's last lines stay lines."""
    return "\n".join(printable(line) for line in text.splitlines())


def alert_title(alert: str, labels: Mapping[str, str]) -> str:
    """An alert as Prometheus writes it.

    >>> alert_title("FeatureDrift", {"feature": "income"})
    'FeatureDrift{feature="income"}'
    """
    inside = ", ".join(f'{name}="{value}"' for name, value in sorted(labels.items()))
    return printable(f"{alert}{{{inside}}}" if inside else alert)


def drift_title(drift: Drift) -> str:
    """A drift's kind and parameters.

    >>> from simulators.drifts import CovariateShift
    >>> drift_title(CovariateShift("income", -1.0))
    'covariate-shift: feature income, shift -1'
    """
    kind = _KIND_NAMES.get(type(drift), type(drift).__name__)
    # Where it happens comes last.
    named = sorted(fields(drift), key=lambda field: field.name == "where")
    inside = ", ".join(
        f"{field.name} {_plain(value)}"
        for field in named
        if (value := getattr(drift, field.name)) not in (field.default, {})
    )
    return printable(f"{kind}: {inside}" if inside else kind)


def _plain(value: object) -> str:
    if isinstance(value, Mapping):
        return " and ".join(f"{key} {_plain(part)}" for key, part in value.items())
    if isinstance(value, tuple):
        return " or ".join(map(_plain, value))
    return f"{value:g}" if isinstance(value, float) else str(value)
