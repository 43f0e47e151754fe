"""The fixtures of the pytest plugin, in the tests of a small project."""

import pytest

from tests.testing.conftest import Run, write

DATABASES = [("--database", "sqlite"), ("--database", "sqlite://"), ("--database", "postgresql")]

TOGETHER = """
def test_create_task(client):
    response = client.post("/tasks", json={"title": "Test"})
    assert response.status_code == 201
    assert response.json()["title"] == "Test"


def test_update_partial(client, session):
    task = Task(title="Original", priority="low")
    session.add(task)
    session.commit()
    response = client.patch(f"/tasks/{task.id}", json={"priority": "high"})
    assert response.status_code == 200
    assert response.json()["title"] == "Original"
    assert response.json()["priority"] == "high"


def test_the_session_shows_what_the_app_wrote(client, session):
    task = Task(title="Original", priority="low")
    session.add(task)
    session.commit()
    client.patch(f"/tasks/{task.id}", json={"priority": "high"})
    assert task.priority == "high"
    assert session.get(Task, task.id).priority == "high"
    client.delete(f"/tasks/{task.id}")
    assert session.get(Task, 1) is None


@pytest.fixture
async def project(async_session):
    project = Project(name="From a fixture")
    async_session.add(project)
    await async_session.commit()
    yield project
    await async_session.refresh(project)


async def everything(async_client, async_session, session, project, database):
    assert database is db
    body = {"title": "One", "project_id": project.id}
    assert (await async_client.post("/tasks", json=body)).status_code == 201
    assert session.exec(select(Task.title)).all() == ["One"]
    task = (await async_session.exec(select(Task))).one()
    await async_client.patch("/tasks/1", json={"title": "Two"})
    assert task.title == "Two"
    async with db.session() as other:
        assert (await other.get(Task, 1)).title == "Two"
    db.transaction(lambda other: other.add(Task(title="Three")))
    assert [row["title"] for row in (await async_client.get("/tasks")).json()] == ["Two", "Three"]
    nested = await async_session.begin_nested()
    async_session.add(Task(title="Four"))
    await nested.rollback()
    await async_session.commit()
    assert len((await async_client.get("/tasks")).json()) == 2


async def test_all_at_once(async_client, async_session, session, project, database):
    await everything(async_client, async_session, session, project, database)


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
@pytest.mark.anyio
async def test_all_at_once_by_anyio(
    anyio_backend, async_client, async_session, session, database
):
    project = Project(name="In the test")
    async_session.add(project)
    await async_session.commit()
    await everything(async_client, async_session, session, project, database)


def test_rows_of_earlier_tests_are_removed(client, session):
    assert client.get("/tasks").json() == client.get("/projects").json() == []
    assert client.post("/tasks", json={"title": "First"}).json()["id"] == 1


def test_code_without_fixtures_does_not_reach_the_real_database():
    with db.session() as session:
        assert session.exec(select(Task)).all() == []
        session.add(Task(title="Here"))
        session.commit()


async def test_rows_written_without_fixtures_are_removed(async_session):
    assert (await async_session.exec(select(Task))).all() == []
"""


@pytest.mark.slow
@pytest.mark.parametrize("database", DATABASES, ids=lambda parameters: parameters[1])
def test_clients_and_sessions_share_a_database_that_is_restored(
    run: Run, database: tuple[str, str]
) -> None:
    run(TOGETHER, *database, "-W", "error").assert_outcomes(passed=8)


@pytest.mark.slow
def test_tests_run_in_any_order_on_several_workers_and_databases(run: Run) -> None:
    options = [word for database in DATABASES for word in database]
    result = run(TOGETHER, *options, "-n", "2", "-p", "randomly", "-p", "no:hypothesispytest")
    result.assert_outcomes(passed=7 * 3 + 1)  # one test uses no fixture


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["session", "function"])
def test_pytest_asyncio_works_in_strict_mode_and_with_either_loop_scope(
    run: Run, mode: str
) -> None:
    tests = """
import pytest_asyncio

@pytest_asyncio.fixture
async def task(async_session):
    task = Task(title="One")
    async_session.add(task)
    await async_session.commit()
    return task

@pytest.mark.asyncio
async def test_one(task, async_client):
    assert (await async_client.get(f"/tasks/{task.id}")).json()["title"] == "One"

@pytest.mark.asyncio
async def test_two(async_client, async_session):
    assert (await async_client.get("/tasks")).json() == []
"""
    scopes = [f"asyncio_default_{kind}_loop_scope={mode}" for kind in ("test", "fixture")]
    arguments = [word for scope in scopes for word in ("-o", scope)]
    result = run(tests, "--asyncio-mode=strict", "--database", "postgresql", *arguments)
    result.assert_outcomes(passed=2)


COMMITS = """
def change(title):
    def work(other):
        other.get(Task, 1).title = title
    return work


async def change_async(other):
    (await other.get(Task, 1)).title = "by transaction_async"


@pytest.fixture
def task(session):
    task = Task(title="One")
    session.add(task)
    session.commit()
    assert task.title == "One"
    return task


def test_commits_of_sync_code_are_seen(task, session):
    db.transaction(change("by transaction"))
    assert task.title == "by transaction"
    with db.session() as other:
        other.get(Task, 1).title = "by another session"
        other.commit()
    assert task.title == "by another session"
    with db.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE task SET title = 'by the engine'")
    assert task.title == "by the engine"
    with db.session() as other:
        other.get(Task, 1).title = "not committed"
        other.flush()
        other.rollback()
    assert task.title == "by the engine"


async def test_commits_of_async_code_are_seen(task, session):
    await db.transaction_async(change_async)
    assert task.title == "by transaction_async"
    async with db.session() as other:
        (await other.get(Task, 1)).title = "by another session"
        await other.commit()
    assert task.title == "by another session"


def test_uncommitted_changes_of_the_session_are_kept(task, session):
    other = Task(title="Two")
    session.add(other)
    session.commit()
    other.title = "Mine"
    db.transaction(change("Theirs"))
    assert (task.title, other.title) == ("Theirs", "Mine")


def test_a_commit_of_the_session_keeps_its_rows_loaded(task, session, database):
    from colonnade.testing import counts

    task.title = "Mine"
    session.commit()
    with counts(database, exactly=0):
        assert task.title == "Mine"
"""


@pytest.mark.slow
@pytest.mark.parametrize("database", DATABASES, ids=lambda parameters: parameters[1])
def test_the_session_sees_the_commits_of_others(run: Run, database: tuple[str, str]) -> None:
    run(COMMITS, *database, "-W", "error").assert_outcomes(passed=4)


OWN_DATABASE = """
def has(table):
    with db.engine.connect() as connection:
        return db.engine.dialect.has_table(connection, table)

@pytest.mark.own_database
def test_ddl(client, database):
    with database.engine.begin() as connection:
        connection.execute(text("CREATE TABLE other (id INTEGER)"))
    assert has("other")
    assert client.post("/tasks", json={"title": "One"}).status_code == 201

@pytest.mark.own_database(tables=False)
def test_empty(database):
    assert not has("task")
    database.create_all()
    assert has("task")

def test_ddl_without_the_marker(database):
    with database.engine.begin() as connection:
        connection.execute(text("CREATE TABLE other (id INTEGER)"))
        connection.execute(text("DROP TABLE task"))

def test_ddl_without_the_marker_is_undone(client, session):
    assert has("task")
    assert not has("other")
    assert client.get("/tasks").json() == []
"""


@pytest.mark.slow
@pytest.mark.parametrize("database", DATABASES, ids=lambda parameters: parameters[1])
def test_own_database_gives_a_test_a_separate_database(run: Run, database: tuple[str, str]) -> None:
    run(OWN_DATABASE, *database, "-W", "error").assert_outcomes(passed=4)


LEAKS = """
leaks = []

def test_a_transaction_left_open(database):
    session = Session(database.engine)
    session.add(Task(title="Never committed"))
    session.flush()
    leaks.append(session)

def test_the_open_transaction_does_not_block_the_next_test(client):
    assert client.post("/tasks", json={"title": "Mine"}).json()["id"] == 1

async def test_a_task_left_running(async_client):
    async def for_ever():
        await asyncio.sleep(1000)
    leaks.append(asyncio.create_task(for_ever()))

def test_the_task_is_cancelled():
    assert leaks[1].cancelled()
"""


@pytest.mark.slow
@pytest.mark.parametrize("database", DATABASES, ids=lambda parameters: parameters[1])
def test_a_leak_fails_its_test_and_does_not_affect_the_next(
    run: Run, database: tuple[str, str]
) -> None:
    result = run(LEAKS, *database)
    result.assert_outcomes(passed=4, errors=2)
    result.stdout.fnmatch_lines_random(
        ["*ERROR at teardown of test_a_transaction_left_open*",
         "It left a transaction open*Commit it, roll it back, or close its session*",
         "It left a task running: *for_ever, at *test_it.py:*. Await it or cancel it*"]
    )  # fmt: skip


@pytest.mark.slow
def test_a_request_with_uncommitted_changes_in_the_session_warns(run: Run) -> None:
    tests = """
def test_it(client, session):
    session.add(Task(title="Waiting"))
    with pytest.warns(UserWarning, match="session has uncommitted changes"):
        assert client.get("/tasks").json() == []
    session.flush()
    with pytest.warns(UserWarning, match="on SQLite its writes wait for them") as warned:
        client.get("/tasks")
    assert warned[0].filename == __file__
    session.commit()
    assert len(client.get("/tasks").json()) == 1
"""
    run(tests, "-W", "error").assert_outcomes(passed=1)


@pytest.mark.slow
def test_overrides_and_the_environment_are_restored(run: Run) -> None:
    tests = """
import os

def test_one(client, database_url):
    client.app.dependency_overrides[db.get_session] = lambda: 1
    assert os.environ["DATABASE_URL"] == database_url
    assert str(db.url) == database_url

def test_two(client):
    assert client.app.dependency_overrides == {}
"""
    run(tests).assert_outcomes(passed=2)


LIFESPAN = """
from contextlib import asynccontextmanager
from fastapi import FastAPI, Request
from app.database import db
from app.models import Task

@asynccontextmanager
async def lifespan(app):
    async with db.lifespan(app), db.session() as session:
        session.add(Task(title="Stored at the start"))
        await session.commit()
        yield {"greeting": "Hello"}
    events.append("stopped")

events = []
app = FastAPI(lifespan=lifespan)

@app.get("/hello")
async def hello(request: Request):
    return request.state.greeting
"""


@pytest.mark.slow
def test_the_app_starts_and_stops_for_each_test(run: Run, project: pytest.Pytester) -> None:
    write(project, "app/main.py", LIFESPAN)
    tests = """
from app.main import events

def test_one(client, session):
    assert client.get("/hello").json() == "Hello"
    assert len(session.exec(select(Task)).all()) == 1
    assert events == []

def test_two(client, session):
    assert len(session.exec(select(Task)).all()) == 1
    assert events == ["stopped"]

async def test_three(async_client, session):
    assert (await async_client.get("/hello")).json() == "Hello"
    assert len(session.exec(select(Task)).all()) == 1

def test_four(session):
    assert events == ["stopped"] * 3
    assert session.exec(select(Task)).all() == []
"""
    run(tests, "-W", "error").assert_outcomes(passed=4)


@pytest.mark.slow
def test_the_app_fixture_may_create_its_database(run: Run, project: pytest.Pytester) -> None:
    write(project, "pyproject.toml", "[tool.pytest.ini_options]\npythonpath = ['.']\n")
    write(
        project,
        "conftest.py",
        """
import pytest
from fastapi import FastAPI
from colonnade import Database, Resource

@pytest.fixture
def app():
    from app.models import Task
    db = Database("sqlite:///development.db")
    app = FastAPI(lifespan=db.lifespan)
    app.include_router(Resource(Task, db))
    return app
""",
    )
    tests = """
def test_one(client, session):
    assert client.post("/tasks", json={"title": "One"}).json()["id"] == 1
    assert session.exec(select(Task.title)).all() == ["One"]

def test_two(client, session):
    assert client.get("/tasks").json() == []
"""
    run(tests, "-p", "no:randomly").assert_outcomes(passed=2)


@pytest.mark.slow
def test_the_app_fixture_may_use_the_database_fixture(run: Run, project: pytest.Pytester) -> None:
    write(
        project,
        "conftest.py",
        """
import pytest
from fastapi import FastAPI
from colonnade import Resource

@pytest.fixture
def app(database):
    from app.models import Task
    app = FastAPI(lifespan=database.lifespan)
    app.include_router(Resource(Task, database))
    return app
""",
    )
    tests = """
def test_one(client, session):
    assert client.post("/tasks", json={"title": "One"}).json()["id"] == 1
    assert session.exec(select(Task.title)).all() == ["One"]
"""
    run(tests).assert_outcomes(passed=1)


@pytest.mark.slow
def test_a_project_without_an_app_has_sessions_but_no_client(
    run: Run, project: pytest.Pytester
) -> None:
    write(project, "pyproject.toml", '[tool.colonnade]\nmodels = "app.models"\n')
    (project.path / "app/database.py").write_text("db = None\n")
    tests = """
def test_one(session, database):
    session.add(Task(title="One"))
    session.commit()
    assert database.transaction(lambda session: session.get(Task, 1).title) == "One"

def test_two(client):
    pass
"""
    result = run(tests, "-p", "no:randomly")
    result.assert_outcomes(passed=1, errors=1)
    result.stdout.fnmatch_lines(
        ["No app found. Name it in *pyproject.toml:", '*app = "app.main:app"']
    )


@pytest.mark.slow
def test_a_project_with_two_databases_must_name_the_one_of_the_fixtures(
    run: Run, project: pytest.Pytester
) -> None:
    database = 'from colonnade import Database\ndb = Database("sqlite:///development.db")\n'
    write(project, "app/database.py", database + 'log = Database("sqlite:///log.db")\n')
    tests = """
def test_one(client, session, database):
    from app.database import log
    assert database is db
    with log.session() as other:
        other.add(Task(title="Logged"))
        other.commit()
    assert client.get("/tasks").json() == []

def test_two(database):
    from app.database import log
    with log.session() as other:
        assert other.exec(select(Task)).all() == []
"""
    result = run(tests)
    result.assert_outcomes(errors=2)
    result.stdout.fnmatch_lines(
        ["The app has 2 databases. Name the one that the fixtures use in *"]
    )
    named = 'app = "app.main:app"\ndatabase = "app.database:db"'
    text = (project.path / "pyproject.toml").read_text().replace('app = "app.main:app"', named)
    write(project, "pyproject.toml", text)
    run(tests).assert_outcomes(passed=2)
    assert not (project.path / "log.db").exists()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("pyproject", "main", "message"),
    [
        ("", None, "No app found. Name it in"),
        ('[tool.colonnade]\napp = "app.nowhere:app"', None, "*No module named 'app.nowhere'"),
        ('[tool.colonnade]\napp = "app.main:application"', None, "app.main has no application*"),
        ('[tool.colonnade]\napp = "app.main"', None, "'app.main' must have the form module:name*"),
        ("[tool.colonnade]\napp = 1", None, "*app in [[]tool.colonnade] must be a string."),
        ('[tool.colonnade]\napp = "app.main:app"', "1 / 0", "*ZeroDivisionError: division by zero"),
    ],
)  # fmt: skip
def test_an_app_that_cannot_be_loaded_is_explained_without_a_traceback(
    project: pytest.Pytester, pyproject: str, main: str | None, message: str
) -> None:
    quiet = '\n[tool.pytest.ini_options]\naddopts = "-p no:randomly -p no:cacheprovider"\n'
    write(project, "pyproject.toml", pyproject + quiet)
    if main is not None:
        write(project, "app/main.py", main)
    write(project, "test_it.py", "def test_it(client): pass\n")
    result = project.runpytest_subprocess()
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines([f"{message}*"])
    result.stdout.no_fnmatch_line("*pytest_colonnade*")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("database", "message"),
    [
        (
            "mysql://me:secret@host/db",
            "--database must be sqlite, postgresql or a URL. *mysql://*",
        ),
        ("sqlite:///mine.db", "*which the tests would empty. Use --database sqlite*"),
        (
            "postgresql://me:secret@127.0.0.1:1/db?pool_timeout=0.2",
            "*Cannot connect to *nothing listens*",
        ),
    ],
)
def test_a_database_that_cannot_be_used_is_explained(run: Run, database: str, message: str) -> None:
    result = run("def test_it(session): pass", "--database", database)
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines([message])
    result.stdout.no_fnmatch_line("*secret*")


@pytest.mark.slow
def test_async_session_in_another_event_loop_is_refused(run: Run) -> None:
    tests = """
import pytest_asyncio

@pytest_asyncio.fixture(loop_scope="module")
async def task(async_session):
    async_session.add(Task(title="One"))
    await async_session.commit()

@pytest.mark.asyncio(loop_scope="function")
async def test_it(task, async_session):
    await async_session.exec(select(Task))
"""
    result = run(tests)
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*FixtureError: async_session is used in a different event loop*"])


@pytest.mark.slow
def test_the_plugin_can_be_disabled_and_does_not_import_colonnade_unless_used(
    project: pytest.Pytester,
) -> None:
    write(project, "pyproject.toml", "")
    write(project, "test_it.py", "def test_it(session): pass\n")
    result = project.runpytest_subprocess("-p", "no:colonnade")
    result.stdout.fnmatch_lines(["*fixture 'session' not found*"])
    code = "def test_it():\n    import sys\n    assert 'colonnade' not in sys.modules\n"
    write(project, "test_it.py", code)
    project.runpytest_subprocess().assert_outcomes(passed=1)


@pytest.mark.slow
def test_the_server_of_a_url_is_left_clean(run: Run, postgresql_database: str) -> None:
    import psycopg

    query = "SELECT datname FROM pg_database WHERE datname LIKE 'test_colonnade%'"
    with psycopg.connect(postgresql_database) as connection:
        before = connection.execute(query).fetchall()
    run(TOGETHER, "--database", postgresql_database).assert_outcomes(passed=8)
    with psycopg.connect(postgresql_database) as connection:
        assert connection.execute(query).fetchall() == before


@pytest.mark.slow
def test_session_scoped_fixtures_do_not_reach_the_real_database(run: Run) -> None:
    tests = """
@pytest.fixture(scope="session", autouse=True)
def stored():
    with db.session() as session:
        session.add(Project(name="Of the run"))
        session.commit()
    yield
    db.ping()

def test_it(session):
    assert [project.name for project in session.exec(select(Project))] == ["Of the run"]
"""
    run(tests).assert_outcomes(passed=1)
