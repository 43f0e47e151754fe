"""CLN505."""

from collections.abc import Iterator
from typing import Any

from sqlalchemy import types as sqltypes

from colonnade.lint._findings import Finding
from colonnade.lint.schema._rule import Schema, SchemaRule

FAMILIES: tuple[tuple[type[sqltypes.TypeEngine[Any]], str], ...] = (
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
    """A foreign key has another type than the column it refers to.

    PostgreSQL refuses text for a number when the table is made; INTEGER for BIGINT it takes, until
    the parent's keys outgrow it; SQLite takes anything and compares it as it likes.
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
                    mine, theirs = _family(column.type), _family(target.type)
                    if mine != theirs:
                        message = (
                            f"`{column.name}` is {mine}, and `{target.table.name}.{target.name}`, "
                            f"which it refers to, {theirs}"
                        )
                        yield schema.finding(self.code, table, message)


def _family(kind: "sqltypes.TypeEngine[Any]") -> str:
    """What sort of type a column has, as far as a key is concerned."""
    if isinstance(kind, sqltypes.TypeDecorator):
        kind = kind.impl_instance
    for sql_type, name in FAMILIES:
        if isinstance(kind, sql_type):
            return name
    return type(kind).__name__
