"""SQLite's URLs: a file, a ``file:`` URI, or a database in memory."""

from dataclasses import replace
from typing import Any
from urllib.parse import parse_qsl, quote, unquote, urlencode
from uuid import uuid4

from sqlalchemy import URL

from colonnade.database.connections._driver_config import DriverConfig, Parameter
from colonnade.errors import DatabaseURLError

_URI_PARAMETERS = frozenset(("mode", "immutable", "nolock", "psow", "vfs"))
_CONNECT_PARAMETERS = {"timeout": float, "cached_statements": int, "detect_types": int}
_DROPPED = {
    "cache": "a shared cache locks whole tables, so each connection has a private cache",
    "check_same_thread": "the pool passes connections between threads safely",
    "isolation_level": "Colonnade begins transactions itself",
    "uri": "derived from the path",
}


def read(rest: str) -> dict[str, Any]:
    """Parse the part of an SQLite URL after ``sqlite://`` into the fields of a ``DatabaseURL``.

    Raises:
        DatabaseURLError: The path or a parameter is invalid.
    """
    path, _, query = rest.partition("?")
    if path and not path.startswith("/"):
        raise DatabaseURLError(
            f"sqlite://{path} has only two slashes. Write sqlite:///{path} for a path relative to "
            f"the working directory, or sqlite:////{path} for an absolute one."
        )
    path = unquote(path[1:])
    uri: dict[str, str] = {}
    connect: dict[str, Any] = {}
    parameters = [
        _read_parameter(name, value, uri, connect)
        for name, value in parse_qsl(query, keep_blank_values=True)
    ]
    file = path.removeprefix("file:")
    if file in ("", ":memory:") or uri.pop("mode", None) == "memory" or uri.get("vfs") == "memdb":
        return _memory(connect, parameters)
    mode = dict(parse_qsl(query)).get("mode")
    if mode is not None:
        uri["mode"] = mode
    is_uri = bool(uri) or path.startswith("file:")
    return {
        **_targets(f"file:{quote(file)}" if is_uri else file, uri if is_uri else None, connect),
        "parameters": tuple(parameters),
        "shown": f"sqlite:///{path}" + (f"?{urlencode(uri)}" if uri else ""),
    }


def read_only(*configs: DriverConfig) -> tuple[DriverConfig, ...]:
    """How drivers open the file of a database that they only read."""
    return tuple(replace(config, url=_read_only(config.url)) for config in configs)


def _read_only(url: URL) -> URL:
    path = str(url.database)
    database = path if path.startswith("file:") else f"file:{quote(path)}"
    return url.set(database=database, query={**url.query, "mode": "ro", "uri": "true"})


def _memory(connect: dict[str, Any], parameters: list[Parameter]) -> dict[str, Any]:
    # A unique name, under which every connection of this process can open the database:
    # https://sqlite.org/src/file/src/memdb.c
    name = f"file:/colonnade-{uuid4().hex}"
    return {
        **_targets(name, {"vfs": "memdb"}, connect),
        "parameters": tuple(parameters),
        "memory": True,
        "shown": "sqlite://",
    }


def _targets(database: str, uri: dict[str, str] | None, connect: dict[str, Any]) -> dict[str, Any]:
    args = {**connect, "check_same_thread": False, "isolation_level": None}
    query = {} if uri is None else {**uri, "uri": "true"}
    return {
        "sync": DriverConfig(URL.create("sqlite+pysqlite", database=database, query=query), args),
        "asynchronous": DriverConfig(
            URL.create("sqlite+aiosqlite", database=database, query=query), args
        ),
    }


def _read_parameter(
    name: str, value: str, uri: dict[str, str], connect: dict[str, Any]
) -> Parameter:
    if name in _URI_PARAMETERS:
        uri[name] = value
        return Parameter(name, value, f"{name} of the file URI", f"{name} of the file URI")
    if name in _CONNECT_PARAMETERS:
        try:
            connect[name] = _CONNECT_PARAMETERS[name](value)
        except ValueError:
            raise DatabaseURLError(f"The URL parameter {name}={value} is not a number.") from None
        return Parameter(name, value, f"{name} of connect()", f"{name} of connect()")
    if name in _DROPPED:
        return Parameter(name, value, None, None, _DROPPED[name])
    known = ", ".join(sorted({*_URI_PARAMETERS, *_CONNECT_PARAMETERS}))
    raise DatabaseURLError(f"Unknown parameter {name!r} in an SQLite URL. Use one of {known}.")
