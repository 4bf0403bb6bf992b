"""The commands of `driftdrill.cli`, by what they are for: arguments -> one call -> exit code."""
