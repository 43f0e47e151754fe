"""CLN510 to CLN512: rules about a running database."""

from abc import abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy import Connection

from colonnade.lint._findings import Finding
from colonnade.lint._rule import BaseRule

MIN_ROWS = 1000  # PostgreSQL may scan smaller tables although they have an index


@dataclass(frozen=True)
class LiveDatabase:
    """A running database.

    Attributes:
        connection: A connection to the database.
        drift: Descriptions of the differences from the models, which the caller finds with Alembic.
    """

    connection: Connection
    drift: Sequence[str] = ()


class LiveRule(BaseRule):
    """A rule about a running database."""

    @abstractmethod
    def check(self, database: LiveDatabase) -> Iterator[Finding]:
        """Yield the findings in a database."""

    def finding(self, table: str, message: str, advice: str | None = None) -> Finding:
        """Make a finding at a table of the database."""
        return Finding(table, 1, 1, self.code, message, 1, 1, advice=advice)


class Drift(LiveRule):
    """The database differs from the models.

    A missing column makes every query of its table fail. A column that the models do not have is
    never written, and makes inserts fail if it is NOT NULL. `colonnade migrate` and `colonnade
    upgrade` bring both together; `colonnade drift` shows which side the migration history agrees
    with.
    """

    code = "CLN510"
    name = "drift"

    def check(self, database: LiveDatabase) -> Iterator[Finding]:
        name = str(database.connection.engine.url.database or "database")
        for difference in database.drift:
            yield self.finding(name, difference, "Run `colonnade migrate` and `colonnade upgrade`")


class UnusedIndex(LiveRule):
    """An index has not been used since the statistics were reset.

    Every write updates the index. PostgreSQL counts the uses of each index
    (`pg_stat_user_indexes`); before you drop one, check how long it has counted, and check every
    replica. Unique indexes are not reported, since they enforce uniqueness even if no query uses
    them.
    """

    code = "CLN511"
    name = "unused-index"
    source = "https://www.postgresql.org/docs/current/monitoring-stats.html#MONITORING-PG-STAT-ALL-INDEXES-VIEW"

    def check(self, database: LiveDatabase) -> Iterator[Finding]:
        connection = database.connection
        if connection.dialect.name != "postgresql":
            return
        rows = connection.execute(_UNUSED, {"rows": MIN_ROWS})
        for table, index, size, since in rows:
            period = f" since {since:%Y-%m-%d}" if since is not None else ""
            message = f"the index `{index}` ({size}) has never been used{period}"
            yield self.finding(table, message, "Drop it if no replica uses it either")


class MissingIndex(LiveRule):
    """A foreign key in the database has no index, or a large table is scanned sequentially.

    On PostgreSQL, the rule reports tables with a thousand rows or more that have more sequential
    scans than index scans (`pg_stat_user_tables`). On both databases it reports foreign keys
    without an index.
    """

    code = "CLN512"
    name = "missing-index"
    source = "https://www.postgresql.org/docs/current/monitoring-stats.html#MONITORING-PG-STAT-ALL-TABLES-VIEW"

    def check(self, database: LiveDatabase) -> Iterator[Finding]:
        connection = database.connection
        inspector = sa.inspect(connection)
        for table in sorted(inspector.get_table_names()):
            indexed_columns: list[Sequence[str | None]] = []
            indexed_columns += [index["column_names"] for index in inspector.get_indexes(table)]
            indexed_columns += [
                constraint["column_names"] for constraint in inspector.get_unique_constraints(table)
            ]
            indexed_columns.append(inspector.get_pk_constraint(table)["constrained_columns"])
            for key in inspector.get_foreign_keys(table):
                columns = key["constrained_columns"]
                if not any(
                    set(indexed[: len(columns)]) == set(columns) for indexed in indexed_columns
                ):
                    column_list = ", ".join(f"`{name}`" for name in columns)
                    message = f"the foreign key {column_list} has no index"
                    yield self.finding(table, message, "Create an index on it")
        if connection.dialect.name == "postgresql":
            for table, scans, by_index, rows in connection.execute(_SCANNED, {"rows": MIN_ROWS}):
                message = (
                    f"`{table}` ({rows:,} rows) had {scans:,} sequential scans and "
                    f"{by_index:,} index scans"
                )
                yield self.finding(table, message, "Check its queries with EXPLAIN")


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
_SCANNED = sa.text("""
    SELECT relname, seq_scan, coalesce(idx_scan, 0), n_live_tup FROM pg_stat_user_tables
    WHERE n_live_tup >= :rows AND seq_scan > 100 AND seq_scan > coalesce(idx_scan, 0)
      AND schemaname = current_schema()
    ORDER BY 1
""")


def live_rules() -> tuple[LiveRule, ...]:
    """Every rule about a running database, sorted by code."""
    return Drift(), UnusedIndex(), MissingIndex()


def review_database(connection: Connection, drift: Iterable[str] = ()) -> list[Finding]:
    """Review a running database.

    Args:
        connection: A connection to the database.
        drift: Descriptions of the differences from the models.
    """
    database = LiveDatabase(connection, tuple(drift))
    return [finding for rule in live_rules() for finding in rule.check(database)]
