"""Each revision is run once and whole, whoever else is there and whatever fails."""

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
        pytest.skip("SQLite has one transaction to a revision")
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
    with pytest.raises(MigrationError, match=r"fails: .*nonsense.*Nothing of it is left"):
        started.upgrade(guarded=False)
    assert columns(started) == ["id", "title"]
    assert started.rows("SELECT DISTINCT title FROM task WHERE title = 'changed'") == []
    assert current_revision(started.history, started.db)[0] == before


def test_what_is_committed_on_the_way_is_not_done_again(on_postgresql: Lab) -> None:
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
    lab.history.forget()
    lab.upgrade(guarded=False)
    assert lab.rows("SELECT count(*), min(one) FROM task") == [(6, 7)]
    assert not sa.inspect(lab.db.engine).has_table("colonnade_migration")


def test_an_index_that_was_interrupted_is_built_anew(on_postgresql: Lab) -> None:
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


def test_a_function_over_rows_goes_on_where_it_was_interrupted(started: Lab) -> None:
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
    started.history.forget()
    progress: list[tuple[str, int, int]] = []

    class Told(Watcher):
        def progressed(self, what: str, done: int, total: int) -> None:
            progress.append((what, done, total))

    started.upgrade(watcher=Told())
    titles = started.rows("SELECT title FROM task ORDER BY id")
    assert titles == [("a!",), ("b!",), ("c!",), ("d!",), ("e!",)]
    assert progress[0][0] == "shout task"


def test_two_heads_are_named(started: Lab) -> None:
    first_head = started.write("op.execute('SELECT 1')", "op.execute('SELECT 1')")
    first = started.history.revisions[-1]
    source = Path(first.path).read_text()
    twin = Path(first.path.replace(first_head, "0123456789ab"))
    twin.write_text(source.replace(first_head, "0123456789ab"))
    started.history.forget()
    with pytest.raises(MigrationError, match=f"2 heads: .*{first_head}.*--merge"):
        started.upgrade()
    with pytest.raises(MigrationError, match="2 heads"):
        started.maybe()
    merge(started.history)
    assert len(started.upgrade()) == 3
    assert started.drift() == []


def test_a_revision_that_is_missing_is_named(started: Lab) -> None:
    gone = started.write("op.execute('SELECT 1')")
    path = started.history.revisions[-1].path
    started.write("op.execute('SELECT 2')")
    Path(path).unlink()
    started.history.forget()
    with pytest.raises(MigrationError, match=f"follows '{gone}', which does not exist"):
        started.upgrade()


def test_a_revision_that_cannot_be_read_is_named(started: Lab) -> None:
    started.write("op.execute('SELECT 1'")
    with pytest.raises(MigrationError, match="cannot be read: SyntaxError"):
        started.upgrade()


def test_a_target_that_is_not_there(started: Lab) -> None:
    with pytest.raises(MigrationError, match="Unknown revision nonsense in"):
        started.upgrade("nonsense")


def test_a_database_that_is_ahead_is_left_alone(started: Lab) -> None:
    started.run("UPDATE alembic_version SET version_num = 'fromafar'")
    with pytest.raises(MigrationError, match=r"at revision fromafar, which is not in .*ahead"):
        started.upgrade()
    assert started.rows("SELECT version_num FROM alembic_version") == [("fromafar",)]


def test_tables_that_create_all_has_made_are_not_made_again(lab: Lab) -> None:
    lab.models(tasks)
    lab.db.create_all()
    lab.migrate()
    with pytest.raises(MigrationError, match=r"has task already, but no revision.*colonnade stamp"):
        lab.upgrade()


def test_a_user_without_rights_is_told(on_postgresql: Lab) -> None:
    lab = on_postgresql
    lab.write('op.add_column("task", sa.Column("one", sa.Integer))', "op.execute('SELECT 1')")
    lab.run("DROP ROLE IF EXISTS guest", "CREATE ROLE guest LOGIN")
    lab.run("GRANT ALL ON ALL TABLES IN SCHEMA public TO guest")
    try:
        guest = Lab(lab.root, Database(url_of(lab.db, "guest")))
        with pytest.raises(MigrationError, match=r"may not do this .*must be owner.*Nothing"):
            guest.upgrade()
        guest.db.dispose()
    finally:
        lab.run("DROP OWNED BY guest", "DROP ROLE guest")


def test_a_lock_that_is_not_had_in_time(on_postgresql: Lab) -> None:
    lab = on_postgresql
    lab.write('op.add_column("task", sa.Column("one", sa.Integer))', "op.execute('SELECT 1')")
    waited: list[str] = []

    class Told(Watcher):
        def waits(self, why: str) -> None:
            waited.append(why)

    with lab.db.engine.begin() as reader:
        reader.execute(sa.text("SELECT * FROM task"))
        with pytest.raises(MigrationError, match=r"2 attempts .*lock timeout.*Nothing of it"):
            lab.upgrade(patience=IMPATIENT, watcher=Told())
    assert len(waited) == 1
    assert columns(lab) == ["id", "title"]
    lab.upgrade(patience=IMPATIENT)


def test_another_runner_is_waited_for_and_named(on_postgresql: Lab) -> None:
    lab = on_postgresql
    lab.write("op.execute('SELECT 1')", "op.execute('SELECT 1')")
    from colonnade.migrations.runner._migrate import alone

    with (
        alone(lab.db, 1, Watcher()),
        pytest.raises(MigrationError, match=r"Another runner .*process \d+ of"),
    ):
        lab.upgrade(patience=IMPATIENT)
    lab.upgrade()


def test_of_several_runners_each_revision_is_run_once(started: Lab) -> None:
    if started.db.url.memory:
        pytest.skip("a database in memory is one process's")
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

    if started.db.url.backend == "sqlite":  # alembic.op is one to a process
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


def test_the_first_runs_of_two_programs_at_the_same_moment(lab: Lab) -> None:
    """The other makes Alembic's table after this one has seen that it is missing."""
    if lab.db.url.backend != "sqlite" or lab.db.url.memory:
        pytest.skip("on PostgreSQL one waits for the other")
    lab.models(tasks)
    lab.migrate()
    looks = 0

    @sa.event.listens_for(lab.db.engine, "after_cursor_execute")
    def make(_: object, __: object, statement: str, *___: object) -> None:
        nonlocal looks
        is_look = statement == 'PRAGMA temp.table_info("alembic_version")'
        looks += is_look
        if is_look and looks == 3:  # the last before it is made
            other = Database(lab.db.url)
            with other.engine.begin() as connection:
                connection.exec_driver_sql(
                    "CREATE TABLE IF NOT EXISTS alembic_version (version_num VARCHAR)"
                )
            other.dispose()

    waited: list[str] = []

    class Told(Watcher):
        def waits(self, why: str) -> None:
            waited.append(why)

    assert len(lab.upgrade(watcher=Told())) == 1
    assert "already exists" in waited[0]
    assert lab.drift() == []


def _in_processes(lab: Lab) -> None:
    import subprocess
    import sys

    code = (
        "import sys\nfrom pathlib import Path\nfrom sqlmodel import SQLModel\n"
        "from colonnade import Database\n"
        "from colonnade.migrations import History, migrate_to\n"
        "from colonnade.project import Project\n"
        "history = History(Project(Path(sys.argv[1])))\n"
        "history.config.attributes['metadata'] = SQLModel.metadata\n"
        "migrate_to(history, Database(sys.argv[2]), guarded=False)\n"
    )
    command = [sys.executable, "-c", code, str(lab.root), f"sqlite:///{lab.db.url.file}"]
    running = [subprocess.Popen(command) for _ in range(2)]
    assert [process.wait(60) for process in running] == [0, 0]


def test_a_downgrade_that_would_lose_data_is_stopped(started: Lab) -> None:
    with pytest.raises(RefusedError, match=r"loses-data:task\n.*drop task.*5 rows"):
        started.downgrade(guarded=True)
    assert len(started.rows("SELECT * FROM task")) == 5
    started.downgrade(guarded=True, allow=frozenset({"loses-data:task"}))
    assert not sa.inspect(started.db.engine).has_table("task")


def test_the_password_is_in_no_message(on_postgresql: Lab) -> None:
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


def test_two_columns_that_are_required_where_one_was_interrupted(on_postgresql: Lab) -> None:
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
    lab.history.forget()
    lab.upgrade(guarded=False)
    defaults = "SELECT column_name, column_default FROM information_schema.columns WHERE table_name"
    rows = dict(lab.rows(f"{defaults} = 'task'"))
    assert (rows["one"], rows["two"]) == (None, "2")


def test_columns_that_were_added_before_an_interruption_are_left_out(lab: Lab) -> None:
    """Whatever failed then: here one's own statement, after a step that commits."""
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
    lab.history.forget()
    assert lab.upgrade(guarded=False) == [revision]
    lab.run("INSERT INTO task (title, size) VALUES ('a', 2)")


def test_a_revision_that_commits_on_its_own_is_followed_by_others(started: Lab) -> None:
    started.write(
        "with op.get_context().autocommit_block():\n"
        "    op.get_bind().execute(sa.text(\"UPDATE task SET title = 'second'\"))"
    )
    started.write('op.add_column("task", sa.Column("size", sa.Integer()))')
    started.upgrade(guarded=False)
    assert started.rows("SELECT title, size FROM task") == [("second", None)] * 5
