"""Damages of every sort that files meet, drawn by a seeded generator."""

from __future__ import annotations

import random
from collections.abc import Sequence

TOKENS = (
    b"NaN", b"-Infinity", b"1e999", b"-1", b"9" * 40, b"9" * 5000, b"null", b"true", b'""', b"[]", b"{}",
    b"[" * 3000, b'{"a":' * 2000, b"\x00", b"\xff\xfe", b"\n", b"\r\n", b",", b'"', b"\\ud800", b"&a [*a]",
    b"!!python/object/apply:os.system ['true']", b"../../../etc/passwd",
)  # fmt: skip
"""Pieces of text that readers stumble over."""


def damaged(whole: bytes, others: Sequence[bytes], draw: random.Random) -> bytes:
    """A file's contents with one damage to them.

    Args:
        others: contents of other files, that may stand in its place.
    """
    size = len(whole)
    start = draw.randrange(size)
    end = min(size, start + draw.choice((1, 1, 4, 16, 64, 512)))
    sort = draw.randrange(10)
    if sort == 0:  # truncated
        return whole[:start]
    if sort in (1, 2):  # flipped bits
        changed = bytearray(whole)
        for _ in range(draw.choice((1, 1, 1, 2, 8))):
            changed[draw.randrange(size)] ^= 1 << draw.randrange(8)
        return bytes(changed)
    if sort == 3:  # a piece lost
        return whole[:start] + whole[end:]
    if sort == 4:  # a piece twice
        return whole[:end] + whole[start:]
    if sort == 5:  # a piece of zeros, as a file system leaves it
        return whole[:start] + bytes(end - start) + whole[end:]
    if sort == 6:  # a piece of noise
        return whole[:start] + draw.randbytes(end - start) + whole[end:]
    if sort == 7:  # a piece from elsewhere in the file
        there = draw.randrange(size)
        return whole[:start] + whole[there : there + end - start] + whole[end:]
    if sort == 8:  # another file, or more after the end
        other = draw.choice(others)
        return draw.choice((other, whole + other[:100], other[: size // 2] + whole[size // 2 :]))
    return whole[:start] + draw.choice(TOKENS) + whole[end:]
