"""Report the sessions that block a migration while it waits for a lock."""

from threading import Event, Thread
from types import TracebackType
from typing import Any, Self

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError

from colonnade.database import Database
from colonnade.errors import ColonnadeError
from colonnade.migrations.runner._runner import MigrationRun

INITIAL_DELAY = 0.5
"""Seconds before the first check; most runs are done by then."""

POLL_INTERVAL = 0.3
"""Seconds between checks: shorter than any useful lock timeout."""

_BLOCKING = sa.text(
    "SELECT a.pid, a.usename, a.state, a.query_start, a.application_name, host(a.client_addr) "
    "FROM unnest(pg_blocking_pids(:pid)) AS b(pid) JOIN pg_stat_activity a USING (pid) "
    "ORDER BY a.query_start LIMIT 3"
)


class BlockingSessionMonitor:
    """Checks on a separate connection who blocks a run on PostgreSQL, and tells its watcher.

    Args:
        run: The run.
        database: The run's database.

    Attributes:
        last_seen: A description of the sessions that blocked the run last.
    """

    def __init__(self, run: MigrationRun, database: Database) -> None:
        self.run = run
        self.database = database
        self.last_seen = ""
        self._finished = Event()
        self._thread: Thread | None = None

    def __enter__(self) -> Self:
        if self.run.connection.dialect.name == "postgresql":
            pid = self.run.connection.exec_driver_sql("SELECT pg_backend_pid()").scalar_one()
            self.run.connection.rollback()
            self._thread = Thread(target=self._watch, args=(pid,), daemon=True,
                                  name="colonnade-blocked")  # fmt: skip
            self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._finished.set()
        if self._thread is not None:
            self._thread.join(timeout=5)

    def _watch(self, pid: int) -> None:
        if self._finished.wait(INITIAL_DELAY):
            return
        monitoring = Database(self.database.direct)
        try:
            engine = monitoring.engine.execution_options(isolation_level="AUTOCOMMIT")
            with engine.connect() as connection:
                reported = ""
                while not self._finished.wait(POLL_INTERVAL):
                    rows = connection.execute(_BLOCKING, {"pid": pid}).all()
                    if rows:
                        self.last_seen = "; ".join(map(_describe_session, rows))
                        if self.last_seen != reported:
                            self.run.watcher.waits(f"{self.run.doing}: {self.last_seen}")
                            reported = self.last_seen
        except (DBAPIError, ColonnadeError):  # the run does not depend on this information
            return
        finally:
            monitoring.dispose()


def _describe_session(row: Any) -> str:
    """Describe a session, without its query, which may contain private values."""
    name = f" ({row.application_name})" if row.application_name else ""
    where = f" from {row.host}" if row.host else ""
    since = f", query started {row.query_start:%H:%M:%S}" if row.query_start else ""
    return f"process {row.pid} of {row.usename}{name}{where}, {row.state}{since}"
