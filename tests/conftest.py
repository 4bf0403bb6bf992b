"""What holds for all tests."""

import subprocess
from pathlib import Path
from typing import NamedTuple

import pytest
from hypothesis import settings

# An example may take as long as it takes: other tests run at the same time.
settings.register_profile("patient", deadline=None)
# `--hypothesis-profile=long`: as many as a night has room for, and others every time.
settings.register_profile("long", deadline=None, max_examples=2500)
settings.load_profile("patient")


class Certificate(NamedTuple):
    """A certificate of 127.0.0.1 that nobody but itself vouches for, and its key."""

    file: Path
    key: Path


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    """What a server needs to speak TLS, and whoever trusts it."""
    folder = tmp_path_factory.mktemp("certificate")
    made = Certificate(folder / "cert.pem", folder / "key.pem")
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"]
    command += ["-nodes", "-keyout", str(made.key), "-out", str(made.file), "-days", "2"]
    command += ["-subj", "/CN=somebody", "-addext", "subjectAltName=IP:127.0.0.1"]
    subprocess.run(command, check=True, capture_output=True)
    return made
