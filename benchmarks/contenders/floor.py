"""The floor: bare Starlette, the driver, and the SQL that Colonnade would send, by hand."""

import asyncio
import os
import sqlite3
import threading
from typing import Any

import asyncpg
from pydantic_core import from_json
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

URL = os.environ["DATABASE_URL"]
IS_POSTGRESQL = URL.startswith("postgresql")
COLUMNS = "title, description, status, priority, progress_percent, project_id"


def _moment(column: str) -> str:
    if not IS_POSTGRESQL:
        rest = f"replace(substr({column},12),'.000000','')"
        return f"json_quote(substr({column},1,10)||'T'||{rest}||'Z')"
    written = f'to_char(timezone(\'UTC\',{column}),\'"\\""YYYY-MM-DD"T"HH24:MI:SS.US"Z\\""\')'
    return f"replace({written},'.000000Z\"','Z\"')"


def _text(column: str) -> str:
    return f"to_json({column}::text)::text" if IS_POSTGRESQL else f"json_quote({column})"


def _number(column: str) -> str:
    return f"{column}::text" if IS_POSTGRESQL else f"json_quote({column})"


def _object(alias: str = "") -> str:
    parts = {"id": _number, "title": _text, "description": _text, "status": _text,
             "priority": _text, "progress_percent": _number, "project_id": _number,
             "created_at": _moment, "updated_at": _moment}  # fmt: skip
    nullable = {"description", "project_id"}
    written = []
    for name, write in parts.items():
        value = write(alias + name)
        value = f"coalesce({value},'null')" if name in nullable else value
        written.append(f"'\"{name}\":'||{value}")
    return "'{'||" + "||','||".join(written) + "||'}'"


AGGREGATE = "string_agg(j,',')" if IS_POSTGRESQL else "group_concat(j,',')"
LIST = (
    f"SELECT '['||coalesce({AGGREGATE},'')||']' FROM (SELECT {_object()} AS j FROM "
    f"(SELECT * FROM task ORDER BY id LIMIT {'$1' if IS_POSTGRESQL else '?'}) AS t) AS u"
)
FILTERED = (
    f"SELECT '['||coalesce({AGGREGATE},'')||']' FROM (SELECT {_object()} AS j FROM "
    f"(SELECT * FROM task WHERE status = {'$1' if IS_POSTGRESQL else '?'} "
    f"ORDER BY created_at DESC, id DESC LIMIT {'$2' if IS_POSTGRESQL else '?'}) AS t) AS u"
)
ROW = f"SELECT {_object()} FROM task WHERE id = {'$1' if IS_POSTGRESQL else '?'}"
NOW = "now()" if IS_POSTGRESQL else "strftime('%Y-%m-%d %H:%M:%f000','now')"
VALUES = "$1,$2,$3,$4,$5::int,$6::int" if IS_POSTGRESQL else "?,?,?,?,?,?"
CREATE = (
    f"INSERT INTO task ({COLUMNS}, created_at, updated_at) VALUES ({VALUES},{NOW},{NOW}) "
    f"RETURNING {_object()}"
)
CHANGE = (
    f"UPDATE task SET progress_percent = {'$1' if IS_POSTGRESQL else '?'}, updated_at = {NOW} "
    f"WHERE id = {'$2' if IS_POSTGRESQL else '?'} RETURNING {_object()}"
)
DEFAULTS = {"description": None, "status": "pending", "priority": "medium", "progress_percent": 0,
            "project_id": None}  # fmt: skip

pool: Any = None
local = threading.local()


def _connection() -> sqlite3.Connection:
    if not hasattr(local, "connection"):
        local.connection = sqlite3.connect(URL.removeprefix("sqlite:///"), isolation_level=None)
        local.connection.execute("PRAGMA synchronous=NORMAL")
        local.connection.execute("PRAGMA foreign_keys=ON")
    return local.connection


async def ask(sql: str, *values: Any) -> str | None:
    global pool
    if not IS_POSTGRESQL:

        def run() -> str | None:
            row = _connection().execute(sql, values).fetchone()
            return row and row[0]

        return await asyncio.to_thread(run)
    if pool is None:
        # No reset query on release, as under SQLAlchemy's pool.
        pool = await asyncpg.create_pool(URL, min_size=10, max_size=30, reset=_nothing)
    async with pool.acquire() as connection:
        return await connection.fetchval(sql, *values)


async def _nothing(connection: Any) -> None: ...


def _json(text: str | None, status: int = 200) -> Response:
    return Response(text or "null", status if text else 404, media_type="application/json")


async def tasks(request: Request) -> Response:
    if request.method == "POST":
        body = {**DEFAULTS, **from_json(await request.body())}
        return _json(await ask(CREATE, *(body[name.strip()] for name in COLUMNS.split(","))), 201)
    return _json(await ask(LIST, int(request.query_params.get("limit", 100))))


async def filtered(request: Request) -> Response:
    asked = request.query_params
    return _json(await ask(FILTERED, asked["status"], int(asked["limit"])))


async def task(request: Request) -> Response:
    key = int(request.path_params["id"])
    if request.method == "PATCH":
        body = from_json(await request.body())
        return _json(await ask(CHANGE, body["progress_percent"], key))
    return _json(await ask(ROW, key))


app = Starlette(
    routes=[
        Route("/tasks", tasks, methods=["GET", "POST"]),
        Route("/tasks/filtered", filtered),
        Route("/tasks/{id}", task, methods=["GET", "PATCH"]),
    ]
)
