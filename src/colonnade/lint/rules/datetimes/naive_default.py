"""The rule CLN108, naive-default."""

import ast
from collections.abc import Iterator

from colonnade.lint._context import Context
from colonnade.lint._findings import Finding, Fix
from colonnade.lint._rule import Rule
from colonnade.lint.project._models import ModelField
from colonnade.lint.project._project import ModuleScope
from colonnade.lint.rules.datetimes._time_zones import (
    CHANGE_TOGETHER,
    NOW,
    UTC_NOW,
    is_naive_column,
    make_column_aware,
)

NAIVE = frozenset({NOW, UTC_NOW})
UTC = frozenset({UTC_NOW, "datetime.datetime.utcfromtimestamp"})
ZONES = frozenset({"datetime.timezone.utc", "datetime.UTC"})
DEPTH = 4  # of functions that call each other
DEFAULTS = ("default_factory", "default", "insert_default", "onupdate")


class NaiveDefault(Rule):
    """The default of a datetime column has no time zone.

    `datetime.now` and `datetime.utcnow` return naive times. Since version 0.0.45, sqlmodel stores
    times in UTC and refuses naive ones ("Datetime values must have timezone information", a 500 on
    the first insert). Earlier versions store them unchanged, so that servers in two time zones
    store times that cannot be compared. Use `datetime.now(timezone.utc)`.

    Colonnade takes a naive time for local time, as Python does: `datetime.now` is correct there,
    but `datetime.utcnow` is stored hours off unless local time is UTC. The same is true of
    `datetime.now(timezone.utc).replace(tzinfo=None)`, and of functions that return either.
    """

    code = "CLN108"
    name = "naive-default"
    in_tests = False
    in_migrations = False
    fixes = "unsafe"
    bad = """
from datetime import datetime

from sqlmodel import Field, SQLModel


class Task(SQLModel, table=True):
    id: int | None = Field(default=None, primary_key=True)
    created_at: datetime = Field(default_factory=datetime.now)  # CLN108
"""
    good = """
from datetime import datetime, timezone

from sqlmodel import Field, SQLModel


class Task(SQLModel, table=True):
    id: int | None = Field(default=None, primary_key=True)
    created_at: datetime = Field(default_factory=lambda: datetime.now(timezone.utc))
"""

    def check(self, context: Context) -> Iterator[Finding]:
        for field in context.fields:
            for default in _defaults(field):
                source = _naive_source(context, field, default)
                if not source:
                    continue
                edits = make_column_aware(context, field)
                fix = Fix("Use the current time in UTC", edits, safe=False) if edits else None
                message = f"{source} gives `{field.name}` a time without a time zone"
                if _is_colonnade(field):
                    message += ", which is stored as if UTC were the local time"
                yield context.finding(self.code, default, message, fix=fix, advice=CHANGE_TOGETHER)


def _defaults(field: ModelField) -> Iterator[ast.expr]:
    """Yield the defaults of a column, and with Colonnade those in ``sa_column_kwargs``."""
    options = dict(field.options)
    more = options.get("sa_column_kwargs")
    if _is_colonnade(field) and isinstance(more, ast.Dict):
        for key, value in zip(more.keys, more.values, strict=True):
            if isinstance(key, ast.Constant):
                options[str(key.value)] = value
    yield from (options[name] for name in DEFAULTS if name in options)


def _naive_source(context: Context, field: ModelField, factory: ast.expr) -> str:
    """The call in a default whose naive time the column misreads; empty if there is none."""
    if _is_colonnade(field):
        is_naive = is_naive_column(context, field)
        return (
            ""
            if is_naive
            else _naive_utc_source(ModuleScope(context.project, field.owner.module), factory)
        )
    if not (field.owner.is_stock_sqlmodel or field.owner.is_declarative):
        return ""
    if isinstance(factory, ast.Lambda):
        called = factory.body
        if not isinstance(called, ast.Call) or called.args or called.keywords:
            return ""
        factory = called.func
    return (
        f"`{name.removeprefix('datetime.')}`" if (name := context.resolve(factory)) in NAIVE else ""
    )


def _is_colonnade(field: ModelField) -> bool:
    return field.owner.is_sqlmodel and not field.owner.is_stock_sqlmodel


def _naive_utc_source(scope: ModuleScope, factory: ast.expr, depth: int = 0) -> str:
    """The call in a factory that returns UTC without a time zone; empty if there is none.

    That is ``utcnow``, a function that calls it, or one that removes the time zone.
    """
    if scope.resolve(factory) in UTC:
        return "`datetime.utcnow`"
    if isinstance(factory, ast.Lambda):
        return _naive_utc_expression(scope, factory.body, depth)
    called = scope.project.function(scope.resolve(factory))
    if called is None or depth > DEPTH:
        return ""
    function, module = called
    function_scope = ModuleScope(scope.project, module)
    returned = [
        statement.value for statement in ast.walk(function) if isinstance(statement, ast.Return)
    ]
    sources = {
        _naive_utc_expression(function_scope, value, depth + 1) if value is not None else ""
        for value in returned
    }
    return f"`{function.name}()`" if sources and "" not in sources else ""


def _naive_utc_expression(scope: ModuleScope, node: ast.expr, depth: int) -> str:
    match node:
        case ast.BinOp(left=left):
            return _naive_utc_expression(scope, left, depth)
        case ast.Call(
            func=ast.Attribute(value=inner, attr="replace"),
            keywords=[ast.keyword("tzinfo", ast.Constant(None))],
        ):
            is_utc = isinstance(inner, ast.Call) and any(
                scope.resolve(argument) in ZONES
                for argument in (*inner.args, *(keyword.value for keyword in inner.keywords))
            )
            return "`replace(tzinfo=None)`" if is_utc else ""
        case ast.Call(func=func) if scope.resolve(func) in UTC:
            return "`datetime.utcnow`"
        case ast.Call(func=func, args=[]):
            return _naive_utc_source(scope, func, depth)
    return ""
