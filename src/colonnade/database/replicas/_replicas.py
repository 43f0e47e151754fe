"""Replicas: which of them can answer a read, and which are excluded for now."""

import logging
import math
import time
from collections.abc import Iterator, Sequence
from itertools import count

from sqlalchemy import Connection, text

from colonnade.database.connections._engines import Engines
from colonnade.database.connections._urls import DatabaseURL
from colonnade.database.statements._error_kinds import ErrorKind, error_kind_of

logger = logging.getLogger("colonnade.database")

REFRESH_INTERVAL = 1.0
"""Seconds for which a replica's reported position and lag stay valid."""

MIN_REFRESH_INTERVAL = 0.02
"""Minimum seconds between two refreshes of a replica that is behind the required position."""

FIRST_COOLDOWN = 0.5
"""Seconds for which a replica is excluded when it first fails. Doubles with each failure."""

LONGEST_COOLDOWN = 15.0
"""Maximum seconds for which a replica is excluded."""

CONNECT_TIMEOUT = 1.0
"""Seconds to wait for a connection to a replica, before the read goes elsewhere."""

PRIMARY_LSN = text("SELECT pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0')::bigint")
"""Selects the primary's position. After a commit, it is past that commit."""

_REPLICA_STATE = text("""
SELECT CASE WHEN pg_is_in_recovery()
            THEN pg_wal_lsn_diff(pg_last_wal_replay_lsn(), '0/0')
            ELSE pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0') END::bigint,
       CASE WHEN NOT pg_is_in_recovery() THEN 0
            -- A connected replica that has replayed everything it received is not behind, even
            -- if nothing was written for a while. A disconnected one cannot know what it misses.
            WHEN EXISTS (SELECT FROM pg_stat_wal_receiver)
                 AND pg_last_wal_receive_lsn() = pg_last_wal_replay_lsn() THEN 0
            ELSE extract(epoch FROM clock_timestamp() - pg_last_xact_replay_timestamp()) END::float
""")

EXCLUDING_KINDS = frozenset(
    (ErrorKind.LOST, ErrorKind.STALLED, ErrorKind.UNREACHABLE, ErrorKind.MOVED)
)
"""Errors that exclude a replica."""

FAILOVER_KINDS = EXCLUDING_KINDS | {ErrorKind.CONFLICT}
"""Errors that another server may not raise: a replica also cancels reads that block replay."""


class Replica:
    """A read replica, with its last known position and lag.

    Args:
        engines: The replica's engines.
        max_lag: Seconds that it may be behind the primary.
    """

    def __init__(self, engines: Engines, max_lag: float) -> None:
        self.engines = engines
        self._max_lag = max_lag
        self._lsn = 0
        self._lag = math.inf
        self._refreshed_at = -math.inf
        self._retry_at = 0.0
        self._cooldown = FIRST_COOLDOWN
        self._is_excluded = False

    def is_cooling_down(self, now: float) -> bool:
        """Whether the replica is excluded for now."""
        return now < self._retry_at

    def needs_refresh(self, lsn: int, now: float) -> bool:
        """Whether the known state is too old to tell if the replica has reached this position."""
        since = now - self._refreshed_at
        return since > REFRESH_INTERVAL or (self._lsn < lsn and since > MIN_REFRESH_INTERVAL)

    def refresh(self, connection: Connection) -> None:
        """Read the replica's position and lag."""
        lsn, lag = connection.execute(_REPLICA_STATE).one()
        self._lsn = int(lsn or 0)
        self._lag = math.inf if lag is None else float(lag)
        self._refreshed_at = time.monotonic()
        if self._lag > self._max_lag:
            self._exclude(f"it is {self._lag:.0f} s behind")
        elif self._is_excluded:
            self._is_excluded, self._cooldown = False, FIRST_COOLDOWN
            logger.warning("Reading from the replica %s again.", self.engines.url)

    def can_serve(self, lsn: int) -> bool:
        """Whether the replica has reached this position and is not too far behind."""
        return self._lsn >= lsn and self._lag <= self._max_lag

    def fails_over(self, error: Exception) -> bool:
        """Return whether the read should go to another server; exclude this one if it failed."""
        error_kind = error_kind_of(error)
        if error_kind in EXCLUDING_KINDS:
            self._exclude(str(getattr(error, "orig", None) or error).partition("\n")[0])
        return error_kind in FAILOVER_KINDS

    def _exclude(self, reason: str) -> None:
        if not self._is_excluded:
            logger.warning("Not reading from the replica %s: %s", self.engines.url, reason)
        self._is_excluded = True
        self._refreshed_at = -math.inf
        self._retry_at = time.monotonic() + self._cooldown
        self._cooldown = min(2 * self._cooldown, LONGEST_COOLDOWN)


class Replicas:
    """The replicas of a database, used in turn.

    Args:
        engines: The engines of each replica.
        max_lag: Seconds that a replica may be behind the primary.
    """

    def __init__(self, engines: Sequence[Engines], max_lag: float) -> None:
        self._replicas = [Replica(engine, max_lag) for engine in engines]
        self._counter = count()

    def __bool__(self) -> bool:
        return bool(self._replicas)

    def round_robin(self) -> Iterator[Replica]:
        """Yield the replicas that are not excluded, starting with the next in turn."""
        now, replicas = time.monotonic(), self._replicas
        first = next(self._counter)
        for index in range(len(replicas)):
            replica = replicas[(first + index) % len(replicas)]
            if not replica.is_cooling_down(now):
                yield replica

    def engines(self) -> list[Engines]:
        """The engines of each replica."""
        return [replica.engines for replica in self._replicas]

    @property
    def urls(self) -> list[DatabaseURL]:
        """The URL of each replica."""
        return [replica.engines.url for replica in self._replicas]


NO_REPLICAS = Replicas((), math.inf)
"""The replicas of a database that has none."""
