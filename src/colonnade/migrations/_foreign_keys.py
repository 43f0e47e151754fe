"""The foreign keys of a database and of models, as the steps that add them."""

from collections.abc import Iterable
from typing import Any

import sqlalchemy as sa
from alembic.operations import ops
from sqlalchemy import Connection, MetaData

from colonnade.migrations._operations import AddForeignKey
from colonnade.migrations._stored import Key


def foreign_keys_in(connection: Connection, tables: Iterable[Key]) -> list[AddForeignKey]:
    """Those of a database's tables that have a name."""
    inspector = sa.inspect(connection)
    return [
        foreign_key_of(key, name, schema)
        for schema, name in tables
        for key in inspector.get_foreign_keys(name, schema)
        if key["name"] is not None
    ]


def foreign_keys_of(metadata: MetaData) -> list[AddForeignKey]:
    """Those of models' tables that have a name."""
    return [
        AddForeignKey(
            str(key.name),
            table.name,
            [column.name for column in key.columns],
            element.column.table.name,
            [one.column.name for one in key.elements],
            ondelete=key.ondelete,
            onupdate=key.onupdate,
            deferrable=key.deferrable,
            initially=key.initially,
            schema=table.schema,
            target_schema=element.column.table.schema,
        )
        for table in metadata.tables.values()
        for key in table.foreign_key_constraints
        if key.name is not None and (element := key.elements[0])
    ]


def foreign_key_of(key: Any, table: str, schema: str | None) -> AddForeignKey:
    """What adds a foreign key, as SQLAlchemy's inspector read it."""
    options = key.get("options", {})
    return AddForeignKey(
        key["name"],
        table,
        key["constrained_columns"],
        key["referred_table"],
        key["referred_columns"],
        ondelete=options.get("ondelete"),
        onupdate=options.get("onupdate"),
        deferrable=options.get("deferrable"),
        initially=options.get("initially"),
        schema=schema,
        target_schema=key["referred_schema"],
    )


def foreign_key_step(added: ops.CreateForeignKeyOp) -> AddForeignKey:
    """Alembic's operation on a foreign key as our step."""
    rules = {name: added.kw.get(name) for name in ("ondelete", "onupdate")}
    return AddForeignKey(
        str(added.constraint_name),
        added.source_table,
        [str(one) for one in added.local_cols],
        added.referent_table,
        [str(one) for one in added.remote_cols],
        **rules,
        deferrable=added.kw.get("deferrable"),
        initially=added.kw.get("initially"),
        schema=added.kw.get("source_schema"),
        target_schema=added.kw.get("referent_schema"),
    )
