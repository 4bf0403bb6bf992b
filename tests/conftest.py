"""What holds for all tests."""

from hypothesis import settings

# An example may take as long as it takes: other tests run at the same time.
settings.register_profile("patient", deadline=None)
# `--hypothesis-profile=long`: as many as a night has room for, and others every time.
settings.register_profile("long", deadline=None, max_examples=2500)
settings.load_profile("patient")
