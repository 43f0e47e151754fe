"""The rule CLN505, key-type-mismatch."""

from collections.abc import Iterator
from typing import Any

from sqlalchemy import types as sqltypes

from colonnade.lint._findings import Finding
from colonnade.lint.schema._rule import Schema, SchemaRule

TYPE_NAMES: tuple[tuple[type[sqltypes.TypeEngine[Any]], str], ...] = (
    (sqltypes.BigInteger, "BIGINT"),
    (sqltypes.SmallInteger, "SMALLINT"),
    (sqltypes.Integer, "INTEGER"),
    (sqltypes.Uuid, "UUID"),
    (sqltypes.String, "text"),
    (sqltypes.DateTime, "a time"),
    (sqltypes.Date, "a date"),
    (sqltypes.Float, "a float"),
    (sqltypes.Numeric, "NUMERIC"),
    (sqltypes.LargeBinary, "bytes"),
)


class KeyTypeMismatch(SchemaRule):
    """A foreign key and the column that it refers to have different types.

    PostgreSQL refuses to create a text key that refers to a number. It accepts INTEGER for BIGINT,
    until the parent's keys outgrow it. SQLite accepts any type, and compares values by its own
    rules. Use the same type.
    """

    code = "CLN505"
    name = "key-type-mismatch"
    bad = """
class Worker(SQLModel, table=True):
    id: str = Field(primary_key=True)


class Task(SQLModel, table=True):
    id: int | None = Field(default=None, primary_key=True)
    worker_id: int | None = Field(default=None, foreign_key="worker.id", index=True)
"""
    good = """
class Worker(SQLModel, table=True):
    id: str = Field(primary_key=True)


class Task(SQLModel, table=True):
    id: int | None = Field(default=None, primary_key=True)
    worker_id: str | None = Field(default=None, foreign_key="worker.id", index=True)
"""

    def check(self, schema: Schema) -> Iterator[Finding]:
        for table in schema.tables:
            for column in table.columns:
                for key in column.foreign_keys:
                    target = key.column
                    own_type, target_type = _type_name(column.type), _type_name(target.type)
                    if own_type != target_type:
                        message = (
                            f"`{column.name}` is {own_type}, but refers to "
                            f"`{target.table.name}.{target.name}`, which is {target_type}"
                        )
                        yield schema.finding(
                            self.code, table, message, "Use the same type for both"
                        )


def _type_name(sql_type: "sqltypes.TypeEngine[Any]") -> str:
    """The kind of a column type, for comparing keys."""
    if isinstance(sql_type, sqltypes.TypeDecorator):
        sql_type = sql_type.impl_instance
    for base, name in TYPE_NAMES:
        if isinstance(sql_type, base):
            return name
    return type(sql_type).__name__
