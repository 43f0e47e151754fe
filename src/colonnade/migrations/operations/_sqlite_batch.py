"""Alembic's batch mode on SQLite, without losing what Alembic does not copy.

SQLite can alter little of a table in place, so Alembic copies the table. The reflected table lacks
unnamed CHECKs, triggers, expression indexes, collations and AUTOINCREMENT.
"""

import re
from typing import Any

import sqlalchemy as sa
from alembic.ddl.sqlite import SQLiteImpl
from sqlalchemy.ext.compiler import compiles

from colonnade.errors import MigrationError
from colonnade.migrations._alembic_compat import TEMPORARY_TABLE_PREFIX, execute
from colonnade.migrations.autogenerate._reflected import (
    checks_in,
    collations_in,
    has_expression,
    uniques_of,
)
from colonnade.migrations.operations._conversions import conversion
from colonnade.migrations.operations._types import plain_type


class PreservingSQLiteImpl(SQLiteImpl):
    """Alembic's SQLite implementation, with transactional DDL and complete table copies.

    Alembic uses the class that was defined last for a dialect: importing this module is enough.
    """

    __dialect__ = "sqlite"
    transactional_ddl = True
    changed_type: Any = None
    """The step that runs now, if it is ``ChangeType``. It knows the old type: reflected, a UUID is
    CHAR(32)."""

    def requires_recreate_in_batch(self, batch_op: Any) -> bool:
        if not super().requires_recreate_in_batch(batch_op):
            return False
        if self.connection is not None and not self.as_sql:
            self._save_objects(batch_op)
        return True

    def autogen_column_reflect(self, inspector: Any, table: Any, column_info: Any) -> None:
        """Treat primary keys as NOT NULL, as models do; SQLite itself allows NULL in them."""
        super().autogen_column_reflect(inspector, table, column_info)
        if column_info.get("primary_key"):
            column_info["nullable"] = False

    def cast_for_batch_migrate(self, existing: Any, existing_transfer: Any, new_type: Any) -> None:
        """Convert values between the storage formats of the types, where Alembic would CAST.

        Raises:
            MigrationError: The column has values, and no conversion is known.
        """
        step = self.changed_type
        type_conversion = (
            step.conversion()
            if step is not None and step.column == existing.name
            else conversion(plain_type(existing.type), plain_type(new_type))
        )
        name = self.dialect.identifier_preparer.quote(existing.name)
        source = existing_transfer["expr"]
        if type_conversion is None:
            self._check_empty(source, name, new_type)
            existing_transfer["expr"] = _ConvertedColumn(source, "NULL")
        elif type_conversion.sqlite != "{c}":
            existing_transfer["expr"] = _ConvertedColumn(
                source, str(type_conversion.value("sqlite", name))
            )

    def _check_empty(self, column: Any, name: str, new_type: Any) -> None:
        if self.as_sql or self.connection is None:
            return
        table = self.dialect.identifier_preparer.quote(column.table.name)
        query = f"SELECT {name} FROM {table} WHERE {name} IS NOT NULL LIMIT 1"  # noqa: S608
        row = self.connection.exec_driver_sql(query).first()
        if row is not None:
            raise MigrationError(
                f"Cannot change the type of {column.table.name}.{column.name} to {new_type!r}: "
                f"the column holds {row[0]!r}, and no conversion to that type is known. Change "
                "such values first, or add a new column of that type."
            )

    def prep_table_for_batch(self, batch_impl: Any, table: Any) -> None:
        """Leave computed columns out of the copy: the new table computes them."""
        super().prep_table_for_batch(batch_impl, table)
        for key, column in batch_impl.columns.items():
            if column.computed is not None:
                batch_impl.column_transfers[key].pop("expr", None)

    def _save_objects(self, batch_op: Any) -> None:
        connection = self.connection
        assert connection is not None
        objects = connection.execute(
            sa.text(
                "SELECT type, name, sql FROM sqlite_master WHERE tbl_name = :name AND sql != ''"
            ),
            {"name": batch_op.table_name},
        ).all()
        self._saved = [(kind, name, sql) for kind, name, sql in objects if kind != "table"]
        definition = next((sql for kind, _, sql in objects if kind == "table"), "")
        unnamed = [condition for name, condition in checks_in(definition) if name is None]
        batch_op.table_args = (
            *batch_op.table_args,
            *(sa.CheckConstraint(sa.text(condition.replace(":", "\\:"))) for condition in unnamed),
        )
        reflected = sa.inspect(connection).get_unique_constraints(batch_op.table_name)
        known = {tuple(unique["column_names"]) for unique in reflected}
        batch_op.table_args += tuple(
            sa.UniqueConstraint(*columns)  # in a notation that SQLAlchemy does not reflect
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
        rebuilt = old_table_name.startswith(TEMPORARY_TABLE_PREFIX) and not self.as_sql
        if rebuilt:  # otherwise SQLite would check views and triggers on the table too early
            execute(self, "PRAGMA legacy_alter_table=ON")
        super().rename_table(old_table_name, new_table_name, schema)
        if rebuilt:
            execute(self, "PRAGMA legacy_alter_table=OFF")
            self._recreate_objects(str(new_table_name))

    def _recreate_objects(self, table: str) -> None:
        connection = self.connection
        assert connection is not None
        for kind, name, sql in getattr(self, "_saved", []):
            reflected = kind == "index" and not has_expression(sql)
            if not reflected and not _exists(connection, name):
                execute(self, sql)
        self._saved = []


def reflect_foreign_key_actions(dialect: Any) -> None:
    """Make an engine reflect ON DELETE and ON UPDATE of all foreign keys.

    SQLAlchemy reflects them for table constraints, not for column constraints: a table copy would
    lose the latter.

    Args:
        dialect: The engine's dialect, which is modified.
    """
    original = type(dialect).get_foreign_keys

    def get_foreign_keys(connection: Any, table_name: str, schema: Any = None, **kw: Any) -> Any:
        foreign_keys = original(dialect, connection, table_name, schema, **kw)
        quoted = table_name.replace('"', '""')
        rules: dict[int, tuple[list[str], dict[str, str]]] = {}
        for row in connection.execute(sa.text(f'PRAGMA foreign_key_list("{quoted}")')).all():
            actions = {"onupdate": row[5], "ondelete": row[6]}
            columns, _ = rules.setdefault(
                row[0], ([], {key: rule for key, rule in actions.items() if rule != "NO ACTION"})
            )
            columns.append(row[3])
        by_columns = {tuple(sorted(columns)): options for columns, options in rules.values()}
        for key in foreign_keys:
            options = by_columns.get(tuple(sorted(key["constrained_columns"])), {})
            key["options"] = {**options, **key.get("options", {})}
        return foreign_keys

    dialect.get_foreign_keys = get_foreign_keys


class _ConvertedColumn(sa.ColumnElement[Any]):
    """A column's value in the storage format of another type."""

    inherit_cache = False

    def __init__(self, column: sa.Column[Any], sql: str) -> None:
        self.column = column
        self.sql = sql
        self.type = sa.types.NullType()

    @property
    def _from_objects(self) -> Any:
        return self.column._from_objects


@compiles(_ConvertedColumn)
def _compile_converted(element: _ConvertedColumn, compiler: Any, **_: Any) -> str:
    return element.sql


def _exists(connection: sa.Connection, name: str) -> bool:
    query = sa.text("SELECT count(*) FROM sqlite_master WHERE name = :name")
    return bool(connection.scalar(query, {"name": name}))


def _collate(column: Any, collations: dict[str, str]) -> None:
    collation = collations.get(column["name"])
    if collation and isinstance(column["type"], sa.String):
        column["type"] = sa.String(column["type"].length, collation=collation)
