"""The base classes of migration steps, and the helpers that run their SQL.

On PostgreSQL a step does its slow work without blocking writes: it builds an index CONCURRENTLY,
adds a constraint NOT VALID before validating it, sets NOT NULL by way of a validated CHECK, and
updates rows in batches. That takes several transactions, so every step can be run again after an
interruption at any point. On SQLite, where one writer locks out all others anyway, a step is part
of the revision's transaction.

See https://squawkhq.com/docs/rules and the notes on ALTER TABLE in PostgreSQL's documentation.
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

from colonnade._sqlalchemy_compat import doubles_percent_signs

ASIDE_SUFFIX = "__dropped"
"""The suffix of the name of a column or table that was put aside; a number may follow it."""

_ASIDE = re.compile(rf"(.+){ASIDE_SUFFIX}\d*")


def is_aside(name: str) -> bool:
    """Return whether the name is that of a column or table that was put aside."""
    return _ASIDE.fullmatch(name) is not None


def name_before_aside(name: str) -> str:
    """Return the original name of a column or table that was put aside."""
    match = _ASIDE.fullmatch(name)
    return name if match is None else match[1]


def aside_name(name: str, taken: Container[str]) -> str:
    """Return an unused name for a column or table that is put aside.

    Args:
        name: The current name.
        taken: The names in use.
    """
    number = 2
    aside = f"{name}{ASIDE_SUFFIX}"
    while aside in taken:
        aside = f"{name}{ASIDE_SUFFIX}{number}"
        number += 1
    return aside


BATCH_SIZE = 10_000
"""Rows changed in one transaction: a fraction of a second even on slow disks."""

Condition = str | ColumnElement[bool]


class by_dialect(ColumnElement[bool]):  # noqa: N801 - it is written like a function
    """A condition or value whose SQL differs between databases.

    Args:
        sqlite: The SQL for SQLite.
        postgresql: The SQL for PostgreSQL.

    Examples:
        ```python
        from colonnade.migrations import steps


        def upgrade() -> None:
            condition = steps.by_dialect(
                sqlite="title <> '' AND title NOT GLOB '*[0-9]*'",
                postgresql="title ~ '^[^0-9]+$'",
            )
            steps.add_check("ck_task_title", "task", condition)
        ```
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
    """An operation written as a call to a function of ``colonnade.migrations.steps``.

    The fields of each subclass are the arguments of that function.

    Attributes:
        function: The name of the function.
        description: A format string for ``str(step)``.
        schema: The schema of the table or type; None for the default schema.
    """

    function: ClassVar[str]
    description: ClassVar[str]
    schema: str | None = field(default=None, kw_only=True)

    def __str__(self) -> str:
        """Describe the step in a few words."""
        return self.description.format(self)

    def run(self, operations: Operations) -> None:
        """Run the step."""
        raise NotImplementedError  # implemented by every step

    def reverse(self) -> MigrateOperation:
        """Return the step that undoes this one.

        Only steps that run before the tables are compared implement it; for the others, the
        downgrade results from the comparison.
        """
        raise NotImplementedError  # nothing asks the other steps for it

    def commits(self, dialect: str) -> bool:
        """Return whether the step takes several transactions on a database."""
        return False

    def batch_alter(self, operations: Operations) -> AbstractContextManager[BatchOperations]:
        """Return Alembic's batch for the step's table, which copies the table on SQLite."""
        table: str = self.table  # type: ignore[attr-defined]  # every caller has one
        return operations.batch_alter_table(table, schema=self.schema)


@Operations.implementation_for(Step)
def _run(operations: Operations, step: Step) -> None:
    step.run(operations)


@dataclass(frozen=True, eq=False)
class TableStep(Step):
    """A step on a table."""

    table: str

    def sql_table(self, operations: Operations) -> str:
        """Return the table's quoted name."""
        return quoted(operations, self.table, self.schema)


class CommitsOnPostgreSQL:
    """A mixin for steps that take several transactions on PostgreSQL."""

    def commits(self, dialect: str) -> bool:
        return dialect == "postgresql"


def on_postgresql(operations: Operations) -> bool:
    """Return whether the database is PostgreSQL."""
    return operations.migration_context.dialect.name == "postgresql"


def quoted(operations: Operations, name: str, schema: str | None = None) -> str:
    """Quote a name, qualified with its schema."""
    dialect = operations.migration_context.dialect
    preparer = dialect.identifier_preparer
    table = preparer.quote(name)
    return _without_doubled_percents(
        dialect, f"{preparer.quote_schema(schema)}.{table}" if schema else table
    )


def literal(operations: Operations, value: Any) -> str:
    """Render a value as an SQL literal."""
    dialect = operations.migration_context.dialect
    if isinstance(value, bytes):
        return bytes_literal(value, dialect)
    if isinstance(value, str):
        value = str.__str__(value)  # SQLAlchemy cannot render its own subclasses of str
    expression = value if isinstance(value, sa.ClauseElement) else sa.literal(value)
    sql = str(expression.compile(dialect=dialect, compile_kwargs={"literal_binds": True}))
    return _without_doubled_percents(dialect, sql)


def bytes_literal(value: bytes, dialect: Dialect) -> str:
    """Render bytes as an SQL literal; SQLAlchemy would render them as text."""
    digits = value.hex()
    return f"'\\x{digits}'::bytea" if dialect.name == "postgresql" else f"X'{digits}'"


def _without_doubled_percents(dialect: Dialect, sql: str) -> str:
    """Undo SQLAlchemy's doubling of percent signs: ``text()`` would double them again."""
    return sql.replace("%%", "%") if doubles_percent_signs(dialect) else sql


def condition_sql(operations: Operations, condition: Condition) -> str:
    """Render a condition as SQL."""
    return condition if isinstance(condition, str) else literal(operations, condition)


def run_sql(operations: Operations, *statements: str) -> None:
    """Run SQL statements, in which colons do not begin parameters."""
    context = operations.migration_context
    for statement in statements:
        if context.as_sql:
            context.impl.static_output(f"{statement};\n")
            continue
        operations.execute(sa.text(statement.replace(":", "\\:")))


@contextmanager
def outside_transaction(
    operations: Operations, *, ignore_lock_timeout: bool = False
) -> Iterator[None]:
    """Commit the current transaction, and run each statement in autocommit mode.

    Args:
        operations: Alembic's operations.
        ignore_lock_timeout: Wait for locks without a limit. Use it only for statements that do
            not block other sessions while they wait.
    """
    context = operations.migration_context
    if context.opts.get("colonnade_outside"):  # nested in a step that is in autocommit mode
        yield
        return
    with context.autocommit_block(), _autocommit_marked(context.opts):
        if not ignore_lock_timeout or context.as_sql or context.connection is None:
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
def _autocommit_marked(options: dict[str, Any]) -> Iterator[None]:
    options["colonnade_outside"] = True
    try:
        yield
    finally:
        del options["colonnade_outside"]


@contextmanager
def undo_on_failure(operations: Operations, *statements: str, remains: str = "") -> Iterator[None]:
    """If the step fails, undo what it has already committed.

    Args:
        operations: Alembic's operations, outside a transaction.
        statements: The statements that undo it.
        remains: A description of the changes that cannot be undone.
    """
    context = operations.migration_context
    try:
        yield
    except DBAPIError as error:
        if context.as_sql or error.connection_invalidated:
            raise
        with suppress(DBAPIError):  # if this fails too, the step is reported as interrupted
            run_sql(operations, *statements)
            context.opts["colonnade_undone"] = remains
        raise


def alembic_condition(condition: Condition) -> Any:
    """Convert a condition for Alembic, which would read a colon in it as a parameter."""
    return sa.text(condition.replace(":", "\\:")) if isinstance(condition, str) else condition
