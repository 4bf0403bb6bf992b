"""What is said between a load generator and a target: bodies to send, answers to read."""

from __future__ import annotations

import re
from typing import Any

import msgspec

from scenarios.target import Target
from scenarios.template import follow, shortened
from target_service.contract import Schema

DRILL_HEADER = "X-Drill"
"""Names the scenario in every request, so that a service can tell a drill from its customers."""

_decode = msgspec.json.Decoder().decode


class Exchange:
    """One target, asked for predictions on rows of one schema.

    Raises:
        ValueError: The target's template does not fit the schema.
    """

    def __init__(self, target: Target, schema: Schema) -> None:
        self._predict = target.predict
        self.body = target.predict.template(schema).render
        """Rows as JSON objects -> the body of their request."""

    def read(self, status: int, content: bytes) -> tuple[float, Any]:
        """The score in an answer, and what names the prediction later (None where nothing does).

        Args:
            status: Of HTTP; 0 where no answer came.
            content: The answer's body.

        Raises:
            ValueError: The status is an error's, the answer is no JSON, or it has no number where
                the score should be.
        """
        if not 200 <= status < 300:
            raise ValueError(f"status {status}" if status else "no answer")
        if not content:
            raise ValueError("the answer is empty")
        try:
            answer = _decode(content)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise ValueError(f"the answer is not JSON{_hint(content)}: {error}") from error
        except RecursionError as error:
            raise ValueError("the answer is JSON that is nested too deep") from error
        score = follow(answer, self._predict.score)
        if type(score) is not float and type(score) is not int:
            raise ValueError(f"the score is no number: {shortened(score)}")
        token = self._predict.token
        return score, None if token is None else follow(answer, token)


def _hint(content: bytes) -> str:
    if re.search(rb"[\s:,\[](NaN|-?Infinity)\b", content):
        return ", which has no NaN and no Infinity"
    return ", but a page" if content.lstrip()[:1] == b"<" else ""
