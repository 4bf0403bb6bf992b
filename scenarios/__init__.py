"""Drills as data, and the only code that knows Locust."""
