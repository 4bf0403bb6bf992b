"""The rig: finds the tools, starts the servers of a drill, waits until they are ready, stops them.

`debian` and `venv` run before anything is installed and import the standard library only.
"""

from pathlib import Path

PROJECT = Path(__file__).resolve().parents[2]
"""The checkout: the folder that holds `driftdrill/`, `prometheus/` and `build/`."""

BUILD = PROJECT / "build"
"""Everything that is fetched or made, and may be deleted at any time."""
