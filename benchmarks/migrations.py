"""How long writers wait while a table in use is migrated, and how long a history takes.

    python -m benchmarks.migrations [--rows 1000000] [--revisions 200]

It runs on the PostgreSQL server of ``colonnade[test]``. Several writers insert and update rows as
fast as they can. Meanwhile each change is made twice: with the steps of ``colonnade migrate``, and
as Alembic's autogenerate writes it. The result is the longest time of any write.
"""

import argparse
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import sqlalchemy as sa
from sqlmodel import SQLModel

from colonnade import Database
from colonnade.database import with_database
from colonnade.errors import MigrationError
from colonnade.migrations import Choices, History, Patience, find_drift, migrate_to, write_revision
from colonnade.project import Project
from colonnade.testing import postgresql_server

LOCK_TIMEOUT = 0.2
WRITERS = 3

TABLE = """
CREATE TABLE task (
    id serial PRIMARY KEY,
    title varchar NOT NULL,
    status varchar NOT NULL CONSTRAINT ck_task_status_values CHECK (status IN ('open', 'done')),
    progress integer NOT NULL CONSTRAINT ck_task_progress_le CHECK (progress <= 100)
)
"""

STEPS = {
    "another value in a Literal": """steps.replace_check(
        "ck_task_status_values", "task", "status IN ('open', 'done', 'waiting')")""",
    "another bound": 'steps.replace_check("ck_task_progress_le", "task", "progress <= 1000")',
    "a renamed column": 'steps.rename_column("task", "title", "name")',
    "a new required column": """op.add_column("task", sa.Column("owner", sa.String()))
    steps.require("task", "owner", "nobody")""",
    "an index": 'steps.add_index("ix_task_status", "task", ["status"])',
}
ALEMBIC = {
    "another value in a Literal": """op.drop_constraint("ck_task_status_values", "task")
    op.create_check_constraint("ck_task_status_values", "task",
        "status IN ('open', 'done', 'waiting')")""",
    "another bound": """op.drop_constraint("ck_task_progress_le", "task")
    op.create_check_constraint("ck_task_progress_le", "task", "progress <= 1000")""",
    "a renamed column": 'op.alter_column("task", "title", new_column_name="name")',
    "a new required column": """op.add_column("task", sa.Column("owner", sa.String()))
    op.execute("UPDATE task SET owner = 'nobody'")
    op.alter_column("task", "owner", nullable=False)""",
    "an index": 'op.create_index("ix_task_status", "task", ["status"])',
}

INSERTS = (
    "INSERT INTO task (title, status, progress) VALUES ('x', 'open', 1)",
    "INSERT INTO task (name, status, progress) VALUES ('x', 'open', 1)",
    "INSERT INTO task (title, status, progress, owner) VALUES ('x', 'open', 1, 'me')",
)
"""The INSERT statements of the application before and after a change."""

REVISION = """
import sqlalchemy as sa
from alembic import op
from colonnade.migrations import steps

revision = "{revision}"
down_revision = {after}


def upgrade() -> None:
    {body}


def downgrade() -> None:
    op.execute("SELECT 1")
"""


class Writers:
    """Connections that write continuously, and the longest time of their writes."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._stop = threading.Event()
        self._longest = [0.0] * WRITERS
        self.count = 0
        self.failed: list[str] = []
        self._threads = [threading.Thread(target=self._write, args=(n,)) for n in range(WRITERS)]

    def __enter__(self) -> "Writers":
        for thread in self._threads:
            thread.start()
        time.sleep(0.5)
        self._longest[:] = [0.0] * WRITERS
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    @property
    def longest(self) -> float:
        """The longest time of a write in seconds."""
        return max(self._longest)

    def _write(self, number: int) -> None:
        row, statement = number, 0
        with self._database.engine.connect() as connection:
            while not self._stop.is_set():
                row += WRITERS
                began = time.perf_counter()
                try:
                    connection.execute(sa.text(INSERTS[statement]))
                    connection.execute(
                        sa.text("UPDATE task SET progress = 2 WHERE id = :id"), {"id": row}
                    )
                    connection.commit()
                except (
                    sa.exc.ProgrammingError,
                    sa.exc.IntegrityError,
                ):  # continue with the code after the change
                    connection.rollback()
                    statement = (statement + 1) % len(INSERTS)
                except sa.exc.DBAPIError as error:
                    connection.rollback()
                    self.failed.append(str(error.orig).splitlines()[0])
                took = time.perf_counter() - began
                self._longest[number] = max(self._longest[number], took)
                self.count += 1


@contextmanager
def database_on(server: str, name: str) -> Iterator[Database]:
    with (
        Database(server)
        .engine.execution_options(isolation_level="AUTOCOMMIT")
        .connect() as server_connection
    ):
        server_connection.execute(sa.text(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)"))
        server_connection.execute(sa.text(f"CREATE DATABASE {name}"))
    database = Database(with_database(server, name))
    try:
        yield database
    finally:
        database.dispose()


def under_load(server: str, rows: int) -> list[tuple[str, ...]]:
    """Make each change with and without Colonnade's steps; its time, and the longest write."""
    lines = []
    for change in STEPS:
        line = [change]
        for name, bodies in (("colonnade", STEPS), ("alembic", ALEMBIC)):
            with (
                database_on(server, f"load_{name}") as database,
                tempfile.TemporaryDirectory() as root,
            ):
                with database.engine.begin() as connection:
                    connection.execute(sa.text(TABLE))
                    connection.execute(
                        sa.text(
                            "INSERT INTO task (title, status, progress) "
                            "SELECT 'task ' || n, 'open', n % 100 FROM generate_series(1, :n) n"
                        ),
                        {"n": rows},
                    )
                write(Path(root), "one", None, bodies[change])
                history = history_in(Path(root))
                with Writers(database) as writers:
                    began = time.perf_counter()
                    migrate_to(history, database, guarded=False,
                         patience=Patience(LOCK_TIMEOUT, 100))  # fmt: skip
                    took = time.perf_counter() - began
                    time.sleep(0.2)
                failed = f" ({len(writers.failed)} failed)" if writers.failed else ""
                line += [f"{took:.1f} s", f"{writers.longest * 1000:,.0f} ms{failed}"]
        print(*line, sep=" | ", flush=True)
        lines.append(tuple(line))
    return lines


def rates(server: str, rows: int) -> dict[str, float]:
    """The bytes per second at which PostgreSQL checks, indexes and rewrites a table."""
    with database_on(server, "rates") as database, database.engine.begin() as connection:
        connection.execute(sa.text(TABLE))
        connection.execute(
            sa.text("INSERT INTO task (title, status, progress) "
                    "SELECT repeat('x', 60), 'open', n % 100 FROM generate_series(1, :n) n"),
            {"n": rows},
        )  # fmt: skip
        size = connection.scalar(sa.text("SELECT pg_total_relation_size('task')")) or 0
        statements = {
            "READ": "ALTER TABLE task ADD CONSTRAINT ck CHECK (length(title) < 100)",
            "BUILT": "CREATE INDEX ix ON task (title)",
            "WRITTEN": "ALTER TABLE task ALTER progress TYPE bigint",
        }
        measured = {}
        for name, sql in statements.items():
            began = time.perf_counter()
            connection.execute(sa.text(sql))
            measured[name] = size / (time.perf_counter() - began)
    return measured


def write(root: Path, revision: str, after: str | None, body: str) -> None:
    folder = root / "migrations" / "versions"
    folder.mkdir(parents=True, exist_ok=True)
    text = REVISION.format(revision=revision, after=repr(after), body=body)
    (folder / f"{revision}.py").write_text(text)


def history_in(root: Path) -> History:
    history = History(Project(root))
    history.config.attributes["metadata"] = SQLModel.metadata
    return history


def timed(work: Callable[[], object]) -> str:
    began = time.perf_counter()
    work()
    return f"{time.perf_counter() - began:.1f} s"


def long_history(database: Database, revisions: int) -> tuple[str, ...]:
    """The times to run a history, and to replay and compare it."""
    with tempfile.TemporaryDirectory() as root:
        after = None
        for number in range(revisions):
            body = (
                f'op.create_table("t{number}", sa.Column("id", sa.Integer, primary_key=True))'
                if number % 10 == 0
                else f'op.add_column("t{number // 10 * 10}", sa.Column("c{number}", sa.Integer))'
            )
            write(Path(root), f"r{number:04}", after, body)
            after = f"r{number:04}"
        history = history_in(Path(root))
        up = timed(lambda: migrate_to(history, database))
        none = timed(lambda: migrate_to(history, database))
        drift = timed(lambda: find_drift(history, database, SQLModel.metadata, url=database.url))
        writing = timed(
            lambda: write_revision(history, database.url, SQLModel.metadata, "x", Choices(
                aside=frozenset(f"t{n}" for n in range(0, revisions, 10))
            ))
        )  # fmt: skip
    return up, none, drift, writing


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--revisions", type=int, default=200)
    arguments = parser.parse_args()
    with postgresql_server() as server:
        print(
            "rates, MB/s:", {k: f"{v / 1e6:.0f}" for k, v in rates(server, arguments.rows).items()}
        )
        print("change | Colonnade: time | longest write | Alembic: time | longest write")
        under_load(server, arguments.rows)
        print("history | upgrade | upgrade again | drift | migrate")
        with database_on(server, "long") as database:
            print("PostgreSQL", *long_history(database, arguments.revisions), sep=" | ")
    with tempfile.TemporaryDirectory() as root:
        database = Database(f"sqlite:///{root}/long.db")
        print("SQLite", *long_history(database, arguments.revisions), sep=" | ")
        database.dispose()


if __name__ == "__main__":
    try:
        main()
    except MigrationError as error:
        raise SystemExit(str(error)) from error
