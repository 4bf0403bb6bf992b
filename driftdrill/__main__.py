"""`python -m driftdrill`."""

from driftdrill.cli import main

main()
