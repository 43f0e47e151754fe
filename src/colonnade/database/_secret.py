"""A secret that every process on one database has, without anybody having to configure it."""

import os
from contextlib import suppress
from hashlib import blake2b
from pathlib import Path

from colonnade.database.connections._urls import DatabaseURL

MACHINE = Path("/etc/machine-id")
"""Random, and not for the network to see: https://man7.org/linux/man-pages/man5/machine-id.5.html"""

_LOCAL = frozenset((None, "", "localhost", "127.0.0.1", "::1"))


def secret_of(url: DatabaseURL) -> bytes:
    """What those who know the URL with its password can derive, and nobody else.

    A database on this machine may have no password: then what the machine alone knows is in it
    as well. Processes on several machines share a server, and with it a password.
    """
    if url.memory:
        return os.urandom(32)  # one process has it
    parts = [url.sync.url.render_as_string(hide_password=False)]
    if url.backend == "sqlite" or url.sync.url.host in _LOCAL:
        parts.append(_machine())
    return blake2b("\n".join(parts).encode(), digest_size=32).digest()


def has_secret(url: DatabaseURL) -> bool:
    """Whether ``secret_of`` has something to derive it from that others do not know."""
    if url.memory or url.sync.url.password:
        return True
    is_local = url.backend == "sqlite" or url.sync.url.host in _LOCAL
    return is_local and bool(_machine().strip())


def _machine() -> str:
    """What this machine alone knows; nothing in many containers."""
    with suppress(OSError):
        return MACHINE.read_text()
    return ""
