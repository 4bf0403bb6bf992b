"""Numbers as bytes of seven bits, the lowest first; all but the last byte are marked.

What Protocol Buffers and Prometheus' files are made of.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def varint(number: int) -> bytes:
    """A number that is not negative."""
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def varints(numbers: NDArray[np.int64], size: int) -> NDArray[np.uint8]:
    """(n, size) bytes of n numbers, with zeros at the end where fewer would do."""
    bits = numbers[:, None] >> 7 * np.arange(size) & 0x7F
    bits[:, :-1] |= 0x80
    return bits.astype(np.uint8)
