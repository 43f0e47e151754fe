"""Steps of a revision that are safe on a table in use, as operations of Alembic.

On PostgreSQL a step does its long part where it blocks no write: an index is built CONCURRENTLY,
a constraint is added NOT VALID and validated, NOT NULL goes through a checked constraint, values
are filled in batches. That takes several transactions, so each step can be run again after it was
interrupted at any point. On SQLite, where one writer locks out all others anyway, a step is part
of the revision's transaction.

The recipes: https://squawkhq.com/docs/rules and PostgreSQL's notes on ALTER TABLE.
"""

import re
from collections.abc import Container, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, ClassVar

import sqlalchemy as sa
from alembic.operations import BatchOperations, Operations
from alembic.operations.ops import MigrateOperation
from sqlalchemy import ColumnElement
from sqlalchemy.engine.interfaces import Dialect
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.compiler import compiles

ASIDE = "__dropped"
"""What the name of a column or table ends with that was put aside; a number may follow."""

_ASIDE = re.compile(rf"(.+){ASIDE}\d*")


def is_aside(name: str) -> bool:
    """Whether a column or table of that name was put aside."""
    return _ASIDE.fullmatch(name) is not None


def before_aside(name: str) -> str:
    """The name that something had before it was put aside."""
    match = _ASIDE.fullmatch(name)
    return name if match is None else match[1]


def aside_name(name: str, taken: Container[str]) -> str:
    """A name for something that is put aside, which nothing else has.

    Args:
        name: Its name.
        taken: The names that are there.
    """
    number = 2
    aside = f"{name}{ASIDE}"
    while aside in taken:
        aside = f"{name}{ASIDE}{number}"
        number += 1
    return aside


BATCH = 10_000
"""Rows changed in one transaction: a fraction of a second on the slowest disks in use."""

Condition = str | ColumnElement[bool]


class by_dialect(ColumnElement[bool]):  # noqa: N801 - it is written like a function
    """A condition that each database has its own words for.

    Args:
        sqlite: In SQLite's.
        postgresql: In PostgreSQL's.
    """

    inherit_cache = False
    type = sa.Boolean()

    def __init__(self, *, sqlite: str, postgresql: str) -> None:
        self.texts = {"sqlite": sqlite, "postgresql": postgresql}


@compiles(by_dialect)
def _compile_by_dialect(element: by_dialect, compiler: Any, **_: Any) -> str:
    return element.texts.get(compiler.dialect.name, element.texts["sqlite"])


@dataclass(frozen=True, eq=False)
class Step(MigrateOperation):
    """One step. Its fields are the arguments of the function of ``steps`` it is written as."""

    function: ClassVar[str]
    words: ClassVar[str]
    schema: str | None = field(default=None, kw_only=True)

    def __str__(self) -> str:
        """What it does, in a few words."""
        return self.words.format(self)

    def run(self, operations: Operations) -> None:
        """Do it."""
        raise NotImplementedError  # each step does

    def reverse(self) -> MigrateOperation:
        """What undoes it, of the steps that are done before tables are compared."""
        raise NotImplementedError  # the others' undoing is compared for

    def commits(self, dialect: str) -> bool:
        """Whether it takes several transactions."""
        return False

    def altering(self, operations: Operations) -> AbstractContextManager[BatchOperations]:
        """Alembic's batch on its table: in place on PostgreSQL, by a copy on SQLite."""
        table: str = self.table  # type: ignore[attr-defined]  # each step has one
        return operations.batch_alter_table(table, schema=self.schema)


@Operations.implementation_for(Step)
def _run(operations: Operations, step: Step) -> None:
    step.run(operations)


@dataclass(frozen=True, eq=False)
class TableStep(Step):
    """A step on a table."""

    table: str

    def sql_table(self, operations: Operations) -> str:
        """The table's name as SQL."""
        return quoted(operations, self.table, self.schema)


class Concurrent:
    """A step that commits on its way, on PostgreSQL."""

    def commits(self, dialect: str) -> bool:
        return dialect == "postgresql"


def on_postgresql(operations: Operations) -> bool:
    """Whether the database is PostgreSQL."""
    return operations.migration_context.dialect.name == "postgresql"


def quoted(operations: Operations, name: str, schema: str | None = None) -> str:
    """A name as SQL, with its schema."""
    dialect = operations.migration_context.dialect
    preparer = dialect.identifier_preparer
    table = preparer.quote(name)
    return _undoubled(dialect, f"{preparer.quote_schema(schema)}.{table}" if schema else table)


def literal(operations: Operations, value: Any) -> str:
    """A value as SQL, as the database reads it."""
    dialect = operations.migration_context.dialect
    if isinstance(value, bytes):
        return bytes_literal(value, dialect)
    if isinstance(value, str):
        value = str.__str__(value)  # SQLAlchemy does not know its own subclasses of it
    expression = value if isinstance(value, sa.ClauseElement) else sa.literal(value)
    sql = str(expression.compile(dialect=dialect, compile_kwargs={"literal_binds": True}))
    return _undoubled(dialect, sql)


def bytes_literal(value: bytes, dialect: Dialect) -> str:
    """Bytes as SQL, whatever they are: SQLAlchemy would write them as text."""
    digits = value.hex()
    return f"'\\x{digits}'::bytea" if dialect.name == "postgresql" else f"X'{digits}'"


def _undoubled(dialect: Dialect, sql: str) -> str:
    """SQL with single percent signs: SQLAlchemy doubles them in the text that it runs."""
    return sql.replace("%%", "%") if dialect.identifier_preparer._double_percents else sql


def condition_text(operations: Operations, condition: Condition) -> str:
    """A condition as SQL."""
    return condition if isinstance(condition, str) else literal(operations, condition)


def run_sql(operations: Operations, *statements: str) -> None:
    """Run statements that may have colons and percent signs in them."""
    context = operations.migration_context
    for statement in statements:
        if context.as_sql:
            context.impl.static_output(f"{statement};\n")
            continue
        operations.execute(sa.text(statement.replace(":", "\\:")))


@contextmanager
def outside_transaction(operations: Operations, *, patient: bool = False) -> Iterator[None]:
    """Commit what came before; each statement is its own transaction.

    Args:
        operations: Alembic's.
        patient: Wait for locks as long as it takes: for statements that make nobody else wait.
    """
    context = operations.migration_context
    if context.opts.get("colonnade_outside"):  # inside a step that is there already
        yield
        return
    with context.autocommit_block(), _marked(context.opts):
        if not patient or context.as_sql or context.connection is None:
            yield
            return
        before = context.connection.scalar(sa.text("SHOW lock_timeout"))
        run_sql(operations, "SET lock_timeout = 0")
        try:
            yield
        finally:
            if not context.connection.invalidated and not context.connection.closed:
                run_sql(operations, f"SET lock_timeout = '{before}'")


@contextmanager
def _marked(options: dict[str, Any]) -> Iterator[None]:
    options["colonnade_outside"] = True
    try:
        yield
    finally:
        del options["colonnade_outside"]


@contextmanager
def undone_on_failure(operations: Operations, *statements: str, but: str = "") -> Iterator[None]:
    """Take back what a step has committed so far if it fails, so that nothing of it stays.

    Args:
        operations: Alembic's, outside a transaction.
        statements: What takes it back.
        but: What stays nevertheless.
    """
    context = operations.migration_context
    try:
        yield
    except DBAPIError as error:
        if context.as_sql or error.connection_invalidated:
            raise
        with suppress(DBAPIError):  # what stays is reported as a step that was begun
            run_sql(operations, *statements)
            context.opts["colonnade_undone"] = but
        raise


def checkable(condition: Condition) -> Any:
    """A condition as Alembic takes it: no colon in it begins a parameter."""
    return sa.text(condition.replace(":", "\\:")) if isinstance(condition, str) else condition
