"""Make a virtual environment, also where the system's Python lacks the module that installs pip.

    python3 -m driftdrill.rig.venv .venv

Standard library only. Debian splits Python: with `python3` alone there is no `ensurepip`, and
`python3 -m venv` fails. Then pip comes from Debian's own package `python3-pip-whl`, unpacked in
`build/`: no root, and nothing is installed on the machine.
"""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path

from driftdrill.rig import BUILD
from driftdrill.rig.debian import DebianError, is_debian, open_mirror
from driftdrill.rig.locks import build_once


def make_venv(folder: Path, build: Path = BUILD) -> None:
    """Make a virtual environment with pip, of the Python that runs this.

    Raises:
        DebianError: This Python has no ensurepip, and Debian's pip cannot be had either.
        subprocess.CalledProcessError: `venv` or `pip` failed; its output is on the terminal.
    """
    make = [sys.executable, "-m", "venv", str(folder)]
    if importlib.util.find_spec("ensurepip"):
        subprocess.run(make, check=True)
        return
    if not is_debian():
        raise DebianError(f"{sys.executable} has no module ensurepip; install it, or set PYTHON")
    wheels = build / "pip"
    build_once(wheels, _unpack_pip)
    subprocess.run([*make, "--without-pip"], check=True)
    wheel = next(wheels.glob("usr/share/python-wheels/pip-*.whl"))
    # A wheel is a zip archive, which Python runs in place: pip installs itself.
    install = [str(folder / "bin/python"), f"{wheel}/pip", "install", "--quiet", "--no-index"]
    subprocess.run([*install, str(wheel)], check=True)


def _unpack_pip(into: Path) -> None:
    with open_mirror(into) as mirror:
        mirror.unpack(["python3-pip-whl"], into)


def main() -> int:
    """`python3 -m driftdrill.rig.venv FOLDER`."""
    if len(sys.argv) != 2:
        print("usage: python3 -m driftdrill.rig.venv FOLDER", file=sys.stderr)
        return 2
    if sys.version_info < (3, 11):  # noqa: UP036  that is what this is here to tell
        print("Python 3.11 or newer is needed: make PYTHON=python3.11", file=sys.stderr)
        return 1
    try:
        make_venv(Path(sys.argv[1]))
    except (DebianError, subprocess.CalledProcessError) as error:
        print(f"cannot make {sys.argv[1]}: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
