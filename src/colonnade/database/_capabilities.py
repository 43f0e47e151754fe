"""The capabilities of SQLite, PostgreSQL and the servers that speak PostgreSQL's protocol.

They are taken from the servers' documentation; ``docs/distributed.md`` says what was tested.
"""

from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary

from sqlalchemy import Connection, text


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a server can do.

    Attributes:
        name: The product name.
        advisory_locks: Whether ``pg_try_advisory_xact_lock`` takes a lock.
        transactional_ddl: Whether a failed migration is rolled back as a whole.
        listen: Whether LISTEN and NOTIFY work.
        savepoints: Whether a part of a transaction can be rolled back.
        log_positions: Whether replicas report their position in the write-ahead log, which
            ``Database(replicas=...)`` needs.
        sequential_keys: Whether sequential keys are as fast as random ones. A server that
            partitions rows by key ranges writes them all to one node.
        advice: A further recommendation to users.
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
    advice="Transactions are SERIALIZABLE: use db.transaction(), which retries them after "
    "serialization failures (40001).",
)
YUGABYTEDB = Capabilities(
    "YugabyteDB",
    # https://docs.yugabyte.com/stable/api/ysql/
    transactional_ddl=False,
    listen=False,
    log_positions=False,
    advice="Read Committed (yb_enable_read_committed_isolation) avoids most retries.",
)
CITUS = Capabilities(
    "Citus",
    # https://docs.citusdata.com/en/stable/develop/reference_ddl.html
    advice="Primary keys and UNIQUE constraints must include the distribution column.",
)

_by_dialect: WeakKeyDictionary[Any, Capabilities] = WeakKeyDictionary()


def capabilities_of(connection: Connection) -> Capabilities:
    """Return the capabilities of a connection's server, which are detected once per engine."""
    dialect = connection.dialect
    capabilities = _by_dialect.get(dialect)
    if capabilities is None:
        capabilities = _by_dialect[dialect] = _detect(connection)
    return capabilities


def _detect(connection: Connection) -> Capabilities:
    if connection.dialect.name == "sqlite":
        return SQLITE
    version = str(connection.execute(text("SELECT version()")).scalar())
    capabilities = recognise(version)
    if capabilities is not POSTGRESQL:
        return capabilities
    citus = text("SELECT count(*) FROM pg_extension WHERE extname = 'citus'")
    return CITUS if connection.execute(citus).scalar() else POSTGRESQL


def recognise(version: str) -> Capabilities:
    """Return the capabilities of a server from its answer to ``SELECT version()``."""
    if "CockroachDB" in version:
        return COCKROACHDB
    if "-YB-" in version or "YugabyteDB" in version:
        return YUGABYTEDB
    return POSTGRESQL
