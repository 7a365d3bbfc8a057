"""Bytes that both sides can make by themselves: twin of services/pattern.js, see there."""

import functools
import hashlib

BLOCK_BYTES = 65536
_BASE = b"".join(hashlib.sha256(str(i).encode()).digest() for i in range(BLOCK_BYTES // 32))


def pattern(size):
    """Yields `size` bytes in blocks of 64 KiB."""
    for index in range((size + BLOCK_BYTES - 1) // BLOCK_BYTES):
        block = index.to_bytes(8, "big") + _BASE[8:]
        yield block[: size - index * BLOCK_BYTES]


@functools.cache
def digest(size):
    """SHA-256 of `pattern(size)`, in hex."""
    total = hashlib.sha256()
    for block in pattern(size):
        total.update(block)
    return total.hexdigest()
