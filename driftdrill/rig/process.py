"""One server of the rig: started in a group of its own, logged, and never left behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

_GUARD = Path(__file__).with_name("guard.py")
_POLL_S = 0.02


class Process:
    """A running program.

    It leads a session of its own: Ctrl-C in the terminal does not reach it, and it is stopped
    together with everything that it started. On Linux the kernel kills it when the harness dies,
    even by SIGKILL. That is tied to the starting thread: start processes from one that lives as
    long as they are to, as the main thread does.

    Args:
        name: What messages call it.
        argv: Program and arguments.
        cwd: Its working directory; None is ours.
        env: Its whole environment; None is ours.
        log: File that takes what it writes; a log that exists is continued.
        gated: Whether it waits for a line on its standard input; see `release`.
    """

    def __init__(
        self,
        name: str,
        argv: Sequence[str],
        *,
        log: Path,
        cwd: Path | None = None,
        env: Mapping[str, str] | None = None,
        gated: bool = False,
    ) -> None:
        self.name = name
        self.log = log
        with log.open("ab") as output:
            self._popen = subprocess.Popen(
                _guarded(argv),
                cwd=cwd,
                env=env,
                stdin=subprocess.PIPE if gated else subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self._group_killed = False

    @property
    def pid(self) -> int:
        """Its process id, which is also that of its group."""
        return self._popen.pid

    @property
    def returncode(self) -> int | None:
        """None while it runs; then its exit status, or the negated number of the signal."""
        code = self._popen.poll()
        if code is not None and not self._group_killed:
            # At once, while the number cannot have passed to another group yet.
            self._kill_group()
        return code

    @property
    def alive(self) -> bool:
        """Whether it runs."""
        return self.returncode is None

    def release(self) -> None:
        """Send a gated process the line that it waits for; nothing to others and to dead ones."""
        if self._popen.stdin is not None:
            with suppress(BrokenPipeError), self._popen.stdin as line:
                line.write(b"\n")

    def said(self, text: str) -> bool:
        """Whether its log holds a text."""
        return text in self.log.read_text(errors="replace")

    def stop(self, grace: float = 10.0) -> None:
        """End it and everything that it started; does nothing when it has ended.

        Args:
            grace: Seconds to end by itself after SIGTERM; then it is killed.
        """
        if self._popen.stdin is not None:
            self._popen.stdin.close()
        if not self.alive:
            return
        self._popen.terminate()
        deadline = time.monotonic() + grace
        while self.alive and time.monotonic() < deadline:
            time.sleep(_POLL_S)
        if self.alive:
            self._kill_group()
            self._popen.wait()

    def describe_exit(self, lines: int = 15) -> str:
        """How it ended, and the last lines of its log, for an error message."""
        code = self.returncode
        if code is None:
            ended = "still runs"
        elif code < 0:
            ended = f"was killed by {signal.Signals(-code).name}"
        else:
            ended = f"exited with status {code}"
        tail = self.log.read_text(errors="replace").splitlines()[-lines:]
        said = "".join(f"\n    {line}" for line in tail) or " (empty)"
        return f"{self.name} {ended}; end of {self.log}:{said}"

    def _kill_group(self) -> None:
        self._group_killed = True
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)


def _guarded(argv: Sequence[str]) -> list[str]:
    """The command that runs `argv` and dies with us, where the kernel offers that."""
    if sys.platform != "linux":
        return list(argv)
    return [sys.executable, "-I", "-S", str(_GUARD), str(os.getpid()), *argv]
