"""Replicas: which of them may answer a read, and which is left out for now."""

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

LOOK_EVERY = 1.0
"""Seconds that what a replica said of itself is believed."""

LOOK_AGAIN = 0.02
"""Seconds between two looks at one that is not far enough for somebody."""

FIRST_REST = 0.5
"""Seconds that a replica is left out when it fails; each further time twice as long."""

LONGEST_REST = 15.0
"""Seconds until one that failed is tried again, at most."""

PATIENCE = 1.0
"""Seconds in which a replica has to give a connection: there is another to ask."""

PRIMARY_POSITION = text("SELECT pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0')::bigint")
"""Asked after a commit, it is past it."""

_STATE = text("""
SELECT CASE WHEN pg_is_in_recovery()
            THEN pg_wal_lsn_diff(pg_last_wal_replay_lsn(), '0/0')
            ELSE pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0') END::bigint,
       CASE WHEN NOT pg_is_in_recovery() THEN 0
            -- One that is connected and has replayed all that it was sent is not behind, however
            -- long nothing was written; one that is cut off does not know what it was not sent.
            WHEN EXISTS (SELECT FROM pg_stat_wal_receiver)
                 AND pg_last_wal_receive_lsn() = pg_last_wal_replay_lsn() THEN 0
            ELSE extract(epoch FROM clock_timestamp() - pg_last_xact_replay_timestamp()) END::float
""")

FAILED = frozenset((ErrorKind.LOST, ErrorKind.STALLED, ErrorKind.UNREACHABLE, ErrorKind.MOVED))
"""What a replica is left out for."""

ELSEWHERE = FAILED | {ErrorKind.CONFLICT}
"""What another server may not meet: a replica cancels reads that stand in the way of replay."""


class Replica:
    """A server that follows the primary.

    Args:
        engines: What it is reached by.
        max_lag: Seconds that it may be behind.
    """

    def __init__(self, engines: Engines, max_lag: float) -> None:
        self.engines = engines
        self._max_lag = max_lag
        self._position = 0
        self._lag = math.inf
        self._looked = -math.inf
        self._rests_until = 0.0
        self._rest = FIRST_REST
        self._is_out = False

    def rests(self, now: float) -> bool:
        """Whether it is left out for now."""
        return now < self._rests_until

    def has_to_be_asked(self, position: int, now: float) -> bool:
        """Whether what is known of it does not say if it has come this far."""
        since = now - self._looked
        return since > LOOK_EVERY or (self._position < position and since > LOOK_AGAIN)

    def look(self, connection: Connection) -> None:
        """Ask it how far it is."""
        position, lag = connection.execute(_STATE).one()
        self._position = int(position or 0)
        self._lag = math.inf if lag is None else float(lag)
        self._looked = time.monotonic()
        if self._lag > self._max_lag:
            self._leave_out(f"it is {self._lag:.0f} s behind")
        elif self._is_out:
            self._is_out, self._rest = False, FIRST_REST
            logger.warning("Reads go to %s again.", self.engines.url)

    def is_fit(self, position: int) -> bool:
        """Whether it is as far as was asked, by what is known of it."""
        return self._position >= position and self._lag <= self._max_lag

    def failed(self, error: Exception) -> bool:
        """Leave it out if this error is a reason to; whether another server is to be asked."""
        error_kind = error_kind_of(error)
        if error_kind in FAILED:
            self._leave_out(str(getattr(error, "orig", None) or error).partition("\n")[0])
        return error_kind in ELSEWHERE

    def _leave_out(self, why: str) -> None:
        if not self._is_out:
            logger.warning("Reads no longer go to %s: %s", self.engines.url, why)
        self._is_out = True
        self._looked = -math.inf
        self._rests_until = time.monotonic() + self._rest
        self._rest = min(2 * self._rest, LONGEST_REST)


class Replicas:
    """The replicas of a database, asked in turn.

    Args:
        engines: What each is reached by.
        max_lag: Seconds that one may be behind.
    """

    def __init__(self, engines: Sequence[Engines], max_lag: float) -> None:
        self._replicas = [Replica(engine, max_lag) for engine in engines]
        self._turns = count()

    def __bool__(self) -> bool:
        return bool(self._replicas)

    def in_turn(self) -> Iterator[Replica]:
        """Those that are not left out, from the next on."""
        now, all_of_them = time.monotonic(), self._replicas
        first = next(self._turns)
        for index in range(len(all_of_them)):
            replica = all_of_them[(first + index) % len(all_of_them)]
            if not replica.rests(now):
                yield replica

    def engines(self) -> list[Engines]:
        """What they are reached by."""
        return [replica.engines for replica in self._replicas]

    @property
    def urls(self) -> list[DatabaseURL]:
        """Where they are."""
        return [replica.engines.url for replica in self._replicas]


NO_REPLICAS = Replicas((), math.inf)
"""Those of a database that has none."""
