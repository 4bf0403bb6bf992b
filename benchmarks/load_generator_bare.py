"""The least that Locust can do: one constant body, again and again."""

from __future__ import annotations

import json

from locust import FastHttpUser, task

from scenarios.worlds import population

_ROW = {
    feature.name: feature.categories[0] if feature.categories else 1.0
    for feature in population("credit").schema.features
}
BODY = json.dumps({"rows": [_ROW]})


class Bare(FastHttpUser):
    """Asks and forgets."""

    default_headers = {"Content-Type": "application/json"}  # noqa: RUF012  as Locust has it

    @task
    def ask(self) -> None:
        """One request."""
        self.client.post("/predict", data=BODY)
