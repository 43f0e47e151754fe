"""Translate the query parameters of a PostgreSQL URL for psycopg and for asyncpg."""

import difflib
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from sqlalchemy import URL

from colonnade.database.connections import _liveness, _pooler_args, _tls
from colonnade.database.connections._driver_config import DriverConfig, Parameter
from colonnade.errors import DatabaseURLError

CONNECT_TIMEOUT = 10.0
"""Connection timeout in seconds unless the URL sets one: libpq would wait indefinitely."""

READ_WRITE = "read-write"
"""``target_session_attrs`` of a URL with several hosts, unless it sets one: connect to the primary.
The other hosts are its standbys, one of which may become the primary."""

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
"""Server settings that are common in URLs; sent as ``-c name=value``."""

_LIBPQ_ONLY = {
    "channel_binding": "asyncpg does not support channel binding; TLS and SCRAM still apply",
    "gssencmode": "asyncpg does not support GSSAPI encryption",
    "gssdelegation": "asyncpg has no such option",
    "require_auth": "asyncpg has no such option",
    "requirepeer": "asyncpg has no such option",
    "load_balance_hosts": "asyncpg tries the hosts in order",
    "sslcompression": "TLS compression is obsolete",
    "sslsni": "asyncpg always sends the host name",
    "hostaddr": "asyncpg resolves the host itself",
    "client_encoding": "asyncpg always uses UTF-8",
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
_KEEPALIVES = frozenset(("keepalives", *_liveness.LIBPQ_KEEPALIVES))
_SAME_FOR_BOTH = frozenset(("passfile", "krbsrvname", "gsslib"))
_SESSION_TARGETS = frozenset(
    ("any", "read-write", "read-only", "primary", "standby", "prefer-standby")
)
_SECRET = frozenset(("password", "sslpassword"))

_PARAMETERS = sorted(
    {
        *_SETTINGS, *_LIBPQ_ONLY, *_TLS, *_ASYNCPG_INTEGERS, *_SAME_FOR_BOTH, *_KEEPALIVES,
        "application_name", "command_timeout", "connect_timeout", "connection_limit", "dbname",
        "host", "options", "password", "pgbouncer", "pool_mode", "pool_timeout", "port",
        "prepare_threshold", "prepared_statements", "schema", "sslnegotiation",
        "target_session_attrs", "timeout", "user",
    }
)  # fmt: skip


N = TypeVar("N", int, float)


@dataclass
class _ParsedURL:
    """The parts of a URL, filled in parameter by parameter."""

    user: str | None
    password: str | None
    hosts: list[tuple[str, int | None]]
    database: str | None
    neon: bool = False
    pooled: bool = False
    pooling_is_known: bool = False
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

    def add_parameter(
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
    """Translate the parts of a PostgreSQL URL into the fields of a ``DatabaseURL``.

    Raises:
        DatabaseURLError: A parameter is unknown or has an invalid value.
    """
    parsed = _ParsedURL(user, password, hosts, database)
    pairs = list(query)
    for name, value in pairs:
        if name == "host":
            parsed.hosts = [
                *(parsed.hosts if _has_host_parameter(parsed) else []),
                *_query_hosts(value),
            ]
            parsed.add_parameter(name, value, "host", "host")
    first = parsed.hosts[0][0] if parsed.hosts else ""
    parsed.neon = first.endswith((".neon.tech", ".neon.build"))
    parsed.pooled = parsed.neon and first.split(".")[0].endswith("-pooler")
    for name, value in pairs:
        if name != "host":
            _read_parameter(parsed, name, value)
    return _finish(parsed)


def _has_host_parameter(parsed: _ParsedURL) -> bool:
    return any(parameter.name == "host" for parameter in parsed.parameters)


def _query_hosts(value: str) -> list[tuple[str, int | None]]:
    hosts: list[tuple[str, int | None]] = []
    for part in value.split(","):
        host, _, port = ("", "", "") if part.startswith("/") else part.rpartition(":")
        if host and port.isdigit() and (":" not in host or host.endswith("]")):
            hosts.append((host.strip("[]"), int(port)))
        else:
            hosts.append((part.strip("[]"), None))
    return hosts


def _read_parameter(parsed: _ParsedURL, name: str, value: str) -> None:
    reader = _READERS.get(name)
    if reader is not None:
        reader(parsed, name, value)
    elif name in _SETTINGS:
        _setting(parsed, name, value)
    elif name in _TLS:
        parsed.tls[name] = value
        where = "an SSLContext" if name != "ssl" else "an SSLContext, as sslmode"
        parsed.add_parameter(name, value, "sslmode" if name == "ssl" else name, where)
    elif name in _LIBPQ_ONLY:
        parsed.sync[name] = value
        parsed.add_parameter(name, value, name, None, _LIBPQ_ONLY[name])
    elif name in _ASYNCPG_INTEGERS:
        parsed.asynchronous[name] = _number(name, value, int)
        parsed.add_parameter(
            name,
            value,
            None,
            name,
            "psycopg prepares statements automatically: see prepare_threshold",
        )
    elif name in _KEEPALIVES:
        parsed.keepalives[name] = _number(name, value, int)
        parsed.add_parameter(name, value, name, "a socket option")
    elif name in _SAME_FOR_BOTH:
        parsed.sync[name] = parsed.asynchronous[name] = value
        parsed.add_parameter(name, value, name, name)
    else:
        matches = difflib.get_close_matches(name, _PARAMETERS, n=1)
        suggestion = f" Did you mean {matches[0]}?" if matches else ""
        raise DatabaseURLError(f"Unknown parameter {name!r} in a PostgreSQL URL.{suggestion}")


def _number(name: str, value: str, kind: Callable[[str], N]) -> N:
    try:
        number = kind(value)
    except ValueError:
        number = kind("-1")
    if number < 0:
        raise DatabaseURLError(f"The URL parameter {name}={value} must be a number, 0 or greater.")
    return number


def _setting(parsed: _ParsedURL, name: str, value: str) -> None:
    if parsed.neon and parsed.pooled:
        why = (
            "Neon's pooler does not forward it: use the direct host, SET LOCAL or "
            f"ALTER ROLE ... SET {name}"
        )
        parsed.add_parameter(name, value, None, None, why)
        return
    escaped = value.replace("\\", "\\\\").replace(" ", "\\ ")
    parsed.options.append(f"-c {name}={escaped}")
    parsed.add_parameter(name, value, f"options: -c {name}", f"options: -c {name}")


def _schema(parsed: _ParsedURL, name: str, value: str) -> None:
    _setting(parsed, "search_path", value)


def _options(parsed: _ParsedURL, name: str, value: str) -> None:
    parsed.options.insert(0, value)
    parsed.add_parameter(name, value, "options", "server_settings: options")


def _application_name(parsed: _ParsedURL, name: str, value: str) -> None:
    parsed.sync[name] = value
    parsed.asynchronous.setdefault("server_settings", {})[name] = value
    parsed.add_parameter(name, value, name, f"server_settings: {name}")


def _connect_timeout(parsed: _ParsedURL, name: str, value: str) -> None:
    parsed.timeout = _number(name, value, float) or CONNECT_TIMEOUT
    parsed.add_parameter(name, value, "connect_timeout", "timeout")


def _command_timeout(parsed: _ParsedURL, name: str, value: str) -> None:
    parsed.asynchronous[name] = _number(name, value, float)
    parsed.add_parameter(
        name, value, None, name, "psycopg has no such option: use statement_timeout"
    )


def _target_session_attrs(parsed: _ParsedURL, name: str, value: str) -> None:
    if value not in _SESSION_TARGETS:
        allowed = ", ".join(sorted(_SESSION_TARGETS))
        raise DatabaseURLError(f"The URL parameter {name}={value} is not one of {allowed}.")
    parsed.sync[name] = parsed.asynchronous[name] = value
    parsed.add_parameter(name, value, name, name)


def _sslnegotiation(parsed: _ParsedURL, name: str, value: str) -> None:
    if value not in ("direct", "postgres"):
        raise DatabaseURLError(f"The URL parameter {name}={value} is neither direct nor postgres.")
    parsed.sync[name] = value
    parsed.asynchronous["direct_tls"] = value == "direct"
    parsed.add_parameter(name, value, name, "direct_tls")


def _part(parsed: _ParsedURL, name: str, value: str) -> None:
    setattr(parsed, "database" if name == "dbname" else name, value)
    parsed.add_parameter(name, value, name, name)


def _port(parsed: _ParsedURL, name: str, value: str) -> None:
    parsed.ports = value.split(",")
    for port in parsed.ports:
        if not (port.isdigit() and 0 < int(port) < 65536):
            raise DatabaseURLError(
                f"The URL parameter port={value} is not a number from 1 to 65535."
            )
    parsed.add_parameter(name, value, name, name)


def _pooler(parsed: _ParsedURL, name: str, value: str) -> None:
    transaction = "transaction" if name == "pool_mode" else "true"
    allowed = ("transaction", "session") if name == "pool_mode" else ("true", "false")
    if value.lower() not in allowed:
        raise DatabaseURLError(
            f"The URL parameter {name}={value} is neither {allowed[0]} nor {allowed[1]}."
        )
    parsed.pooling_is_known = True
    parsed.pooled = value.lower() == transaction or parsed.pooled
    effect = "no prepared statements" if parsed.pooled else "prepared statements"
    parsed.add_parameter(name, value, effect, effect)


def _prepared_statements(parsed: _ParsedURL, name: str, value: str) -> None:
    if value.lower() not in ("true", "false"):
        raise DatabaseURLError(f"The URL parameter {name}={value} is neither true nor false.")
    parsed.prepares = value.lower() == "true"
    effect = "by name" if parsed.prepares else "not by name"
    parsed.add_parameter(name, value, effect, effect)


def _pool(parsed: _ParsedURL, name: str, value: str) -> None:
    if name == "connection_limit":
        parsed.engine["pool_size"] = _number(name, value, int)
        parsed.engine["max_overflow"] = 0
        parsed.add_parameter(name, value, "pool_size", "pool_size")
    else:
        parsed.engine[name] = _number(name, value, float)
        parsed.add_parameter(name, value, name, name)


def _prepare_threshold(parsed: _ParsedURL, name: str, value: str) -> None:
    parsed.sync[name] = None if value == "none" else _number(name, value, int)
    parsed.add_parameter(name, value, name, None, "asyncpg has statement_cache_size instead")


_READERS: dict[str, Callable[[_ParsedURL, str, str], None]] = {
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


def _finish(parsed: _ParsedURL) -> dict[str, Any]:
    if parsed.options:
        options = " ".join(parsed.options)
        parsed.sync["options"] = options
        parsed.asynchronous.setdefault("server_settings", {})["options"] = options
    # libpq takes whole seconds, and treats 1 as 2.
    parsed.sync["connect_timeout"] = max(2, round(parsed.timeout))
    parsed.asynchronous["timeout"] = parsed.timeout
    sync_engine, async_engine = dict(parsed.engine), dict(parsed.engine)
    # Neon's pooler supports prepared statements; others may not.
    unprepared = parsed.pooled and not parsed.neon
    if unprepared if parsed.prepares is None else not parsed.prepares:
        parsed.sync = {**_pooler_args.UNPREPARED["psycopg"], **parsed.sync}
        parsed.asynchronous = {**parsed.asynchronous, **_pooler_args.UNPREPARED["asyncpg"]}
    parsed.sync.update(_liveness.LIBPQ_KEEPALIVES | parsed.keepalives)
    sync_tls, async_tls = _tls.read(parsed.tls, direct="direct_tls" in parsed.asynchronous)
    parsed.sync.update(sync_tls)
    parsed.asynchronous.update(async_tls)
    host, port = _single_host(parsed)
    parts: dict[str, Any] = {
        "username": parsed.user,
        "password": parsed.password,
        "host": host,
        "port": port,
        "database": parsed.database,
    }
    if host is None and parsed.hosts:
        _set_hosts(parsed)
    if len(parsed.hosts) > 1 and "target_session_attrs" not in parsed.sync:
        parsed.sync["target_session_attrs"] = READ_WRITE
        parsed.asynchronous["target_session_attrs"] = READ_WRITE
    return {
        "sync": DriverConfig(URL.create("postgresql+psycopg", **parts), parsed.sync, sync_engine),
        "asynchronous": DriverConfig(
            URL.create("postgresql+asyncpg", **parts), parsed.asynchronous, async_engine
        ),
        "parameters": tuple(parsed.parameters),
        "pooled": parsed.pooled,
        "pooling_is_known": parsed.pooling_is_known or parsed.neon or parsed.prepares is not None,
        "keepalives": parsed.keepalives,
        "neon": parsed.neon,
        "shown": _shown(parsed),
    }


def _ports(parsed: _ParsedURL) -> list[int | None]:
    ports = [int(port) for port in parsed.ports]
    if len(ports) == 1:
        ports *= len(parsed.hosts)
    if ports and len(ports) != len(parsed.hosts):
        raise DatabaseURLError(
            f"The URL has {len(parsed.hosts)} hosts but {len(ports)} ports. Give one port for all "
            "hosts or one for each."
        )
    return [
        port if port is not None else (ports[index] if ports else None)
        for index, (_, port) in enumerate(parsed.hosts)
    ]


def _single_host(parsed: _ParsedURL) -> tuple[str | None, int | None]:
    if not parsed.hosts:
        return None, int(parsed.ports[0]) if parsed.ports else None
    if len(parsed.hosts) > 1 or parsed.hosts[0][0].startswith("/"):
        return None, None
    return parsed.hosts[0][0] or None, _ports(parsed)[0]


def _set_hosts(parsed: _ParsedURL) -> None:
    hosts = [host for host, _ in parsed.hosts]
    ports = [port or 5432 for port in _ports(parsed)]
    parsed.sync["host"] = ",".join(hosts)
    parsed.sync["port"] = ",".join(map(str, ports))
    parsed.asynchronous["host"] = hosts if len(hosts) > 1 else hosts[0]
    parsed.asynchronous["port"] = ports if len(ports) > 1 else ports[0]


def _shown(parsed: _ParsedURL) -> str:
    user = f"{parsed.user}:***@" if parsed.password else f"{parsed.user}@"
    hosts = ",".join(
        host + (f":{port}" if port else "")
        for (host, _), port in zip(parsed.hosts, _ports(parsed), strict=True)
    )
    return f"postgresql://{user if parsed.user else ''}{hosts}/{parsed.database or ''}"


def read_only(sync: DriverConfig, asynchronous: DriverConfig) -> tuple[DriverConfig, DriverConfig]:
    """How drivers connect so that their sessions only read, unless they ask for more."""
    setting = "-c default_transaction_read_only=on"
    options = f"{sync.connect_args.get('options', '')} {setting}".strip()
    settings = asynchronous.connect_args.get("server_settings", {})
    own_options = f"{settings.get('options', '')} {setting}".strip()
    return (
        replace(
            sync,
            connect_args={**sync.connect_args, "options": options, **_any_server(sync)},
        ),
        replace(
            asynchronous,
            connect_args={
                **asynchronous.connect_args,
                **_any_server(asynchronous),
                "server_settings": {**settings, "options": own_options},
            },
        ),
    )


def _any_server(config: DriverConfig) -> dict[str, str]:
    """A session that only reads would not be taken for that of a primary."""
    return {"target_session_attrs": "any"} if "target_session_attrs" in config.connect_args else {}
