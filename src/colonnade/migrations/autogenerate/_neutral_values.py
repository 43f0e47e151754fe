"""Neutral values for rows that lack a required value, which the column's CHECKs accept."""

from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError
from sqlalchemy.types import TypeEngine

from colonnade.migrations.autogenerate._reflected import sql_name
from colonnade.migrations.autogenerate._schema_history import ColumnKey, SchemaHistory
from colonnade.migrations.operations import by_dialect
from colonnade.migrations.operations._literals import stored_literal
from colonnade.migrations.operations._types import plain_type, postgresql_type


def neutral_value_for(
    connection: Connection, schema_history: SchemaHistory, name: ColumnKey, type_: TypeEngine[Any]
) -> Any:
    """Return the value for rows without one in a column that a downgrade restores.

    Args:
        connection: A database in which to evaluate the history's CHECKs.
        schema_history: The history's definitions.
        name: The column.
        type_: The column's type, if the history does not define it.
    """
    plain = plain_type(schema_history.types.get(name, type_))

    def accepts(value: Any) -> bool:
        return all(
            satisfies(connection, condition, name[2], value, plain)
            for condition in schema_history.conditions_on(*name)
        )

    return schema_history.neutral(name, plain, accepts)


def satisfies(
    connection: Connection, condition: Any, column: str, value: Any, type_: TypeEngine[Any]
) -> bool:
    """Return whether a column's value satisfies a condition.

    True if the condition cannot be evaluated, because it depends on other columns for example.
    """
    dialect = connection.dialect
    text = condition.texts[dialect.name] if isinstance(condition, by_dialect) else str(condition)
    value_sql = _as_sql(value, type_, dialect)
    if dialect.name == "postgresql":
        value_sql = f"({value_sql})::{postgresql_type(type_)}"
    query = f"SELECT ({text}) IS NOT FALSE FROM (SELECT {value_sql} AS {sql_name(column)}) AS x"  # noqa: S608
    nested = connection.begin_nested() if dialect.name == "postgresql" else None
    try:
        return bool(connection.execute(sa.text(query.replace(":", "\\:"))).scalar_one())
    except DBAPIError:
        return True
    finally:
        if nested is not None:
            nested.rollback()


def _as_sql(value: Any, type_: TypeEngine[Any], dialect: Any) -> str:
    if isinstance(value, sa.ClauseElement):
        return str(value.compile(dialect=dialect, compile_kwargs={"literal_binds": True}))
    return stored_literal(value, type_, dialect)
