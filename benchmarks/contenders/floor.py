"""The floor: bare Starlette, the driver, and hand-written SQL like Colonnade's."""

import asyncio
import os
import sqlite3
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
from pydantic_core import from_json, to_json
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

URL = os.environ["DATABASE_URL"]
IS_POSTGRESQL = URL.startswith("postgresql")
COLUMNS = "title, description, status, priority, progress_percent, project_id"


NAMES = ("id", "title", "description", "status", "priority", "progress_percent", "project_id",
         "created_at", "updated_at")  # fmt: skip
NUMBERS, NULLABLE = ("id", "progress_percent", "project_id"), ("description", "project_id")


def _object(**computed: str) -> str:
    """SQL for the row as JSON, with datetimes as Pydantic formats them, and with more numbers."""
    if not IS_POSTGRESQL:
        pairs = [f"'{name}',{_moment(name) if name.endswith('_at') else name}" for name in NAMES]
        pairs += [f"'{name}',{value}" for name, value in computed.items()]
        return f"json_object({','.join(pairs)})"
    pieces = [f"'\"{name}\":'||{value}::text" for name, value in computed.items()]
    for name in NAMES:
        value = f"{name}::text" if name in NUMBERS else f"to_json({name}::text)::text"
        value = _moment(name) if name.endswith("_at") else value
        value = f"coalesce({value},'null')" if name in NULLABLE else value
        pieces.append(f"'\"{name}\":'||{value}")
    return "'{'||" + "||','||".join(pieces) + "||'}'"


def _moment(name: str) -> str:
    if not IS_POSTGRESQL:
        return f"replace(replace({name},' ','T'),'.000000','')||'Z'"
    written = f'to_char(timezone(\'UTC\',{name}),\'"\\""YYYY-MM-DD"T"HH24:MI:SS.US"Z\\""\')'
    return f"replace({written},'.000000Z\"','Z\"')"


AGGREGATE = "string_agg(j,',')" if IS_POSTGRESQL else "group_concat(j,',')"
LIST = (
    f"SELECT '['||coalesce({AGGREGATE},'')||']' FROM (SELECT {_object()} AS j FROM "
    f"(SELECT * FROM task WHERE id > {'$1' if IS_POSTGRESQL else '?'} ORDER BY id "
    f"LIMIT {'$2' if IS_POSTGRESQL else '?'}) AS t) AS u"
)
FILTERED = (
    f"SELECT '['||coalesce({AGGREGATE},'')||']' FROM (SELECT {_object()} AS j FROM "
    f"(SELECT * FROM task WHERE status = {'$1' if IS_POSTGRESQL else '?'} "
    f"ORDER BY created_at DESC, id DESC LIMIT {'$2' if IS_POSTGRESQL else '?'}) AS t) AS u"
)
_ASSIGNMENTS = "(SELECT count(*) FROM task_assignment WHERE task_id = t.id)"
COUNTED = (
    f"SELECT '['||coalesce({AGGREGATE},'')||']' FROM "
    f"(SELECT {_object(assignments_count=_ASSIGNMENTS)} AS j FROM "
    f"(SELECT * FROM task ORDER BY id LIMIT {'$1' if IS_POSTGRESQL else '?'}) AS t) AS u"
)
SORTED = (
    f"SELECT '['||coalesce({AGGREGATE},'')||']' FROM (SELECT {_object()} AS j FROM "
    f"(SELECT task.* FROM task LEFT JOIN project ON project.id = task.project_id "
    f"ORDER BY project.slug NULLS LAST, task.id LIMIT {'$1' if IS_POSTGRESQL else '?'}) AS t) AS u"
)


def _groups(*columns: str) -> str:
    """SQL for the number of tasks and the average progress in each group."""
    values = {f"column_{number}": column for number, column in enumerate(columns)}
    keys = ",".join(values)
    average = "avg(progress_percent)::float8" if IS_POSTGRESQL else "avg(progress_percent)"
    selected = ",".join(f"{column} AS {name}" for name, column in values.items())
    groups = (
        f"SELECT {selected}, count(*) AS number, {average} AS average FROM task "
        f"GROUP BY {keys} ORDER BY {keys}"
    )
    names = ("status", "created_at.month")
    pairs = [f"'{name}',{value}" for name, value in zip(names, values, strict=False)]
    # SQLite would write 15 digits.
    digits = "average" if IS_POSTGRESQL else "json(printf('%!.17g',average))"
    pairs += ["'count',number", f"'progress_percent.avg',{digits}"]
    make = "json_build_object" if IS_POSTGRESQL else "json_object"
    array = "json_agg(j)" if IS_POSTGRESQL else "json_group_array(json(j))"
    return f"SELECT {array} FROM (SELECT {make}({','.join(pairs)}) AS j FROM ({groups}) AS g) AS u"


_MONTH = (
    "date_trunc('month', created_at AT TIME ZONE 'UTC')::date"
    if IS_POSTGRESQL
    else "substr(created_at,1,7)||'-01'"
)
BY_STATUS, BY_MONTH = _groups("status"), _groups("status", _MONTH)
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
REMOVE = f"DELETE FROM task WHERE id = {'$1' if IS_POSTGRESQL else '?'} RETURNING '{{\"ok\":true}}'"
_ROWS = (
    "json_to_recordset($1) AS r(title text, description text, status text, priority text, "
    "progress_percent int, project_id int)"
)
_EACH = ",".join(f"value->>'{name.strip()}'" for name in COLUMNS.split(","))
BATCH = (
    f"WITH made AS (INSERT INTO task ({COLUMNS}, created_at, updated_at) SELECT {COLUMNS}, "
    f"now(), now() FROM {_ROWS} RETURNING {_object()} AS j) "
    f"SELECT '['||string_agg(j,',')||']' FROM made"
    if IS_POSTGRESQL
    else f"INSERT INTO task ({COLUMNS}, created_at, updated_at) SELECT {_EACH}, {NOW}, {NOW} "
    f"FROM json_each(?) RETURNING {_object()}"
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
    if not IS_POSTGRESQL:

        def run() -> str | None:
            rows = _connection().execute(sql, values).fetchall()
            if sql is BATCH:
                return "[" + ",".join(row[0] for row in rows) + "]"
            return rows[0][0] if rows else None

        return await asyncio.to_thread(run)
    async with pool.acquire() as connection:
        if sql in {BY_STATUS, BY_MONTH}:
            # PostgreSQL reads a table in several processes only if all rows are fetched.
            return (await connection.fetch(sql))[0][0]
        return await connection.fetchval(sql, *values)


@asynccontextmanager
async def lifespan(app: Starlette) -> AsyncIterator[None]:
    global pool
    if IS_POSTGRESQL:
        # Like SQLAlchemy's pool, do not send a reset query on release.
        pool = await asyncpg.create_pool(URL, min_size=10, max_size=10, reset=_nothing)
    yield


async def _nothing(connection: Any) -> None: ...


def _json(text: str | None, status: int = 200) -> Response:
    return Response(text or "null", status if text else 404, media_type="application/json")


async def tasks(request: Request) -> Response:
    if request.method == "POST":
        body = {**DEFAULTS, **from_json(await request.body())}
        return _json(await ask(CREATE, *(body[name.strip()] for name in COLUMNS.split(","))), 201)
    parameters = request.query_params
    return _json(
        await ask(LIST, int(parameters.get("after", 0)), int(parameters.get("limit", 100)))
    )


async def batch(request: Request) -> Response:
    rows = [{**DEFAULTS, **row} for row in from_json(await request.body())]
    return _json(await ask(BATCH, to_json(rows).decode()), 201)


async def filtered(request: Request) -> Response:
    parameters = request.query_params
    return _json(await ask(FILTERED, parameters["status"], int(parameters["limit"])))


async def counted(request: Request) -> Response:
    return _json(await ask(COUNTED, int(request.query_params["limit"])))


async def in_order_of_projects(request: Request) -> Response:
    return _json(await ask(SORTED, int(request.query_params["limit"])))


async def by_status(request: Request) -> Response:
    return _json(await ask(BY_STATUS))


async def by_month(request: Request) -> Response:
    return _json(await ask(BY_MONTH))


async def task(request: Request) -> Response:
    key = int(request.path_params["id"])
    if request.method == "PATCH":
        body = from_json(await request.body())
        return _json(await ask(CHANGE, body["progress_percent"], key))
    if request.method == "DELETE":
        return _json(await ask(REMOVE, key))
    return _json(await ask(ROW, key))


app = Starlette(
    lifespan=lifespan,
    routes=[
        Route("/tasks", tasks, methods=["GET", "POST"]),
        Route("/tasks/filtered", filtered),
        Route("/tasks/counted", counted),
        Route("/tasks/sorted", in_order_of_projects),
        Route("/tasks/by-status", by_status),
        Route("/tasks/by-month", by_month),
        Route("/tasks/{id}", task, methods=["GET", "PATCH", "DELETE"]),
        Route("/tasks:batch", batch, methods=["POST"]),
    ],
)
