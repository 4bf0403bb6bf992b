"""A certificate says at a glance which rules are nervous, and which are insensitive."""

import math

from driftdrill.certify.certificate import Certificate, Found, calm
from driftdrill.certify.output import findings


def certificate(rules: str, false_alarms: int, missed: int) -> Certificate:
    found = Found("sudden", 0.5, {}, 4, missed, 0, (60.0,), 60.0, 30.0, math.nan)
    return Certificate(rules, "A", calm(false_alarms, 2880, 60.0), (found,), {})


def test_nervous_and_insensitive_rules_are_told_apart_from_good_ones():
    assert findings(
        [
            certificate("shipped", false_alarms=0, missed=0),
            certificate("nervous", false_alarms=42, missed=0),
            certificate("deaf", false_alarms=0, missed=3),
        ]
    ) == [
        "shipped: no false alarm, no change missed",
        "nervous: A is nervous: 42 false alarms in 2,880 evaluations",
        "deaf: A is insensitive: it missed sudden x 0.5 in 3 of 4 runs",
    ]
