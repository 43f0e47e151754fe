"""A value for rows that have none where one is needed: of the type, and one that CHECKs accept."""

from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError
from sqlalchemy.types import TypeEngine

from colonnade.migrations.autogenerate._reflected import sql_name
from colonnade.migrations.autogenerate._schema_history import Name, SchemaHistory
from colonnade.migrations.operations import by_dialect
from colonnade.migrations.operations._literals import stored_literal
from colonnade.migrations.operations._types import plain_type, postgresql_type


def neutral_for(
    connection: Connection, ledger: SchemaHistory, name: Name, kind: TypeEngine[Any]
) -> Any:
    """What rows get that have no value in a column that comes back.

    Args:
        connection: A database, to ask what the CHECKs of the history accept.
        ledger: What the history said.
        name: The column.
        kind: Its type, where the history did not say it.
    """
    plain = plain_type(ledger.types.get(name, kind))

    def accepts(value: Any) -> bool:
        return all(
            holds(connection, condition, name[2], value, plain)
            for condition in ledger.conditions_on(*name)
        )

    return ledger.neutral(name, plain, accepts)


def holds(
    connection: Connection, condition: Any, column: str, value: Any, kind: TypeEngine[Any]
) -> bool:
    """Whether a condition on one column accepts a value; so it does if it names others."""
    dialect = connection.dialect
    text = condition.texts[dialect.name] if isinstance(condition, by_dialect) else str(condition)
    literal = _as_sql(value, kind, dialect)
    if dialect.name == "postgresql":
        literal = f"({literal})::{postgresql_type(kind)}"
    query = f"SELECT ({text}) IS NOT FALSE FROM (SELECT {literal} AS {sql_name(column)}) AS x"  # noqa: S608
    nested = connection.begin_nested() if dialect.name == "postgresql" else None
    try:
        return bool(connection.execute(sa.text(query.replace(":", "\\:"))).scalar_one())
    except DBAPIError:
        return True
    finally:
        if nested is not None:
            nested.rollback()


def _as_sql(value: Any, kind: TypeEngine[Any], dialect: Any) -> str:
    if isinstance(value, sa.ClauseElement):
        return str(value.compile(dialect=dialect, compile_kwargs={"literal_binds": True}))
    return stored_literal(value, kind, dialect)
