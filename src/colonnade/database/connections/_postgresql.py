"""PostgreSQL's parameters, for psycopg (libpq's own) and for asyncpg (which knows few)."""

import difflib
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, TypeVar

from sqlalchemy import URL

from colonnade.database.connections import _liveness, _tls
from colonnade.database.connections import _pooler_args as _prepared
from colonnade.database.connections._driver_config import Parameter, Target
from colonnade.errors import DatabaseURLError

CONNECT_TIMEOUT = 10.0
"""Seconds to wait for a connection when the URL does not say: libpq would wait for ever."""

READ_WRITE = "read-write"
"""Of several hosts the one that takes writes, unless the URL says otherwise: the others are its
standbys, one of which may be the next."""

_SETTINGS = frozenset(
    (
        "statement_timeout",
        "lock_timeout",
        "idle_in_transaction_session_timeout",
        "idle_session_timeout",
        "transaction_timeout",
        "search_path",
        "timezone",
        "work_mem",
        "default_transaction_isolation",
        "default_transaction_read_only",
    )
)
"""Settings of the server that people put in URLs; sent as ``-c name=value``."""

_LIBPQ_ONLY = {
    "channel_binding": "asyncpg has no channel binding; TLS and SCRAM stay",
    "gssencmode": "asyncpg does not encrypt by GSSAPI",
    "gssdelegation": "asyncpg has no such option",
    "require_auth": "asyncpg has no such option",
    "requirepeer": "asyncpg has no such option",
    "load_balance_hosts": "asyncpg tries the hosts in order",
    "sslcompression": "TLS compression is not used any more",
    "sslsni": "asyncpg always sends the name",
    "hostaddr": "asyncpg looks the host up itself",
    "client_encoding": "asyncpg always speaks UTF-8",
    "fallback_application_name": "asyncpg has no such option",
}
_TLS = frozenset(
    (
        "sslmode",
        "ssl",
        "sslrootcert",
        "sslcert",
        "sslkey",
        "sslpassword",
        "sslcrl",
        "ssl_min_protocol_version",
        "ssl_max_protocol_version",
    )
)
_ASYNCPG_INTEGERS = frozenset(
    (
        "statement_cache_size",
        "prepared_statement_cache_size",
        "max_cached_statement_lifetime",
        "max_cacheable_statement_size",
    )
)
_KEEPALIVES = frozenset(("keepalives", *_liveness.LIBPQ))
_BOTH = frozenset(("passfile", "krbsrvname", "gsslib"))
_SESSION_TARGETS = frozenset(
    ("any", "read-write", "read-only", "primary", "standby", "prefer-standby")
)
_SECRET = frozenset(("password", "sslpassword"))

_KNOWN = sorted(
    {
        *_SETTINGS, *_LIBPQ_ONLY, *_TLS, *_ASYNCPG_INTEGERS, *_BOTH, *_KEEPALIVES,
        "application_name", "command_timeout", "connect_timeout", "connection_limit", "dbname",
        "host", "options", "password", "pgbouncer", "pool_mode", "pool_timeout", "port",
        "prepare_threshold", "prepared_statements", "schema", "sslnegotiation",
        "target_session_attrs", "timeout", "user",
    }
)  # fmt: skip


N = TypeVar("N", int, float)


@dataclass
class _Reading:
    """What the parameters read so far amount to."""

    user: str | None
    password: str | None
    hosts: list[tuple[str, int | None]]
    database: str | None
    neon: bool = False
    pooled: bool = False
    is_certain: bool = False
    prepares: bool | None = None
    keepalives: dict[str, int] = field(default_factory=dict)
    sync: dict[str, Any] = field(default_factory=dict)
    asynchronous: dict[str, Any] = field(default_factory=dict)
    engine: dict[str, Any] = field(default_factory=dict)
    tls: dict[str, str] = field(default_factory=dict)
    options: list[str] = field(default_factory=list)
    timeout: float = CONNECT_TIMEOUT
    ports: list[str] = field(default_factory=list)
    parameters: list[Parameter] = field(default_factory=list)

    def note(
        self, name: str, value: str, sync: str | None, asynchronous: str | None, why: str = ""
    ) -> None:
        shown = "***" if name in _SECRET else value
        self.parameters.append(Parameter(name, shown, sync, asynchronous, why))


def read(
    *,
    user: str | None,
    password: str | None,
    hosts: list[tuple[str, int | None]],
    database: str | None,
    query: Iterable[tuple[str, str]],
) -> dict[str, Any]:
    """The fields of a ``DatabaseURL`` from the parts of a PostgreSQL one.

    Raises:
        DatabaseURLError: A parameter is unknown or has a value it cannot have.
    """
    reading = _Reading(user, password, hosts, database)
    pairs = list(query)
    for name, value in pairs:
        if name == "host":
            reading.hosts = [*(reading.hosts if _said(reading) else []), *_query_hosts(value)]
            reading.note(name, value, "host", "host")
    first = reading.hosts[0][0] if reading.hosts else ""
    reading.neon = first.endswith((".neon.tech", ".neon.build"))
    reading.pooled = reading.neon and first.split(".")[0].endswith("-pooler")
    for name, value in pairs:
        if name != "host":
            _read_parameter(reading, name, value)
    return _finish(reading)


def _said(reading: _Reading) -> bool:
    return any(parameter.name == "host" for parameter in reading.parameters)


def _query_hosts(value: str) -> list[tuple[str, int | None]]:
    hosts: list[tuple[str, int | None]] = []
    for part in value.split(","):
        host, _, port = ("", "", "") if part.startswith("/") else part.rpartition(":")
        if host and port.isdigit() and (":" not in host or host.endswith("]")):
            hosts.append((host.strip("[]"), int(port)))
        else:
            hosts.append((part.strip("[]"), None))
    return hosts


def _read_parameter(reading: _Reading, name: str, value: str) -> None:
    special = _SPECIAL.get(name)
    if special is not None:
        special(reading, name, value)
    elif name in _SETTINGS:
        _setting(reading, name, value)
    elif name in _TLS:
        reading.tls[name] = value
        where = "an SSLContext" if name != "ssl" else "an SSLContext, as sslmode"
        reading.note(name, value, "sslmode" if name == "ssl" else name, where)
    elif name in _LIBPQ_ONLY:
        reading.sync[name] = value
        reading.note(name, value, name, None, _LIBPQ_ONLY[name])
    elif name in _ASYNCPG_INTEGERS:
        reading.asynchronous[name] = _number(name, value, int)
        reading.note(name, value, None, name, "psycopg prepares by itself: see prepare_threshold")
    elif name in _KEEPALIVES:
        reading.keepalives[name] = _number(name, value, int)
        reading.note(name, value, name, "a socket option")
    elif name in _BOTH:
        reading.sync[name] = reading.asynchronous[name] = value
        reading.note(name, value, name, name)
    else:
        near = difflib.get_close_matches(name, _KNOWN, n=1)
        meant = f" Did you mean {near[0]}?" if near else ""
        raise DatabaseURLError(f"Unknown parameter {name} in a PostgreSQL URL.{meant}")


def _number(name: str, value: str, kind: Callable[[str], N]) -> N:
    try:
        number = kind(value)
    except ValueError:
        number = kind("-1")
    if number < 0:
        raise DatabaseURLError(f"{name}={value} must be a number of at least 0.")
    return number


def _setting(reading: _Reading, name: str, value: str) -> None:
    if reading.neon and reading.pooled:
        why = (
            "Neon's pooler does not forward it: use the direct host, SET LOCAL, or "
            f"ALTER ROLE ... SET {name}"
        )
        reading.note(name, value, None, None, why)
        return
    escaped = value.replace("\\", "\\\\").replace(" ", "\\ ")
    reading.options.append(f"-c {name}={escaped}")
    reading.note(name, value, f"options: -c {name}", f"options: -c {name}")


def _schema(reading: _Reading, name: str, value: str) -> None:
    _setting(reading, "search_path", value)


def _options(reading: _Reading, name: str, value: str) -> None:
    reading.options.insert(0, value)
    reading.note(name, value, "options", "server_settings: options")


def _application_name(reading: _Reading, name: str, value: str) -> None:
    reading.sync[name] = value
    reading.asynchronous.setdefault("server_settings", {})[name] = value
    reading.note(name, value, name, f"server_settings: {name}")


def _connect_timeout(reading: _Reading, name: str, value: str) -> None:
    reading.timeout = _number(name, value, float) or CONNECT_TIMEOUT
    reading.note(name, value, "connect_timeout", "timeout")


def _command_timeout(reading: _Reading, name: str, value: str) -> None:
    reading.asynchronous[name] = _number(name, value, float)
    reading.note(name, value, None, name, "psycopg has none: use statement_timeout")


def _target_session_attrs(reading: _Reading, name: str, value: str) -> None:
    if value not in _SESSION_TARGETS:
        allowed = ", ".join(sorted(_SESSION_TARGETS))
        raise DatabaseURLError(f"{name}={value} must be one of {allowed}.")
    reading.sync[name] = reading.asynchronous[name] = value
    reading.note(name, value, name, name)


def _sslnegotiation(reading: _Reading, name: str, value: str) -> None:
    if value not in ("direct", "postgres"):
        raise DatabaseURLError(f"{name}={value} must be direct or postgres.")
    reading.sync[name] = value
    reading.asynchronous["direct_tls"] = value == "direct"
    reading.note(name, value, name, "direct_tls")


def _part(reading: _Reading, name: str, value: str) -> None:
    setattr(reading, "database" if name == "dbname" else name, value)
    reading.note(name, value, name, name)


def _port(reading: _Reading, name: str, value: str) -> None:
    reading.ports = value.split(",")
    for port in reading.ports:
        if not (port.isdigit() and 0 < int(port) < 65536):
            raise DatabaseURLError(f"port={value} must be a number from 1 to 65535.")
    reading.note(name, value, name, name)


def _pooler(reading: _Reading, name: str, value: str) -> None:
    transaction = "transaction" if name == "pool_mode" else "true"
    allowed = ("transaction", "session") if name == "pool_mode" else ("true", "false")
    if value.lower() not in allowed:
        raise DatabaseURLError(f"{name}={value} must be {allowed[0]} or {allowed[1]}.")
    reading.is_certain = True
    reading.pooled = value.lower() == transaction or reading.pooled
    named = "no prepared statements" if reading.pooled else "prepared statements"
    reading.note(name, value, named, named)


def _prepared_statements(reading: _Reading, name: str, value: str) -> None:
    if value.lower() not in ("true", "false"):
        raise DatabaseURLError(f"{name}={value} must be true or false.")
    reading.prepares = value.lower() == "true"
    named = "by name" if reading.prepares else "not by name"
    reading.note(name, value, named, named)


def _pool(reading: _Reading, name: str, value: str) -> None:
    if name == "connection_limit":
        reading.engine["pool_size"] = _number(name, value, int)
        reading.engine["max_overflow"] = 0
        reading.note(name, value, "pool_size", "pool_size")
    else:
        reading.engine[name] = _number(name, value, float)
        reading.note(name, value, name, name)


def _prepare_threshold(reading: _Reading, name: str, value: str) -> None:
    reading.sync[name] = None if value == "none" else _number(name, value, int)
    reading.note(name, value, name, None, "asyncpg has statement_cache_size")


_SPECIAL: dict[str, Callable[[_Reading, str, str], None]] = {
    "application_name": _application_name,
    "command_timeout": _command_timeout,
    "connect_timeout": _connect_timeout,
    "connection_limit": _pool,
    "dbname": _part,
    "options": _options,
    "password": _part,
    "pgbouncer": _pooler,
    "pool_mode": _pooler,
    "pool_timeout": _pool,
    "port": _port,
    "prepare_threshold": _prepare_threshold,
    "prepared_statements": _prepared_statements,
    "schema": _schema,
    "sslnegotiation": _sslnegotiation,
    "target_session_attrs": _target_session_attrs,
    "timeout": _connect_timeout,
    "user": _part,
}


def _finish(reading: _Reading) -> dict[str, Any]:
    if reading.options:
        options = " ".join(reading.options)
        reading.sync["options"] = options
        reading.asynchronous.setdefault("server_settings", {})["options"] = options
    # libpq takes whole seconds and reads 1 as 2.
    reading.sync["connect_timeout"] = max(2, round(reading.timeout))
    reading.asynchronous["timeout"] = reading.timeout
    sync_engine, async_engine = dict(reading.engine), dict(reading.engine)
    # Neon's pooler keeps prepared statements apart by connection, others may not.
    unprepared = reading.pooled and not reading.neon
    if unprepared if reading.prepares is None else not reading.prepares:
        reading.sync = {**_prepared.UNPREPARED["psycopg"], **reading.sync}
        reading.asynchronous = {**reading.asynchronous, **_prepared.UNPREPARED["asyncpg"]}
    reading.sync.update(_liveness.LIBPQ | reading.keepalives)
    sync_tls, async_tls = _tls.read(reading.tls, direct="direct_tls" in reading.asynchronous)
    reading.sync.update(sync_tls)
    reading.asynchronous.update(async_tls)
    host, port = _single_host(reading)
    parts: dict[str, Any] = {
        "username": reading.user,
        "password": reading.password,
        "host": host,
        "port": port,
        "database": reading.database,
    }
    if host is None and reading.hosts:
        _several_hosts(reading)
    if len(reading.hosts) > 1 and "target_session_attrs" not in reading.sync:
        reading.sync["target_session_attrs"] = READ_WRITE
        reading.asynchronous["target_session_attrs"] = READ_WRITE
    return {
        "sync": Target(URL.create("postgresql+psycopg", **parts), reading.sync, sync_engine),
        "asynchronous": Target(
            URL.create("postgresql+asyncpg", **parts), reading.asynchronous, async_engine
        ),
        "parameters": tuple(reading.parameters),
        "pooled": reading.pooled,
        "is_certain": reading.is_certain or reading.neon or reading.prepares is not None,
        "keepalives": reading.keepalives,
        "neon": reading.neon,
        "shown": _shown(reading),
    }


def _ports(reading: _Reading) -> list[int | None]:
    ports = [int(port) for port in reading.ports]
    if len(ports) == 1:
        ports *= len(reading.hosts)
    if ports and len(ports) != len(reading.hosts):
        raise DatabaseURLError(f"There are {len(reading.hosts)} hosts and {len(ports)} ports.")
    return [
        port if port is not None else (ports[index] if ports else None)
        for index, (_, port) in enumerate(reading.hosts)
    ]


def _single_host(reading: _Reading) -> tuple[str | None, int | None]:
    if not reading.hosts:
        return None, int(reading.ports[0]) if reading.ports else None
    if len(reading.hosts) > 1 or reading.hosts[0][0].startswith("/"):
        return None, None
    return reading.hosts[0][0] or None, _ports(reading)[0]


def _several_hosts(reading: _Reading) -> None:
    hosts = [host for host, _ in reading.hosts]
    ports = [port or 5432 for port in _ports(reading)]
    reading.sync["host"] = ",".join(hosts)
    reading.sync["port"] = ",".join(map(str, ports))
    reading.asynchronous["host"] = hosts if len(hosts) > 1 else hosts[0]
    reading.asynchronous["port"] = ports if len(ports) > 1 else ports[0]


def _shown(reading: _Reading) -> str:
    user = f"{reading.user}:***@" if reading.password else f"{reading.user}@"
    hosts = ",".join(
        host + (f":{port}" if port else "")
        for (host, _), port in zip(reading.hosts, _ports(reading), strict=True)
    )
    return f"postgresql://{user if reading.user else ''}{hosts}/{reading.database or ''}"
