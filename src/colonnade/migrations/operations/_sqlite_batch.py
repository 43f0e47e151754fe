"""SQLite's tables, written anew without losing what Alembic does not carry over.

SQLite changes little of a table in place: Alembic copies it (batch mode). What it reads of the
old table lacks unnamed CHECKs, triggers, indexes on expressions, collations and AUTOINCREMENT.
"""

import re
from typing import Any

import sqlalchemy as sa
from alembic.ddl.sqlite import SQLiteImpl
from sqlalchemy.ext.compiler import compiles

from colonnade.errors import MigrationError
from colonnade.migrations.autogenerate._reflected import (
    checks_in,
    collations_in,
    has_expression,
    uniques_of,
)
from colonnade.migrations.operations._conversions import conversion
from colonnade.migrations.operations._types import plain_type

_TEMPORARY = "_alembic_tmp_"


class KeepingSQLiteImpl(SQLiteImpl):
    """Alembic's SQLite, in transactions and keeping what a table has.

    Alembic takes the last class of a dialect's name: importing this module is enough.
    """

    __dialect__ = "sqlite"
    transactional_ddl = True
    retyped: tuple[str | None, Any] = (None, None)
    """A column whose type a step changes, and the type it has: read back, a UUID is CHAR(32)."""

    def requires_recreate_in_batch(self, batch_op: Any) -> bool:
        if not super().requires_recreate_in_batch(batch_op):
            return False
        if self.connection is not None and not self.as_sql:
            self._remember(batch_op)
        return True

    def autogen_column_reflect(self, inspector: Any, table: Any, column_info: Any) -> None:
        """SQLite takes NULL in a key that does not say NOT NULL; no model does."""
        super().autogen_column_reflect(inspector, table, column_info)
        if column_info.get("primary_key"):
            column_info["nullable"] = False

    def cast_for_batch_migrate(self, existing: Any, existing_transfer: Any, new_type: Any) -> None:
        """Convert values by the form in which their type stores them, where Alembic would CAST.

        Raises:
            MigrationError: No conversion is known, and there are values.
        """
        column, was = self.retyped
        old = was if column == existing.name else existing.type
        converted = conversion(plain_type(old), plain_type(new_type))
        name = self.dialect.identifier_preparer.quote(existing.name)
        source = existing_transfer["expr"]
        if converted is None:
            self._check_empty(source, name, new_type)
            existing_transfer["expr"] = _Converted(source, "NULL")
        elif converted.sqlite != "{c}":
            existing_transfer["expr"] = _Converted(source, str(converted.value("sqlite", name)))

    def _check_empty(self, column: Any, name: str, new_type: Any) -> None:
        if self.as_sql or self.connection is None:
            return
        table = self.dialect.identifier_preparer.quote(column.table.name)
        query = f"SELECT {name} FROM {table} WHERE {name} IS NOT NULL LIMIT 1"  # noqa: S608
        row = self.connection.exec_driver_sql(query).first()
        if row is not None:
            raise MigrationError(
                f"{column.table.name}.{column.name} holds {row[0]!r}, and no conversion to "
                f"{new_type!r} is known. Change such values first, or add a column of the new type."
            )

    def prep_table_for_batch(self, batch_impl: Any, table: Any) -> None:
        """Copy no computed column: the new table computes it."""
        super().prep_table_for_batch(batch_impl, table)
        for key, column in batch_impl.columns.items():
            if column.computed is not None:
                batch_impl.column_transfers[key].pop("expr", None)

    def _remember(self, batch_op: Any) -> None:
        connection = self.connection
        assert connection is not None
        rows = connection.execute(
            sa.text(
                "SELECT type, name, sql FROM sqlite_master WHERE tbl_name = :name AND sql != ''"
            ),
            {"name": batch_op.table_name},
        ).all()
        self._kept = [(kind, name, sql) for kind, name, sql in rows if kind != "table"]
        definition = next((sql for kind, _, sql in rows if kind == "table"), "")
        unnamed = [condition for name, condition in checks_in(definition) if name is None]
        batch_op.table_args = (
            *batch_op.table_args,
            *(sa.CheckConstraint(sa.text(condition.replace(":", "\\:"))) for condition in unnamed),
        )
        reflected = sa.inspect(connection).get_unique_constraints(batch_op.table_name)
        known = {tuple(constraint["column_names"]) for constraint in reflected}
        batch_op.table_args += tuple(
            sa.UniqueConstraint(*columns)  # SQLAlchemy reads not every way to write one
            for columns in uniques_of(connection, batch_op.table_name) - known
        )
        if re.search(r"\bAUTOINCREMENT\b", definition, re.IGNORECASE):
            batch_op.table_kwargs.setdefault("sqlite_autoincrement", True)
        collations = collations_in(definition)
        if collations:
            batch_op.reflect_kwargs["listeners"].append(
                ("column_reflect", lambda _i, _t, column: _collate(column, collations))
            )

    def rename_table(self, old_table_name: str, new_table_name: Any, schema: Any = None) -> None:
        rebuilt = old_table_name.startswith(_TEMPORARY) and not self.as_sql
        if rebuilt:  # else views and triggers that name the table would be looked at too early
            self._exec(sa.text("PRAGMA legacy_alter_table=ON"))
        super().rename_table(old_table_name, new_table_name, schema)
        if rebuilt:
            self._exec(sa.text("PRAGMA legacy_alter_table=OFF"))
            self._restore(str(new_table_name))

    def _restore(self, table: str) -> None:
        connection = self.connection
        assert connection is not None
        for kind, name, sql in getattr(self, "_kept", []):
            reflected = kind == "index" and not has_expression(sql)
            if not reflected and not _is_there(connection, name):
                self._exec(sa.text(sql.replace(":", "\\:")))
        self._kept = []


def read_rules_of_keys(dialect: Any) -> None:
    """Have ON DELETE and ON UPDATE of foreign keys read however they are written.

    SQLAlchemy reads them of keys that stand by themselves, not of those beside a column: such a
    table would lose them when it is written anew.

    Args:
        dialect: The dialect of an engine, which reads from now on.
    """
    stock = type(dialect).get_foreign_keys

    def get_foreign_keys(connection: Any, table_name: str, schema: Any = None, **kw: Any) -> Any:
        keys = stock(dialect, connection, table_name, schema, **kw)
        quoted = table_name.replace('"', '""')
        rules: dict[int, tuple[list[str], dict[str, str]]] = {}
        for row in connection.execute(sa.text(f'PRAGMA foreign_key_list("{quoted}")')).all():
            actions = {"onupdate": row[5], "ondelete": row[6]}
            columns, _ = rules.setdefault(
                row[0], ([], {key: rule for key, rule in actions.items() if rule != "NO ACTION"})
            )
            columns.append(row[3])
        by_columns = {tuple(sorted(columns)): options for columns, options in rules.values()}
        for key in keys:
            options = by_columns.get(tuple(sorted(key["constrained_columns"])), {})
            key["options"] = {**options, **key.get("options", {})}
        return keys

    dialect.get_foreign_keys = get_foreign_keys


class _Converted(sa.ColumnElement[Any]):
    """A column's value as another type stores it."""

    inherit_cache = False

    def __init__(self, column: sa.Column[Any], sql: str) -> None:
        self.column = column
        self.sql = sql
        self.type = sa.types.NullType()

    @property
    def _from_objects(self) -> Any:
        return self.column._from_objects


@compiles(_Converted)
def _compile_converted(element: _Converted, compiler: Any, **_: Any) -> str:
    return element.sql


def _is_there(connection: sa.Connection, name: str) -> bool:
    query = sa.text("SELECT count(*) FROM sqlite_master WHERE name = :name")
    return bool(connection.scalar(query, {"name": name}))


def _collate(column: Any, collations: dict[str, str]) -> None:
    collation = collations.get(column["name"])
    if collation and isinstance(column["type"], sa.String):
        column["type"] = sa.String(column["type"].length, collation=collation)
