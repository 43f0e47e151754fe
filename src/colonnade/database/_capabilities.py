"""What the servers that speak PostgreSQL's protocol can do, in one place.

From their documentation; see ``docs/distributed.md`` for what of it was run.
"""

from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary

from sqlalchemy import Connection, text


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a server can do.

    Attributes:
        name: What it is.
        advisory_locks: Whether ``pg_try_advisory_xact_lock`` locks.
        transactional_ddl: Whether a migration is undone as a whole when it fails.
        listen: Whether LISTEN and NOTIFY work.
        savepoints: Whether a part of a transaction can be undone.
        log_positions: Whether replicas say how far they are, as ``Database(replicas=...)`` asks.
        sequential_keys: Whether keys that count up are as fast as others: where rows are spread
            by ranges of their key, they all go to one server.
        advice: What else to know.
    """

    name: str
    advisory_locks: bool = True
    transactional_ddl: bool = True
    listen: bool = True
    savepoints: bool = True
    log_positions: bool = True
    sequential_keys: bool = True
    advice: str = ""


SQLITE = Capabilities("SQLite", advisory_locks=False, listen=False, log_positions=False)
POSTGRESQL = Capabilities("PostgreSQL")
COCKROACHDB = Capabilities(
    "CockroachDB",
    # https://www.cockroachlabs.com/docs/stable/postgresql-compatibility
    advisory_locks=False,
    transactional_ddl=False,
    listen=False,
    log_positions=False,
    sequential_keys=False,
    advice="Transactions are SERIALIZABLE: use db.transaction(), which runs them again on 40001.",
)
YUGABYTEDB = Capabilities(
    "YugabyteDB",
    # https://docs.yugabyte.com/stable/api/ysql/
    transactional_ddl=False,
    listen=False,
    log_positions=False,
    advice="Read Committed (yb_enable_read_committed_isolation) spares most retries.",
)
CITUS = Capabilities(
    "Citus",
    # https://docs.citusdata.com/en/stable/develop/reference_ddl.html
    advice="Primary keys and UNIQUE constraints must include the distribution column.",
)

_known: WeakKeyDictionary[Any, Capabilities] = WeakKeyDictionary()


def capabilities_of(connection: Connection) -> Capabilities:
    """What the server of a connection can do; asked once for each engine."""
    dialect = connection.dialect
    capabilities = _known.get(dialect)
    if capabilities is None:
        capabilities = _known[dialect] = _asked(connection)
    return capabilities


def _asked(connection: Connection) -> Capabilities:
    if connection.dialect.name == "sqlite":
        return SQLITE
    version = str(connection.execute(text("SELECT version()")).scalar())
    recognised = recognise(version)
    if recognised is not POSTGRESQL:
        return recognised
    citus = text("SELECT count(*) FROM pg_extension WHERE extname = 'citus'")
    return CITUS if connection.execute(citus).scalar() else POSTGRESQL


def recognise(version: str) -> Capabilities:
    """What a server can do, by what it answers to ``SELECT version()``."""
    if "CockroachDB" in version:
        return COCKROACHDB
    if "-YB-" in version or "YugabyteDB" in version:
        return YUGABYTEDB
    return POSTGRESQL
