"""UUIDs of version 7: a time, then random bits (RFC 9562, section 5.7)."""

import os
import threading
import time
from uuid import UUID

_COUNTER_BITS = 74
"""Bits after the milliseconds, version and variant left out: 12 in rand_a, 62 in rand_b."""

_SECOND_HALF = (1 << 62) - 1
_lock = threading.Lock()
_last = (0, 0)


def uuid7() -> UUID:
    """A UUID of version 7, greater than all that this process made before.

    Within a millisecond, or when the clock goes back, the random bits are counted up (RFC 9562,
    section 6.2, method 2): by a random step, so that the next cannot be guessed.
    """
    global _last  # noqa: PLW0603 - what was made last is the process's
    now = time.time_ns() // 1_000_000
    with _lock:
        moment, rest = _last
        if now > moment:
            # The highest bit is left free, to be counted up into.
            moment, rest = now, int.from_bytes(os.urandom(10), "big") >> (81 - _COUNTER_BITS)
        else:
            rest += 1 + int.from_bytes(os.urandom(4), "big")
            if rest >> _COUNTER_BITS:
                moment, rest = (
                    moment + 1,
                    int.from_bytes(os.urandom(10), "big") >> (81 - _COUNTER_BITS),
                )
        _last = moment, rest
    first, second = rest >> 62, rest & _SECOND_HALF
    return UUID(int=moment << 80 | 0x7 << 76 | first << 64 | 0b10 << 62 | second)
