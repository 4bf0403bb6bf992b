"""Verdict -> verdict.json."""

from __future__ import annotations

import msgspec

from driftdrill.verdict import Verdict


def verdict_json(verdict: Verdict) -> bytes:
    """The verdict, field by field in its own order, labels sorted; equal verdicts, equal bytes.

    What is unknown, or no number, is null: JSON has neither nan nor infinity.
    """
    compact = msgspec.json.encode(verdict, order="deterministic")
    return msgspec.json.format(compact, indent=2) + b"\n"
