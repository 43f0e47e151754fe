"""``no_sequential_scans``: an assertion that no query reads a whole large table."""

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection

from colonnade.database import Database
from colonnade.testing._statements import Statement, record_statements, shorten, unrecorded

_EXPLAINABLE = re.compile(r"\s*(?:SELECT|WITH|UPDATE|DELETE)\b", re.IGNORECASE)
_SCAN = re.compile(r"SCAN (\S+)$")


@dataclass(frozen=True, slots=True)
class _Scan:
    statement: Statement
    table: str
    rows: int
    condition: str

    def __str__(self) -> str:
        condition = f", to find {self.condition}" if self.condition else ""
        lines = [
            f"reads all {self.rows:,} rows of {self.table}{condition}:",
            f"    {shorten(self.statement.sql)}",
        ]
        if self.statement.site is not None:
            lines.append(f"    from {self.statement.site}: {self.statement.site.text}")
        return "\n".join(lines)


@contextmanager
def no_sequential_scans(database: Database, *, over: int = 1000) -> Iterator[list[Statement]]:
    """Find queries that read a whole table because an index is missing.

    After the block the planner's statistics are updated and EXPLAIN is run for each statement. It
    sees committed rows only. A plan depends on the number of rows, so store about as many as in
    production; ``make`` helps with that.

    Args:
        database: The database.
        over: The number of rows up to which a table may be read whole.

    Yields:
        The statements so far.

    Raises:
        AssertionError: A larger table was read whole; the message names the statement, the line
            of code, the table and the condition.

    Examples:
        ```python
        from colonnade import Database, Field, SQLModel, select
        from colonnade.testing import no_sequential_scans


        class Task(SQLModel, table=True):
            id: int | None = Field(default=None, primary_key=True)
            status: str


        db = Database("sqlite:///tasks.db")
        db.create_all()
        with db.session() as session:
            session.add_all(Task(status="done") for _ in range(20))
            session.commit()
        try:
            with db.session() as session, no_sequential_scans(db, over=10):
                session.exec(select(Task).where(Task.status == "pending")).all()
        except AssertionError as error:
            print(str(error).splitlines()[0])  # reads all 20 rows of task:
        ```
    """
    with record_statements(database) as statements:
        yield statements
    with unrecorded():
        scans = _scans(database, statements)
    messages = [str(scan) for scan in scans if scan.rows > over]
    if messages:
        raise AssertionError(
            "\n\n".join(messages) + "\n\nAdd an index on the columns of the condition: "
            "Field(index=True), or Index(...) in __table_args__."
        )


def _scans(database: Database, statements: list[Statement]) -> list[_Scan]:
    distinct = {
        statement.sql: statement for statement in statements if _EXPLAINABLE.match(statement.sql)
    }
    explain = _explain_postgresql if database.url.backend == "postgresql" else _explain_sqlite
    options = {"isolation_level": "AUTOCOMMIT"}
    with database.engine.connect().execution_options(**options) as connection:
        if distinct:
            _analyze(connection)
        return [
            _Scan(statement, table, rows, condition)
            for statement in distinct.values()
            for table, rows, condition in explain(connection, statement)
        ]


def _analyze(connection: Connection) -> None:
    if connection.dialect.name == "sqlite":
        connection.exec_driver_sql("PRAGMA optimize=0x10002")  # statistics of every table
        return
    tables = connection.exec_driver_sql(
        "SELECT string_agg(format('%%I.%%I', schemaname, relname), ', ') FROM pg_stat_user_tables"
    ).scalar()
    connection.exec_driver_sql(f"ANALYZE {tables}")


def _explain_postgresql(
    connection: Connection, statement: Statement
) -> Iterator[tuple[str, int, str]]:
    import psycopg

    driver: Any = connection.connection.driver_connection
    # asyncpg's statements have numbered parameters, psycopg's have named ones.
    numbered = isinstance(statement.parameters, tuple | list)
    with (psycopg.RawCursor if numbered else psycopg.Cursor)(driver) as cursor:
        cursor.execute(f"EXPLAIN (FORMAT JSON) {statement.sql}", statement.parameters)
        (output,) = cursor.fetchone() or ([],)
    plan = json.loads(output) if isinstance(output, str) else output
    for node, parent in _nodes(plan[0]["Plan"], {}):
        stops_early = parent.get("Node Type") == "Limit" and "Filter" not in node
        if node["Node Type"] == "Seq Scan" and not stops_early:
            name = f"{node['Relation Name']}"
            rows = connection.exec_driver_sql(
                "SELECT greatest(reltuples, 0)::bigint FROM pg_class "
                f"WHERE relname = '{name}' AND relkind = 'r'"
            ).scalar()
            yield name, int(rows or 0), node.get("Filter", "")


def _nodes(node: dict[str, Any], parent: dict[str, Any]) -> Iterator[tuple[Any, Any]]:
    """A plan node and all nodes below it, each with its parent."""
    yield node, parent
    for child in node.get("Plans", ()):
        yield from _nodes(child, node)


def _stops_early(sql: str) -> bool:
    """Whether a LIMIT without a condition ends the scan early."""
    reduced = re.sub(r"\bWHERE 1 = 1\b(?! AND)", "", sql)
    return re.search(r"\bLIMIT\b", reduced) is not None and re.search(r"\bWHERE\b", reduced) is None


def _explain_sqlite(connection: Connection, statement: Statement) -> Iterator[tuple[str, int, str]]:
    driver: Any = connection.connection.driver_connection
    plan = driver.execute(f"EXPLAIN QUERY PLAN {statement.sql}", statement.parameters).fetchall()
    tables = {
        name for (name,) in driver.execute("SELECT name FROM sqlite_master WHERE type='table'")
    }
    for *_, detail in plan:
        scanned = _SCAN.match(detail)
        if scanned is None or _stops_early(statement.sql):
            continue  # the plan uses an index
        alias = re.search(rf'"?(\w+)"? AS "?{re.escape(scanned[1])}\b', statement.sql)
        name = scanned[1] if scanned[1] in tables else alias[1] if alias else ""
        if name in tables:
            (rows,) = driver.execute(f'SELECT count(*) FROM "{name}"').fetchone()
            yield name, rows, ""
