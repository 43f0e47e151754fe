"""PostgreSQL as the system has it: with TLS, ICU and more, which the packaged one is without."""

import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

INSTALLED = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))


def run_as_server(*command: str) -> None:
    """Run a command as a user that PostgreSQL agrees to run as."""
    user = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []
    subprocess.run([*user, *command], check=True, capture_output=True, cwd="/")


@contextmanager
def server_directory() -> Iterator[Path]:
    """A directory that a server may use: not one of pytest's, which are root's alone."""
    directory = Path(tempfile.mkdtemp(prefix="pg-"))
    directory.chmod(0o755)
    give_to_server(directory)
    yield directory
    shutil.rmtree(directory)


def give_to_server(*paths: Path) -> None:
    """Make files the server's own."""
    if os.geteuid() == 0:
        for path in paths:
            shutil.chown(path, "postgres")


@contextmanager
def installed_server(
    directory: Path, *, initdb: Sequence[str], options: str = "", hba: str | None = None
) -> Iterator[int]:
    """A server of the newest version installed; the port it listens on.

    Args:
        directory: Where its data, log and socket go.
        initdb: What the cluster is made with.
        options: Settings, as ``-c name=value``.
        hba: Who may connect and how; None: what ``initdb`` says.
    """
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    binaries, data = INSTALLED[-1].parent, directory / "data"
    run_as_server(str(binaries / "initdb"), "-D", str(data), *initdb)
    if hba is not None:
        run_as_server("sh", "-c", f"echo '{hba}' > {data}/pg_hba.conf")
    told = (
        f"-c port={port} -c listen_addresses=localhost -c unix_socket_directories={directory} "
        f"-c fsync=off {options}"
    )
    control = str(binaries / "pg_ctl")
    run_as_server(control, "-D", str(data), "-o", told, "-l", f"{directory}/log", "-w", "start")
    try:
        yield port
    finally:
        run_as_server(control, "-D", str(data), "-m", "immediate", "stop")
