"""What holds for all tests."""

from hypothesis import settings

# An example may take as long as it takes: other tests run at the same time.
settings.register_profile("patient", deadline=None)
settings.load_profile("patient")
