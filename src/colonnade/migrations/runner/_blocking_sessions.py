"""Who is in the way of a migration that waits, told while it waits."""

from threading import Event, Thread
from types import TracebackType
from typing import Any, Self

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError

from colonnade.database import Database
from colonnade.errors import ColonnadeError
from colonnade.migrations.runner._runner import Run

FIRST = 0.5
"""Seconds a run takes before anybody looks: most are done by then."""
EVERY = 0.3
"""Seconds between two looks: less than the shortest lock timeout that is of use."""

_BLOCKING = sa.text(
    "SELECT a.pid, a.usename, a.state, a.query_start, a.application_name, host(a.client_addr) "
    "FROM unnest(pg_blocking_pids(:pid)) AS b(pid) JOIN pg_stat_activity a USING (pid) "
    "ORDER BY a.query_start LIMIT 3"
)


class BlockedWatch:
    """Looks at who blocks a run on PostgreSQL, on its own connection, and tells its watcher.

    Args:
        run: The run.
        database: Its database.

    Attributes:
        seen: Who was in the way last.
    """

    def __init__(self, run: Run, database: Database) -> None:
        self.run = run
        self.database = database
        self.seen = ""
        self._ended = Event()
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
        self._ended.set()
        if self._thread is not None:
            self._thread.join(timeout=5)

    def _watch(self, pid: int) -> None:
        if self._ended.wait(FIRST):
            return
        database = Database(self.database.direct)
        try:
            engine = database.engine.execution_options(isolation_level="AUTOCOMMIT")
            with engine.connect() as connection:
                last_message = ""
                while not self._ended.wait(EVERY):
                    rows = connection.execute(_BLOCKING, {"pid": pid}).all()
                    if rows:
                        self.seen = "; ".join(map(_who, rows))
                        if self.seen != last_message:
                            self.run.watcher.waits(f"{self.run.doing}: {self.seen}")
                            last_message = self.seen
        except (DBAPIError, ColonnadeError):  # who is in the way is nice to know, no more
            return
        finally:
            database.dispose()


def _who(row: Any) -> str:
    """A session in words; not what it runs, which may have anybody's values in it."""
    name = f" ({row.application_name})" if row.application_name else ""
    where = f" from {row.host}" if row.host else ""
    since = f", query started {row.query_start:%H:%M:%S}" if row.query_start else ""
    return f"process {row.pid} of {row.usename}{name}{where}, {row.state}{since}"
