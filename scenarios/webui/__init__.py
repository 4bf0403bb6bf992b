"""Locust's web page, made one for drills."""
