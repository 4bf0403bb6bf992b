"""Delayed ground truth: each prediction leaves with a signed token, and its outcome brings it back.

The token holds what the service would otherwise have to remember: the score, the row's segment, the
model and version that gave it, and a random nonce that tells it from every other. So memory does
not grow with traffic. The one thing kept is which outcomes were already told, and that is bounded:
the nonces of the last `REMEMBERED` accepted tokens, exactly. A token that comes again after that
many others is counted again, as is one that comes again after a restart. A token older than the
time to live is refused, whether it was told or not.
"""

from __future__ import annotations

import secrets
from collections import deque
from collections.abc import Sequence
from hashlib import sha256

import msgspec
import numpy as np
from itsdangerous import BadData, SignatureExpired, TimestampSigner
from itsdangerous.encoding import base64_decode, base64_encode
from numpy.typing import NDArray

from target_service.contract import Floats

REMEMBERED = 131_072
"""Accepted tokens that are known again: 7 minutes of 300 outcomes a second, in some 20 MB."""

TIME_TO_LIVE = 120 * 86_400
"""Seconds; the slowest truth that ships is credit's, which takes 90 days."""


class TokenError(Exception):
    """A token that this service did not issue, or no longer honours.

    Attributes:
        index: Its position among those that were told together.
    """

    def __init__(self, index: int, reason: str) -> None:
        super().__init__(reason)
        self.index = index


class Truths(msgspec.Struct, frozen=True):
    """Outcomes that were told for the first time.

    Attributes:
        scores: (n,) what was predicted.
        segments: (n,) the segment's number of each, as `Schema.segment_numbers` gives it.
        outcomes: (n,) what came true, 0 or 1.
        duplicates: How many others had been told before.
    """

    scores: Floats
    segments: NDArray[np.int64]
    outcomes: NDArray[np.int64]
    duplicates: int


class _Claim(msgspec.Struct, frozen=True, array_like=True):
    score: float
    segment: int
    model: str
    version: str
    nonce: bytes


class Tokens:
    """Issues and redeems tokens for one model, from one thread.

    Args:
        key: The secret. Services with the same key, model and version honour each other's tokens.
        model: Name of the model that predicts.
        version: Its version.
        time_to_live: Seconds for which a token is honoured.
        remembered: Accepted tokens that are known again.
    """

    def __init__(
        self,
        key: bytes,
        model: str,
        version: str,
        time_to_live: int = TIME_TO_LIVE,
        remembered: int = REMEMBERED,
    ) -> None:
        self._signer = TimestampSigner(
            key, salt="prediction", key_derivation="hmac", digest_method=sha256
        )
        self._model = model
        self._version = version
        self._time_to_live = time_to_live
        self._remembered = remembered
        self._order: deque[bytes] = deque()
        self._told: set[bytes] = set()

    def issue(self, score: float, segment: int) -> str:
        """A new token for one prediction, by its score and its segment's number."""
        claim = _Claim(score, segment, self._model, self._version, secrets.token_bytes(9))
        return self._signer.sign(base64_encode(msgspec.msgpack.encode(claim))).decode("ascii")

    def redeem(self, tokens: Sequence[str], outcomes: Sequence[int]) -> Truths:
        """Take n outcomes with their tokens: all of them, or none.

        Raises:
            TokenError: The first token that was forged, has expired, or belongs to another model,
                version or key. Nothing is remembered of any.
        """
        claims = [self._verify(index, token) for index, token in enumerate(tokens)]
        fresh = [i for i, claim in enumerate(claims) if self._is_first(claim.nonce)]
        return Truths(
            scores=np.array([claims[i].score for i in fresh], dtype=np.float64),
            segments=np.array([claims[i].segment for i in fresh], dtype=np.int64),
            outcomes=np.array([outcomes[i] for i in fresh], dtype=np.int64),
            duplicates=len(claims) - len(fresh),
        )

    def _verify(self, index: int, token: str) -> _Claim:
        try:
            signed = self._signer.unsign(token, max_age=self._time_to_live)
            claim = msgspec.msgpack.decode(base64_decode(signed), type=_Claim)
        except SignatureExpired as error:
            raise TokenError(index, "the token has expired") from error
        except (BadData, msgspec.DecodeError) as error:
            raise TokenError(index, "the token was not issued by this service") from error
        if (claim.model, claim.version) != (self._model, self._version):
            raise TokenError(index, "the token was issued for another model or version")
        return claim

    def _is_first(self, nonce: bytes) -> bool:
        """Whether an outcome is told for the first time; remembers it if so."""
        if nonce in self._told:
            return False
        if len(self._order) == self._remembered:
            self._told.remove(self._order.popleft())
        self._order.append(nonce)
        self._told.add(nonce)
        return True
