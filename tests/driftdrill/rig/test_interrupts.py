from __future__ import annotations

import os
import signal
from types import FrameType

import pytest

from driftdrill.rig.interrupts import Interrupted, interruption


def test_a_signal_is_recorded_and_the_handlers_come_back() -> None:
    received: list[int] = []

    def own(number: int, _frame: FrameType | None) -> None:
        received.append(number)

    before = signal.signal(signal.SIGTERM, own)
    try:
        with interruption() as found:
            found.check()
            os.kill(os.getpid(), signal.SIGTERM)
            assert found.signal == signal.SIGTERM
        assert received == []
        assert signal.getsignal(signal.SIGTERM) is own
    finally:
        signal.signal(signal.SIGTERM, before)


def test_work_goes_on_until_it_looks() -> None:
    work = []

    def drill() -> None:
        with interruption() as found:
            os.kill(os.getpid(), signal.SIGINT)
            work.append("goes on until it looks")
            found.check()
            work.append("not reached")

    with pytest.raises(Interrupted, match="SIGINT"):
        drill()
    assert work == ["goes on until it looks"]


def test_without_a_signal_nothing_happens() -> None:
    before = signal.getsignal(signal.SIGINT)
    with interruption() as found:
        found.check()
    assert found.signal is None
    assert signal.getsignal(signal.SIGINT) is before
