"""UUIDs of version 7: the time, then random bits (RFC 9562, section 5.7)."""

import os
import threading
import time
from uuid import UUID

_COUNTER_BITS = 74
"""Bits after the milliseconds, without version and variant: 12 in rand_a, 62 in rand_b."""

_SECOND_HALF = (1 << 62) - 1
_lock = threading.Lock()
_last = (0, 0)


def uuid7() -> UUID:
    """A UUID of version 7, greater than all previous ones of this process.

    Within a millisecond, or when the clock goes back, the random bits are incremented (RFC 9562,
    section 6.2, method 2), by a random step so that the next UUID cannot be guessed.
    """
    global _last  # noqa: PLW0603 - one sequence per process
    now = time.time_ns() // 1_000_000
    with _lock:
        milliseconds, counter = _last
        if now > milliseconds:
            # Leave the highest bit free for increments.
            milliseconds, counter = (
                now,
                int.from_bytes(os.urandom(10), "big") >> (81 - _COUNTER_BITS),
            )
        else:
            counter += 1 + int.from_bytes(os.urandom(4), "big")
            if counter >> _COUNTER_BITS:
                milliseconds, counter = (
                    milliseconds + 1,
                    int.from_bytes(os.urandom(10), "big") >> (81 - _COUNTER_BITS),
                )
        _last = milliseconds, counter
    first, second = counter >> 62, counter & _SECOND_HALF
    return UUID(int=milliseconds << 80 | 0x7 << 76 | first << 64 | 0b10 << 62 | second)
