"""Derive a secret that all processes using a database share, without any configuration."""

import os
from contextlib import suppress
from hashlib import blake2b
from pathlib import Path

from colonnade.database.connections._urls import DatabaseURL

MACHINE = Path("/etc/machine-id")
"""A random ID that must not be exposed: https://man7.org/linux/man-pages/man5/machine-id.5.html"""

_LOCAL = frozenset((None, "", "localhost", "127.0.0.1", "::1"))


def secret_of(url: DatabaseURL) -> bytes:
    """Derive a secret from the URL and its password.

    A local database may have no password, so the machine ID is added for it. Processes on several
    machines share a remote server and therefore a password.
    """
    if url.memory:
        return os.urandom(32)  # only this process uses it
    parts = [url.sync.url.render_as_string(hide_password=False)]
    if url.backend == "sqlite" or url.sync.url.host in _LOCAL:
        parts.append(_machine())
    return blake2b("\n".join(parts).encode(), digest_size=32).digest()


def has_secret(url: DatabaseURL) -> bool:
    """Whether ``secret_of`` has a secret input: a password, or the machine ID."""
    if url.memory or url.sync.url.password:
        return True
    is_local = url.backend == "sqlite" or url.sync.url.host in _LOCAL
    return is_local and bool(_machine().strip())


def _machine() -> str:
    """Return the machine ID; an empty string in many containers."""
    with suppress(OSError):
        return MACHINE.read_text()
    return ""
