"""Each revision runs once and completely, despite other processes and failures."""

import threading
from pathlib import Path

import pytest
import sqlalchemy as sa

from colonnade import Database, Field, SQLModel
from colonnade.errors import MigrationError
from colonnade.migrations import Patience, RefusedError, Watcher, current_revision, merge
from tests.migrations.lab import IMPATIENT, Lab
from tests.servers import url_of


def tasks() -> None:
    class Task(SQLModel, table=True):
        id: int | None = Field(default=None, primary_key=True)
        title: str = Field(max_length=200)


@pytest.fixture
def started(lab: Lab) -> Lab:
    lab.change(tasks)
    lab.run("INSERT INTO task (title) VALUES ('a'), ('b'), ('c'), ('d'), ('e')")
    return lab


@pytest.fixture
def on_postgresql(started: Lab) -> Lab:
    if started.db.url.backend != "postgresql":
        pytest.skip("on SQLite a revision is one transaction")
    return started


def columns(lab: Lab) -> list[str]:
    return [column["name"] for column in sa.inspect(lab.db.engine).get_columns("task")]


def test_a_step_that_fails_halfway_leaves_nothing(started: Lab) -> None:
    before = current_revision(started.history, started.db)[0]
    started.write(
        """
op.add_column("task", sa.Column("one", sa.Integer))
op.execute("UPDATE task SET title = 'changed'")
op.execute("SELECT nonsense")
""",
        "op.drop_column('task', 'one')",
    )
    with pytest.raises(MigrationError, match=r"failed: .*nonsense.*The revision was rolled back"):
        started.upgrade(guarded=False)
    assert columns(started) == ["id", "title"]
    assert started.rows("SELECT DISTINCT title FROM task WHERE title = 'changed'") == []
    assert current_revision(started.history, started.db)[0] == before


def test_committed_steps_are_not_run_again(on_postgresql: Lab) -> None:
    lab = on_postgresql
    body = """
op.add_column("task", sa.Column("one", sa.Integer))
steps.add_index("ix_one", "task", ["one"])
op.execute("INSERT INTO task (title) VALUES ('more')")
steps.fill("task", "one", 7)
{last}
"""
    lab.write(body.format(last='op.execute("SELECT nonsense")'), "op.drop_column('task', 'one')")
    path = Path(lab.history.revisions[-1].path)
    with pytest.raises(MigrationError, match="4 of 5 steps are done and stay"):
        lab.upgrade(guarded=False)
    assert lab.rows("SELECT count(*) FROM task WHERE title = 'more'") == [(1,)]
    path.write_text(path.read_text().replace("SELECT nonsense", "SELECT 1"))
    lab.history.clear_cache()
    lab.upgrade(guarded=False)
    assert lab.rows("SELECT count(*), min(one) FROM task") == [(6, 7)]
    assert not sa.inspect(lab.db.engine).has_table("colonnade_migration")


def test_an_interrupted_concurrent_index_is_rebuilt(on_postgresql: Lab) -> None:
    lab = on_postgresql
    lab.run("UPDATE task SET title = 'same'")
    engine = lab.db.engine.execution_options(isolation_level="AUTOCOMMIT")
    with pytest.raises(sa.exc.DBAPIError), engine.connect() as connection:
        connection.execute(sa.text("CREATE UNIQUE INDEX CONCURRENTLY ix_title ON task (title)"))
    invalid = "SELECT indisvalid FROM pg_index WHERE indexrelid = to_regclass('ix_title')"
    assert lab.rows(invalid) == [(False,)]
    lab.write('steps.add_index("ix_title", "task", ["title"])',
              'steps.drop_index("ix_title", "task")')  # fmt: skip
    lab.upgrade()
    assert lab.rows(invalid) == [(True,)]


def test_an_interrupted_for_each_batch_resumes_at_its_last_batch(started: Lab) -> None:
    imports = """
seen = []

def shout(connection, rows):
    seen.append(len(rows))
    if len(seen) == FAILS:
        raise RuntimeError("interrupted")
    for row in rows:
        connection.execute(
            sa.text("UPDATE task SET title = title || '!' WHERE id = :id"), {"id": row["id"]}
        )

FAILS = 2
"""
    started.write('steps.for_each_batch("task", shout, batch=2)', "op.execute('SELECT 1')", imports)
    path = Path(started.history.revisions[-1].path)
    with pytest.raises(MigrationError, match="RuntimeError: interrupted"):
        started.upgrade()
    done = started.rows("SELECT count(*) FROM task WHERE title LIKE '%!'")
    assert done == [(0 if started.db.url.backend == "sqlite" else 2,)]
    path.write_text(path.read_text().replace("FAILS = 2", "FAILS = None"))
    started.history.clear_cache()
    progress: list[tuple[str, int, int]] = []

    class ProgressWatcher(Watcher):
        def progressed(self, what: str, done: int, total: int) -> None:
            progress.append((what, done, total))

    started.upgrade(watcher=ProgressWatcher())
    titles = started.rows("SELECT title FROM task ORDER BY id")
    assert titles == [("a!",), ("b!",), ("c!",), ("d!",), ("e!",)]
    assert progress[0][0] == "shout task"


def test_an_error_names_both_heads(started: Lab) -> None:
    revision = started.write("op.execute('SELECT 1')", "op.execute('SELECT 1')")
    first = started.history.revisions[-1]
    source = Path(first.path).read_text()
    twin = Path(first.path.replace(revision, "0123456789ab"))
    twin.write_text(source.replace(revision, "0123456789ab"))
    started.history.clear_cache()
    with pytest.raises(MigrationError, match=f"2 heads: .*{revision}.*--merge"):
        started.upgrade()
    with pytest.raises(MigrationError, match="2 heads"):
        started.maybe()
    merge(started.history)
    assert len(started.upgrade()) == 3
    assert started.drift() == []


def test_an_error_names_a_missing_revision(started: Lab) -> None:
    missing = started.write("op.execute('SELECT 1')")
    path = started.history.revisions[-1].path
    started.write("op.execute('SELECT 2')")
    Path(path).unlink()
    started.history.clear_cache()
    with pytest.raises(MigrationError, match=f"follows '{missing}', whose file is missing"):
        started.upgrade()


def test_an_error_names_a_revision_with_a_syntax_error(started: Lab) -> None:
    started.write("op.execute('SELECT 1'")
    with pytest.raises(MigrationError, match="cannot be read: SyntaxError"):
        started.upgrade()


def test_an_unknown_target_is_refused(started: Lab) -> None:
    with pytest.raises(MigrationError, match="revision nonsense does not exist in"):
        started.upgrade("nonsense")


def test_a_database_at_an_unknown_revision_is_not_changed(started: Lab) -> None:
    started.run("UPDATE alembic_version SET version_num = 'fromafar'")
    with pytest.raises(MigrationError, match=r"at revision fromafar, which is not in .*ahead"):
        started.upgrade()
    assert started.rows("SELECT version_num FROM alembic_version") == [("fromafar",)]


def test_tables_that_create_all_created_are_not_created_again(lab: Lab) -> None:
    lab.models(tasks)
    lab.db.create_all()
    lab.migrate()
    with pytest.raises(MigrationError, match=r"already has the table task, .*colonnade stamp"):
        lab.upgrade()


def test_an_error_names_the_missing_permission(on_postgresql: Lab) -> None:
    lab = on_postgresql
    lab.write('op.add_column("task", sa.Column("one", sa.Integer))', "op.execute('SELECT 1')")
    lab.run("DROP ROLE IF EXISTS guest", "CREATE ROLE guest LOGIN")
    lab.run("GRANT ALL ON ALL TABLES IN SCHEMA public TO guest")
    try:
        guest = Lab(lab.root, Database(url_of(lab.db, "guest")))
        with pytest.raises(
            MigrationError, match=r"lacks a permission .*must be owner.*rolled back"
        ):
            guest.upgrade()
        guest.db.dispose()
    finally:
        lab.run("DROP OWNED BY guest", "DROP ROLE guest")


def test_a_run_gives_up_when_a_lock_is_not_available(on_postgresql: Lab) -> None:
    lab = on_postgresql
    lab.write('op.add_column("task", sa.Column("one", sa.Integer))', "op.execute('SELECT 1')")
    waited: list[str] = []

    class WaitWatcher(Watcher):
        def waits(self, why: str) -> None:
            waited.append(why)

    with lab.db.engine.begin() as reader:
        reader.execute(sa.text("SELECT * FROM task"))
        with pytest.raises(MigrationError, match=r"2 attempts .*lock timeout.*rolled back"):
            lab.upgrade(patience=IMPATIENT, watcher=WaitWatcher())
    # A slow machine names the blocking session too.
    assert waited
    assert all(why.startswith("add task.one: ") for why in waited)
    assert columns(lab) == ["id", "title"]
    lab.upgrade(patience=IMPATIENT)


def test_a_run_waits_for_another_runner_and_names_it(on_postgresql: Lab) -> None:
    lab = on_postgresql
    lab.write("op.execute('SELECT 1')", "op.execute('SELECT 1')")
    from colonnade.migrations.runner._migrate import exclusive_runner

    with (
        exclusive_runner(lab.db, 1, Watcher()),
        pytest.raises(MigrationError, match=r"Another process \(process \d+ of"),
    ):
        lab.upgrade(patience=IMPATIENT)
    lab.upgrade()


@pytest.mark.slow
def test_several_runners_run_each_revision_once(started: Lab) -> None:
    if started.db.url.memory:
        pytest.skip("a database in memory belongs to one process")
    for number in range(5):
        started.write(f"op.execute(\"INSERT INTO task (title) VALUES ('{number}')\")",
                      "op.execute('SELECT 1')")  # fmt: skip
    failed: list[BaseException] = []
    barrier = threading.Barrier(2)
    labs = [Lab(started.root, Database(started.db.url)) for _ in range(2)]

    def run(lab: Lab) -> None:
        barrier.wait()
        try:
            lab.upgrade(guarded=False, patience=Patience(1, 50, 30))
        except BaseException as error:
            failed.append(error)

    if started.db.url.backend == "sqlite":  # alembic.op is shared by the threads of a process
        _in_processes(started)
    else:
        threads = [threading.Thread(target=run, args=(lab,)) for lab in labs]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    for lab in labs:
        lab.db.dispose()
    assert failed == []
    assert started.rows("SELECT count(*) FROM task WHERE title BETWEEN '0' AND '4'") == [(5,)]


def test_two_processes_may_create_the_version_table_at_the_same_time(lab: Lab) -> None:
    """The other process creates the table after this one has checked that it does not exist."""
    if lab.db.url.backend != "sqlite" or lab.db.url.memory:
        pytest.skip("on PostgreSQL one process waits for the other")
    lab.models(tasks)
    lab.migrate()
    checks = 0

    @sa.event.listens_for(lab.db.engine, "after_cursor_execute")
    def create_in_between(_: object, __: object, statement: str, *___: object) -> None:
        nonlocal checks
        is_check = statement == 'PRAGMA temp.table_info("alembic_version")'
        checks += is_check
        if is_check and checks == 3:  # the last check before the table is created
            other = Database(lab.db.url)
            with other.engine.begin() as connection:
                connection.exec_driver_sql(
                    "CREATE TABLE IF NOT EXISTS alembic_version (version_num VARCHAR)"
                )
            other.dispose()

    waited: list[str] = []

    class WaitWatcher(Watcher):
        def waits(self, why: str) -> None:
            waited.append(why)

    assert len(lab.upgrade(watcher=WaitWatcher())) == 1
    assert "already exists" in waited[0]
    assert lab.drift() == []


def _in_processes(lab: Lab) -> None:
    import subprocess
    import sys

    code = """
import sys
from pathlib import Path

from sqlmodel import SQLModel

from colonnade import Database
from colonnade.migrations import History, migrate_to
from colonnade.project import Project

history = History(Project(Path(sys.argv[1])))
history.config.attributes["metadata"] = SQLModel.metadata
migrate_to(history, Database(sys.argv[2]), guarded=False)
"""
    command = [sys.executable, "-c", code, str(lab.root), f"sqlite:///{lab.db.url.file}"]
    processes = [subprocess.Popen(command) for _ in range(2)]
    assert [process.wait(60) for process in processes] == [0, 0]


def test_a_downgrade_that_would_lose_data_is_refused(started: Lab) -> None:
    with pytest.raises(RefusedError, match=r"loses-data:task\n.*drop task.*5 rows"):
        started.downgrade(guarded=True)
    assert len(started.rows("SELECT * FROM task")) == 5
    started.downgrade(guarded=True, allow=frozenset({"loses-data:task"}))
    assert not sa.inspect(started.db.engine).has_table("task")


def test_messages_do_not_contain_the_password(on_postgresql: Lab) -> None:
    lab = on_postgresql
    lab.run("UPDATE alembic_version SET version_num = 'fromafar'")
    user = lab.db.url.sync.url.username
    other = Lab(lab.root, Database(url_of(lab.db, f"{user}:hunter2%25%40%3A%2F")))
    with pytest.raises(MigrationError, match="fromafar") as raised:
        other.upgrade()
    assert "hunter2" not in str(raised.value)
    other.db.dispose()


def test_a_pool_of_one_connection_is_enough(on_postgresql: Lab) -> None:
    lab = on_postgresql
    lab.write("op.execute('SELECT 1')", "op.execute('SELECT 1')")
    text = url_of(lab.db, str(lab.db.url.sync.url.username))
    separator = "&" if "?" in text else "?"
    other = Lab(lab.root, Database(f"{text}{separator}connection_limit=1", pool_timeout=1))
    other.upgrade()
    other.db.dispose()


def test_defaults_are_kept_when_required_columns_are_interrupted(on_postgresql: Lab) -> None:
    lab = on_postgresql
    body = """
op.add_column("task", sa.Column("one", sa.Integer))
op.add_column("task", sa.Column("two", sa.Integer, server_default="2"))
steps.require("task", "one", 1)
steps.require("task", "two", 2)
op.execute("{last}")
"""
    lab.write(body.format(last="SELECT nonsense"), "op.execute('SELECT 1')")
    path = Path(lab.history.revisions[-1].path)
    with pytest.raises(MigrationError, match="4 of 5 steps are done"):
        lab.upgrade(guarded=False)
    path.write_text(path.read_text().replace("SELECT nonsense", "SELECT 1"))
    lab.history.clear_cache()
    lab.upgrade(guarded=False)
    defaults = "SELECT column_name, column_default FROM information_schema.columns WHERE table_name"
    column_defaults = dict(lab.rows(f"{defaults} = 'task'"))
    assert (column_defaults["one"], column_defaults["two"]) == (None, "2")


def test_columns_that_an_interrupted_run_added_are_skipped(lab: Lab) -> None:
    """The statement that fails follows a step that commits."""
    lab.change(tasks)
    revision = lab.write(
        """
with op.batch_alter_table("task", schema=None) as batch_op:
    batch_op.add_column(sa.Column("size", sa.Integer(), nullable=True))
steps.require("task", "size", 1)
op.execute("SELECT nonsense")
""",
        "pass",
    )
    path = Path(lab.history.revisions[-1].path)
    with pytest.raises(MigrationError, match="nonsense"):
        lab.upgrade(guarded=False)
    path.write_text(path.read_text().replace("SELECT nonsense", "SELECT 1"))
    lab.history.clear_cache()
    assert lab.upgrade(guarded=False) == [revision]
    lab.run("INSERT INTO task (title, size) VALUES ('a', 2)")


def test_a_revision_may_follow_one_that_commits_by_itself(started: Lab) -> None:
    started.write(
        "with op.get_context().autocommit_block():\n"
        "    op.get_bind().execute(sa.text(\"UPDATE task SET title = 'second'\"))"
    )
    started.write('op.add_column("task", sa.Column("size", sa.Integer()))')
    started.upgrade(guarded=False)
    assert started.rows("SELECT title, size FROM task") == [("second", None)] * 5
