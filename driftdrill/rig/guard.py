"""Become a program that the kernel kills when the process that started it dies. Linux only.

    python -I -S guard.py PARENT_PID PROGRAM ARGUMENT...

A program of its own, since a child of a process with threads may not run Python between fork and
exec. The kernel watches the thread that started it, and keeps doing so across `exec`.
"""

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1  # <linux/prctl.h>


def die_with(parent: int) -> None:
    """Have the kernel kill this process when its parent, a process id, dies or has died."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        sys.exit("the parent died before its child was guarded")


def main() -> None:
    """Ask for the signal, then become the program."""
    parent, program, *arguments = sys.argv[1:]
    die_with(int(parent))
    # Python ignores these for itself, and what is ignored stays so across `exec`.
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
    try:
        os.execvp(program, [program, *arguments])  # noqa: S606  no shell is wanted
    except OSError as error:
        sys.exit(f"cannot start {program}: {error.strerror}")


if __name__ == "__main__":
    main()
