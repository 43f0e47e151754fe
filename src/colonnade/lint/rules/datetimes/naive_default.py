"""CLN108."""

import ast
from collections.abc import Iterator

from colonnade.lint._context import Context
from colonnade.lint._findings import Finding, Fix
from colonnade.lint._rule import Rule
from colonnade.lint.project._models import ModelField
from colonnade.lint.project._project import ModuleScope
from colonnade.lint.rules.datetimes._time_zones import (
    NOW,
    TOGETHER,
    UTC_NOW,
    aware_column,
    is_naive_column,
)

NAIVE = frozenset({NOW, UTC_NOW})
UTC = frozenset({UTC_NOW, "datetime.datetime.utcfromtimestamp"})
ZONES = frozenset({"datetime.timezone.utc", "datetime.UTC"})
DEPTH = 4  # of functions that call each other
DEFAULTS = ("default_factory", "default", "insert_default", "onupdate")


class NaiveDefault(Rule):
    """A time column's default is a time without a zone.

    `datetime.now` and `datetime.utcnow` say what a clock showed, not where. sqlmodel since 0.0.45
    stores times in UTC and refuses them ("Datetime values must have timezone information", a 500 on
    the first insert); before, servers in two zones stored times that cannot be compared.

    Colonnade takes a naive time for local time, as Python does: `datetime.now` is right there, and
    `datetime.utcnow` is stored hours off wherever local time is not UTC. The same is true of
    `datetime.now(timezone.utc).replace(tzinfo=None)` and of functions that return either.
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
            for whole in _factories(field):
                called = _naive(context, field, whole)
                if not called:
                    continue
                edits = aware_column(context, field)
                fix = Fix("Take the time in UTC", edits, safe=False) if edits else None
                message = f"`{field.name}` is given a time without a zone by {called}"
                if _is_colonnade(field):
                    message += ", which is stored as if UTC were the local time"
                yield context.finding(self.code, whole, message, fix=fix, advice=TOGETHER)


def _factories(field: ModelField) -> Iterator[ast.expr]:
    """What gives a column times that nobody wrote."""
    options = dict(field.options)
    more = options.get("sa_column_kwargs")
    if _is_colonnade(field) and isinstance(more, ast.Dict):
        for key, value in zip(more.keys, more.values, strict=True):
            if isinstance(key, ast.Constant):
                options[str(key.value)] = value
    yield from (options[name] for name in DEFAULTS if name in options)


def _naive(context: Context, field: ModelField, factory: ast.expr) -> str:
    """What gives a column times without a zone that it does not take as they are meant."""
    if _is_colonnade(field):
        is_naive = is_naive_column(context, field)
        return (
            ""
            if is_naive
            else _gives_naive_utc(ModuleScope(context.project, field.owner.module), factory)
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


def _gives_naive_utc(scope: ModuleScope, factory: ast.expr, depth: int = 0) -> str:
    """What gives UTC without a zone: ``utcnow``, what calls it, or what takes the zone away."""
    if scope.resolve(factory) in UTC:
        return "`datetime.utcnow`"
    if isinstance(factory, ast.Lambda):
        return _is_naive_utc(scope, factory.body, depth)
    called = scope.project.function(scope.resolve(factory))
    if called is None or depth > DEPTH:
        return ""
    function, module = called
    there = ModuleScope(scope.project, module)
    returned = [
        statement.value for statement in ast.walk(function) if isinstance(statement, ast.Return)
    ]
    sources = {
        _is_naive_utc(there, value, depth + 1) if value is not None else "" for value in returned
    }
    return f"`{function.name}()`" if sources and "" not in sources else ""


def _is_naive_utc(scope: ModuleScope, node: ast.expr, depth: int) -> str:
    match node:
        case ast.BinOp(left=left):
            return _is_naive_utc(scope, left, depth)
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
            return _gives_naive_utc(scope, func, depth)
    return ""
