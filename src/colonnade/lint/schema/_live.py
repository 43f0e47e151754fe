"""CLN510 to CLN512: rules about a database that is running."""

from abc import abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy import Connection

from colonnade.lint._findings import Finding
from colonnade.lint._rule import BaseRule

BIG = 1000  # rows from which PostgreSQL prefers an index to reading the table


@dataclass(frozen=True)
class Running:
    """A database that is running.

    Attributes:
        connection: To the database.
        drift: How its tables differ from the models', in words, as who compares them says: that
            takes Alembic, which is another room's.
    """

    connection: Connection
    drift: Sequence[str] = ()


class LiveRule(BaseRule):
    """One thing that goes wrong in a database."""

    @abstractmethod
    def check(self, database: Running) -> Iterator[Finding]:
        """Find it."""

    def finding(self, table: str, message: str, advice: str | None = None) -> Finding:
        """A finding at a table of the database."""
        return Finding(table, 1, 1, self.code, message, 1, 1, advice=advice)


class Drifted(LiveRule):
    """The database is not what the models say.

    A column that is missing is an error in every query of its table; one that is not in the models
    is written by nobody, and fails inserts if it is NOT NULL. `colonnade migrate` and `upgrade`
    bring them together; `colonnade drift` says which side the history is on.
    """

    code = "CLN510"
    name = "drift"

    def check(self, database: Running) -> Iterator[Finding]:
        name = str(database.connection.engine.url.database or "database")
        for difference in database.drift:
            yield self.finding(name, difference)


class UnusedIndex(LiveRule):
    """An index has not been used since the statistics began.

    Each write keeps it. PostgreSQL counts the uses of each index (`pg_stat_user_indexes`); look how
    long it has counted, and at every replica, before dropping one. Unique indexes are not found:
    they keep rows apart, used or not.
    """

    code = "CLN511"
    name = "unused-index"
    source = "https://www.postgresql.org/docs/current/monitoring-stats.html#MONITORING-PG-STAT-ALL-INDEXES-VIEW"

    def check(self, database: Running) -> Iterator[Finding]:
        connection = database.connection
        if connection.dialect.name != "postgresql":
            return
        rows = connection.execute(_UNUSED, {"rows": BIG})
        for table, index, size, since in rows:
            began = f" since {since:%Y-%m-%d}" if since is not None else ""
            message = f"the index `{index}` ({size}) was never used{began}"
            yield self.finding(table, message, "Drop it, if no replica uses it either")


class MissingIndex(LiveRule):
    """A foreign key in the database has no index, or a large table is read from end to end.

    On PostgreSQL, tables of a thousand rows and more that are read whole more often than by an
    index (`pg_stat_user_tables`); on both databases, foreign keys without an index.
    """

    code = "CLN512"
    name = "missing-index"
    source = "https://www.postgresql.org/docs/current/monitoring-stats.html#MONITORING-PG-STAT-ALL-TABLES-VIEW"

    def check(self, database: Running) -> Iterator[Finding]:
        connection = database.connection
        inspector = sa.inspect(connection)
        for table in sorted(inspector.get_table_names()):
            searchable: list[Sequence[str | None]] = []
            searchable += [index["column_names"] for index in inspector.get_indexes(table)]
            searchable += [
                constraint["column_names"] for constraint in inspector.get_unique_constraints(table)
            ]
            searchable.append(inspector.get_pk_constraint(table)["constrained_columns"])
            for key in inspector.get_foreign_keys(table):
                columns = key["constrained_columns"]
                if not any(set(indexed[: len(columns)]) == set(columns) for indexed in searchable):
                    column_list = ", ".join(f"`{name}`" for name in columns)
                    yield self.finding(table, f"the foreign key {column_list} has no index")
        if connection.dialect.name == "postgresql":
            for table, whole, by_index, rows in connection.execute(_READ_WHOLE, {"rows": BIG}):
                message = (
                    f"`{table}` ({rows:,} rows) was read from end to end {whole:,} times, "
                    f"and by an index {by_index:,} times"
                )
                yield self.finding(table, message, "Look at its queries with EXPLAIN")


_UNUSED = sa.text("""
    SELECT s.relname, s.indexrelname, pg_size_pretty(pg_relation_size(s.indexrelid)), d.stats_reset
    FROM pg_stat_user_indexes s
    JOIN pg_index i USING (indexrelid)
    JOIN pg_stat_user_tables t ON t.relid = s.relid
    JOIN pg_stat_database d ON d.datname = current_database()
    WHERE s.idx_scan = 0 AND NOT i.indisunique AND t.n_live_tup >= :rows
      AND s.schemaname = current_schema()
    ORDER BY 1, 2
""")
_READ_WHOLE = sa.text("""
    SELECT relname, seq_scan, coalesce(idx_scan, 0), n_live_tup FROM pg_stat_user_tables
    WHERE n_live_tup >= :rows AND seq_scan > 100 AND seq_scan > coalesce(idx_scan, 0)
      AND schemaname = current_schema()
    ORDER BY 1
""")


def live_rules() -> tuple[LiveRule, ...]:
    """The rules about a running database, by their codes."""
    return Drifted(), UnusedIndex(), MissingIndex()


def review_database(connection: Connection, drift: Iterable[str] = ()) -> list[Finding]:
    """What the rules find in a database.

    Args:
        connection: To the database.
        drift: How its tables differ from the models', in words, as who compares them says.
    """
    database = Running(connection, tuple(drift))
    return [finding for rule in live_rules() for finding in rule.check(database)]
