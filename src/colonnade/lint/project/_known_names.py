"""The names in libraries that rules refer to, each in one canonical spelling.

``sqlmodel.Session``, ``sqlmodel.orm.session.Session`` and ``colonnade.Session`` are the same class,
so all three have one canonical name.
"""

SQLMODEL = "sqlmodel.SQLModel"
COLONNADE_MODEL = "colonnade.SQLModel"
PYDANTIC_MODEL = "pydantic.BaseModel"
DECLARATIVE = "sqlalchemy.orm.DeclarativeBase"
DECLARATIVE_BASE = "sqlalchemy.orm.declarative_base"

SESSION = "sqlalchemy.orm.Session"
SQLMODEL_SESSION = "sqlmodel.Session"
ASYNC_SESSION = "sqlalchemy.ext.asyncio.AsyncSession"
SQLMODEL_ASYNC_SESSION = "sqlmodel.ext.asyncio.session.AsyncSession"
SYNC_SESSIONS = frozenset({SESSION, SQLMODEL_SESSION, "sqlalchemy.orm.scoped_session"})
ASYNC_SESSIONS = frozenset(
    {ASYNC_SESSION, SQLMODEL_ASYNC_SESSION, "sqlalchemy.ext.asyncio.async_scoped_session"}
)
SESSIONS = SYNC_SESSIONS | ASYNC_SESSIONS

ENGINE = "sqlalchemy.Engine"
ASYNC_ENGINE = "sqlalchemy.ext.asyncio.AsyncEngine"
CONNECTION = "sqlalchemy.Connection"
ASYNC_CONNECTION = "sqlalchemy.ext.asyncio.AsyncConnection"
CREATE_ENGINE = "sqlalchemy.create_engine"
CREATE_ASYNC_ENGINE = "sqlalchemy.ext.asyncio.create_async_engine"
SESSIONMAKER = "sqlalchemy.orm.sessionmaker"
ASYNC_SESSIONMAKER = "sqlalchemy.ext.asyncio.async_sessionmaker"
SCOPED_SESSION = "sqlalchemy.orm.scoped_session"
METADATA = "sqlalchemy.MetaData"

SELECT = "sqlalchemy.select"
SQLMODEL_SELECT = "sqlmodel.select"
SELECTS = frozenset({SELECT, SQLMODEL_SELECT})
TEXT = "sqlalchemy.text"
COL = "sqlmodel.col"
FIELD = "sqlmodel.Field"
RELATIONSHIP = "sqlmodel.Relationship"
ORM_RELATIONSHIPS = frozenset({"sqlalchemy.orm.relationship"})
COLUMN = "sqlalchemy.Column"
MAPPED_COLUMN = "sqlalchemy.orm.mapped_column"
FOREIGN_KEY = "sqlalchemy.ForeignKey"

FASTAPI = "fastapi.FastAPI"
API_ROUTER = "fastapi.APIRouter"
DEPENDS = frozenset({"fastapi.Depends", "fastapi.Security"})
QUERY = "fastapi.Query"
DATABASE = "colonnade.Database"
RESOURCE = "colonnade.Resource"
UNSCOPED = "colonnade.Unscoped"

EAGER = frozenset(
    {"selectinload", "joinedload", "subqueryload", "immediateload", "contains_eager"}
)  # fmt: skip
LOADERS = EAGER | {
    "lazyload",
    "raiseload",
    "noload",
    "defaultload",
    "load_only",
    "defer",
    "undefer",
}

# Names that sqlmodel re-exports from SQLAlchemy, with their canonical names.
_SQLALCHEMY = {
    "create_engine": CREATE_ENGINE, "Engine": ENGINE, "text": TEXT, "MetaData": METADATA,
    "Column": COLUMN, "ForeignKey": FOREIGN_KEY, "Connection": CONNECTION,
    "and_": "sqlalchemy.and_", "or_": "sqlalchemy.or_", "not_": "sqlalchemy.not_",
    "func": "sqlalchemy.func", "update": "sqlalchemy.update", "delete": "sqlalchemy.delete",
    "insert": "sqlalchemy.insert", "Enum": "sqlalchemy.Enum", "JSON": "sqlalchemy.JSON",
    "DateTime": "sqlalchemy.DateTime", "Float": "sqlalchemy.Float", "inspect": "sqlalchemy.inspect",
    "exists": "sqlalchemy.exists", "desc": "sqlalchemy.desc", "asc": "sqlalchemy.asc",
}  # fmt: skip
_ORM = {
    name: f"sqlalchemy.orm.{name}"
    for name in ("Session", "sessionmaker", "scoped_session", "DeclarativeBase", "Mapped",
                 "declarative_base", "relationship", "mapped_column", "attributes",
                 "MappedAsDataclass", "DeclarativeBaseNoMeta", *LOADERS)
}  # fmt: skip
_ASYNC = {
    name: f"sqlalchemy.ext.asyncio.{name}"
    for name in ("AsyncSession", "AsyncEngine", "AsyncConnection", "create_async_engine",
                 "async_sessionmaker", "async_scoped_session", "AsyncAttrs")
}  # fmt: skip

_SQLALCHEMY_MODULES = tuple(
    f"sqlalchemy.{module}"
    for module in (
        "schema",
        "sql",
        "sql.expression",
        "sql.schema",
        "types",
        "sql.sqltypes",
        "engine",
    )
)

SPELLINGS: dict[str, str] = {
    "sqlmodel.main.SQLModel": SQLMODEL,
    "sqlmodel.main.Field": FIELD,
    "sqlmodel.main.Relationship": RELATIONSHIP,
    "sqlmodel.orm.session.Session": SQLMODEL_SESSION,
    "sqlmodel.sql.expression.select": SQLMODEL_SELECT,
    "sqlmodel.sql.expression.col": COL,
    "sqlmodel.ext.asyncio.AsyncSession": SQLMODEL_ASYNC_SESSION,
    "sqlalchemy.future.select": SELECT,
    "sqlalchemy.sql.select": SELECT,
    "sqlalchemy.sql.expression.select": SELECT,
    "sqlalchemy.future.engine.Engine": ENGINE,
    "sqlalchemy.engine.Engine": ENGINE,
    "sqlalchemy.engine.base.Engine": ENGINE,
    "sqlalchemy.engine.Connection": CONNECTION,
    "sqlalchemy.engine.create_engine": CREATE_ENGINE,
    "sqlalchemy.ext.declarative.declarative_base": DECLARATIVE_BASE,
    "sqlalchemy.orm.decl_api.DeclarativeBase": DECLARATIVE,
    "sqlalchemy.orm.session.Session": SESSION,
    "sqlalchemy.orm.session.sessionmaker": SESSIONMAKER,
    "sqlalchemy.ext.asyncio.session.AsyncSession": ASYNC_SESSION,
    "sqlalchemy.ext.asyncio.session.async_sessionmaker": ASYNC_SESSIONMAKER,
    "sqlalchemy.ext.asyncio.engine.create_async_engine": CREATE_ASYNC_ENGINE,
    "sqlalchemy.ext.asyncio.engine.AsyncEngine": ASYNC_ENGINE,
    "pydantic.main.BaseModel": PYDANTIC_MODEL,
    "fastapi.applications.FastAPI": FASTAPI,
    "fastapi.routing.APIRouter": API_ROUTER,
    "fastapi.param_functions.Depends": "fastapi.Depends",
    "fastapi.params.Depends": "fastapi.Depends",
    "fastapi.param_functions.Query": QUERY,
    "typing_extensions.Annotated": "typing.Annotated",
    "typing_extensions.Literal": "typing.Literal",
    "colonnade.database.Database": DATABASE,
    "colonnade.resources.Resource": RESOURCE,
    "colonnade.resources.Unscoped": UNSCOPED,
    "colonnade.models.SQLModel": COLONNADE_MODEL,
    "colonnade.AsyncSession": SQLMODEL_ASYNC_SESSION,
    "colonnade.Session": SQLMODEL_SESSION,
    "colonnade.Field": FIELD,
    "colonnade.Relationship": RELATIONSHIP,
    "colonnade.select": SQLMODEL_SELECT,
    "colonnade.col": COL,
    **{f"{module}.{name}": canonical_name for name, canonical_name in _SQLALCHEMY.items()
       for module in ("sqlmodel", "colonnade", *_SQLALCHEMY_MODULES)},
    **{f"sqlalchemy.orm.strategy_options.{name}": f"sqlalchemy.orm.{name}" for name in LOADERS},
}  # fmt: skip
SPELLINGS.update(
    {f"sqlmodel.{name}": to for name, to in _ORM.items() if name not in ("Session",)}
    | {f"sqlmodel.ext.asyncio.{name}": to for name, to in _ASYNC.items() if name != "AsyncSession"}
)

ROOTS = frozenset(
    {"sqlmodel", "sqlalchemy", "fastapi", "pydantic", "colonnade", "starlette", "alembic",
     "typing", "typing_extensions", "datetime", "enum", "uuid", "time", "random", "asyncio",
     "contextlib", "functools", "decimal", "os", "pytest", "pytest_asyncio", "builtins",
     "collections", "abc", "dataclasses", "anyio"}
)  # fmt: skip
# Rules find nothing in a file that mentions none of these and imports no file that does.
SUBJECTS = ("sqlmodel", "sqlalchemy", "fastapi", "colonnade", "asyncpg", "pydantic", "alembic")


def canonical(name: str) -> str:
    """The canonical name of a dotted path in a library."""
    return SPELLINGS.get(name, name)


# The names that `from library import *` brings in, as far as rules use them.
STARS: dict[str, frozenset[str]] = {
    "sqlmodel": frozenset(
        {"SQLModel", "Field", "Relationship", "Session", "select", "col", *_SQLALCHEMY}
    ),
    "colonnade": frozenset(
        {"SQLModel", "Field", "Relationship", "Session", "AsyncSession", "select", "col",
         "Database", "Resource", "Timestamps", "Unscoped", *_SQLALCHEMY}
    ),
    "sqlalchemy": frozenset({*_SQLALCHEMY, "select"}),
    "sqlalchemy.orm": frozenset(_ORM),
    "sqlalchemy.ext.asyncio": frozenset(_ASYNC),
    "fastapi": frozenset({"FastAPI", "APIRouter", "Depends", "Query", "HTTPException", "Body"}),
    "datetime": frozenset({"datetime", "date", "time", "timedelta", "timezone"}),
    "typing": frozenset({"Optional", "List", "Literal", "Annotated", "Union", "Dict", "Any"}),
}  # fmt: skip
