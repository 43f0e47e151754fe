"""What the fixtures of a test cost: Colonnade's, and fixtures that create the tables each time.

The benchmark runs a file with many tests that do a piece of work each, and a file with a single
test that does the work as often. The difference is the cost of the tests. Without the cost of
empty tests, it is the cost of their fixtures. The project is the one of ``colonnade new``.
"""

import os
import re
import statistics
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from benchmarks import quiet
from benchmarks.databases import DATABASES
from colonnade.templates import lay_out

TESTS = 150
"""The number of tests in a file."""

HEAD = """
import pytest
from app.models import Task

@pytest.mark.parametrize("n", range({tests}))
"""

CONFTEST = """
import os
import pytest
from app.database import db
from app.main import app
from app.models import Task
from fastapi.testclient import TestClient
from colonnade import SQLModel

@pytest.fixture
def tables():
    SQLModel.metadata.create_all(db.engine)
    yield
    SQLModel.metadata.drop_all(db.engine)

@pytest.fixture
def session(tables):
    with db.session() as session:
        yield session

@pytest.fixture
def client(tables):
    with TestClient(app) as client:
        yield client
"""

STORE = "session.add(Task(title='x')); {wait}session.commit(); session.expunge_all()"
ASK = "{wait}client.post('/tasks', json={{'title': 'x'}})"


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of test.

    Attributes:
        name: Its name in the table.
        fixture: The fixture that it uses.
        work: The code of its work.
        is_async: Whether it is a coroutine function.
        loops: The scope of its event loop: ``session`` or ``function``.
        plain: Whether its fixtures create the tables each time, instead of Colonnade's fixtures.
    """

    name: str
    fixture: str = ""
    work: str = "pass"
    is_async: bool = False
    loops: str = "session"
    plain: bool = False

    def text(self, tests: int, times: int) -> str:
        """The source of a file with several tests, which repeat their work."""
        begin, wait = ("async def", "await ") if self.is_async else ("def", "")
        renamed = self.work.replace("session.", f"{self.fixture}.") if self.is_async else self.work
        work = renamed.replace("client.", f"{self.fixture}.") if self.is_async else renamed
        arguments = f"n, {self.fixture}" if self.fixture else "n"
        return (
            HEAD.format(tests=tests)
            + f"{begin} test_it({arguments}):\n    for _ in range({times}):\n"
            + f"        {work.format(wait=wait)}\n"
        )


BARE, BARE_ASYNC = Kind("nothing"), Kind("nothing, async", is_async=True)
KINDS = (
    BARE,
    Kind("`session`", "session", STORE),
    Kind("`client`", "client", ASK),
    Kind("tables made anew, a session", "session", STORE, plain=True),
    Kind("tables made anew, a TestClient", "client", ASK, plain=True),
    BARE_ASYNC,
    Kind("`async_session`", "async_session", STORE, is_async=True),
    Kind("`async_client`", "async_client", ASK, is_async=True),
    Kind("`async_session`, a loop each", "async_session", STORE, is_async=True, loops="function"),
    Kind("`async_client`, a loop each", "async_client", ASK, is_async=True, loops="function"),
)


def overheads(database: str, rounds: int) -> dict[str, list[float]]:
    """The milliseconds that each kind of test costs more than an empty test, by round.

    Raises:
        FailedError: A test failed.
        OtherLoadError: Other processes use the machine.
    """
    quiet.check()
    overheads_by_kind: dict[str, list[float]] = {kind.name: [] for kind in KINDS}
    with tempfile.TemporaryDirectory() as name, DATABASES[database]() as url:
        project = Path(name)
        lay_out(project, "tracker", example="tasks")
        (project / "tests" / "test_tasks.py").unlink()
        for _ in range(rounds):
            costs = {kind: _cost(kind, project, database, url) for kind in KINDS}
            for kind, cost in costs.items():
                bare = costs[BARE_ASYNC if kind.is_async else BARE]
                overheads_by_kind[kind.name].append(
                    cost if kind in (BARE, BARE_ASYNC) else cost - bare
                )
    for name, costs_of in overheads_by_kind.items():
        print(f"  {name}: {statistics.median(costs_of):.2f} ms", file=sys.stderr, flush=True)
    return overheads_by_kind


def _cost(kind: Kind, project: Path, database: str, url: str) -> float:
    """The milliseconds of a test without its work."""
    many, single = (
        _seconds(kind, project, database, url, kind.text(tests, TESTS // tests))
        for tests in (TESTS, 1)
    )
    return (many - single) / (TESTS - 1) * 1000


def _seconds(kind: Kind, project: Path, database: str, url: str, text: str) -> float:
    from benchmarks.serving import FailedError

    (project / "tests" / "test_it.py").write_text(text)
    conftest = project / "tests" / "conftest.py"
    conftest.write_text(CONFTEST if kind.plain else "")
    scopes = [f"asyncio_default_{scope}_loop_scope={kind.loops}" for scope in ("test", "fixture")]
    arguments = [word for scope in scopes for word in ("-o", scope)]
    wanted = {"PostgreSQL": "postgresql", "SQLite": "sqlite"}[database]
    arguments += ["-p", "no:colonnade"] if kind.plain else ["--database", wanted]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:randomly",
         "-p", "no:schemathesis", "-p", "no:hypothesispytest", *arguments],
        cwd=project, env={**os.environ, "DATABASE_URL": url}, capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    match = re.search(r"passed.* in ([\d.]+)s", done.stdout)
    if done.returncode or match is None:
        raise FailedError(f"{kind.name} failed on {database}:\n{done.stdout}{done.stderr}")
    return float(match[1])
