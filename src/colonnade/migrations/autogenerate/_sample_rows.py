"""Sample rows in a throwaway database, on which a new revision is tested.

Values and NULLs are combined pairwise: for any two columns, every combination occurs in some row.
Rows that violate a constraint are left out.
"""

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.types import TypeEngine

from colonnade.migrations._environment import INTERNAL_TABLES
from colonnade.migrations.autogenerate._neutral_values import satisfies
from colonnade.migrations.autogenerate._reflected import TableKey, literals_in
from colonnade.migrations.autogenerate._schema_history import SchemaHistory
from colonnade.migrations.operations import by_dialect
from colonnade.migrations.operations._conversions import type_family
from colonnade.migrations.operations._literals import candidate_values, stored_literal
from colonnade.migrations.operations._types import is_array, native_enum, plain_type

_FIRST = 1000
"""The first number in sample values: most values that revisions fill in are smaller."""


class SampleRows:
    """Inserts sample rows.

    Args:
        connection: A throwaway database.
        schema_history: The history's definitions of columns and CHECKs.
    """

    def __init__(self, connection: Connection, schema_history: SchemaHistory) -> None:
        self.connection = connection
        self.schema_history = schema_history
        self.dialect = connection.dialect
        self._number = _FIRST

    def insert(self, tables: Iterable[str]) -> None:
        """Insert rows into tables, and into the tables that they refer to.

        Args:
            tables: The names of the tables.
        """
        inspector = sa.inspect(self.connection)
        schemas = {schema for schema, _, _ in self.schema_history.types} | {None}
        existing = {
            (schema, name) for schema in schemas for name in inspector.get_table_names(schema)
        }
        inserted: set[TableKey] = set()
        for key in sorted(existing, key=str):
            if key[1] in set(tables) and key[1] not in INTERNAL_TABLES:
                self._insert_into(inspector, key, inserted)
        self.connection.commit()

    def delete(self, table: str) -> None:
        """Delete the rows of a table, and the rows that refer to them."""
        for schema in {schema for schema, _, _ in self.schema_history.types} | {None}:
            if sa.inspect(self.connection).has_table(table, schema):
                name = self._quoted(schema, table)
                on_postgresql = self.dialect.name == "postgresql"
                sql = f"TRUNCATE {name} CASCADE" if on_postgresql else f"DELETE FROM {name}"  # noqa: S608
                self.connection.exec_driver_sql(sql)
        self.connection.commit()

    def _insert_into(self, inspector: sa.Inspector, key: TableKey, inserted: set[TableKey]) -> None:
        if key in inserted:
            return
        inserted.add(key)
        schema, name = key
        foreign = inspector.get_foreign_keys(name, schema)
        for foreign_key in foreign:
            self._insert_into(
                inspector, (foreign_key["referred_schema"], foreign_key["referred_table"]), inserted
            )
        columns = [
            column
            for column in inspector.get_columns(name, schema)
            if "computed" not in column and not _is_generated_always(column)
        ]
        referring = {
            column_name: (foreign_key, referred_column)
            for foreign_key in foreign
            for column_name, referred_column in zip(
                foreign_key["constrained_columns"], foreign_key["referred_columns"], strict=True
            )
        }
        names, rows = [column["name"] for column in columns], []
        for pattern in _null_patterns(len(columns)):
            self._number += 1
            rows.append([
                self._value_sql(key, column, is_null, referring)
                for column, is_null in zip(columns, pattern, strict=True)
            ])  # fmt: skip
        refers_to_itself = any(
            (foreign_key["referred_schema"], foreign_key["referred_table"]) == key
            for foreign_key in foreign
        )
        if refers_to_itself or not self._insert(key, names, rows):
            for row in rows:
                self._insert(key, names, [row])

    def _value_sql(
        self, key: TableKey, column: Any, is_null: bool, referring: dict[str, Any]
    ) -> str:
        name = column["name"]
        if is_null and column["nullable"]:
            return "NULL"
        if name in referring:
            foreign_key, referred_column = referring[name]
            target = self._quoted(foreign_key["referred_schema"], foreign_key["referred_table"])
            order = self.dialect.identifier_preparer.quote(referred_column)
            offset = self._number % 2
            return f"(SELECT {order} FROM {target} ORDER BY 1 LIMIT 1 OFFSET {offset})"  # noqa: S608
        type_ = plain_type(self.schema_history.types.get((*key, name), column["type"]))
        try:
            return self._literal_sql(key, name, type_)
        except (SQLAlchemyError, AttributeError, TypeError, ValueError):
            return "NULL"  # a type without a known sample value

    def _literal_sql(self, key: TableKey, name: str, type_: TypeEngine[Any]) -> str:
        enum = native_enum(type_)
        if enum is not None:
            labels = self.schema_history.enums.get((enum.schema, str(enum.name)), tuple(enum.enums))
            label = labels[self._number % len(labels)].replace("'", "''")
            return f"ARRAY['{label}']::{enum.name}[]" if is_array(type_) else f"'{label}'"
        conditions = self.schema_history.conditions_on(*key, name)
        value: Any = _typical_value(type_, self._number)
        if conditions:
            value = self._accepted_value(name, type_, conditions, value)
        if isinstance(value, sa.ClauseElement):
            compiled = value.compile(dialect=self.dialect, compile_kwargs={"literal_binds": True})
            return str(compiled)
        return stored_literal(value, type_, self.dialect)

    def _accepted_value(
        self, name: str, type_: TypeEngine[Any], conditions: list[Any], value: Any
    ) -> Any:
        """Return a value that the CHECKs on a column accept; rows get different ones in turn."""
        texts = [
            condition.texts["postgresql"] if isinstance(condition, by_dialect) else str(condition)
            for condition in conditions
        ]
        known = candidate_values(
            type_, [literal for text in texts for literal in literals_in(text)]
        )
        accepted = [
            candidate
            for candidate in [value, *known]
            if all(
                satisfies(self.connection, condition, name, candidate, type_)
                for condition in conditions
            )
        ]
        if not accepted or accepted[0] is value:
            return value
        return accepted[self._number % len(accepted)]

    def _insert(self, key: TableKey, names: Sequence[str], rows: Sequence[Sequence[str]]) -> bool:
        """Insert all rows or none; return whether the database accepted them."""
        columns = ", ".join(map(self.dialect.identifier_preparer.quote, names))
        values = ", ".join(f"({', '.join(row)})" for row in rows)
        sql = f"INSERT INTO {self._quoted(*key)} ({columns}) VALUES {values}"  # noqa: S608
        nested = self.connection.begin_nested()
        try:
            self.connection.execute(sa.text(sql.replace(":", "\\:")))
            nested.commit()
        except DBAPIError:
            nested.rollback()
            return False
        return True

    def _quoted(self, schema: str | None, table: str) -> str:
        preparer = self.dialect.identifier_preparer
        name = preparer.quote(table)
        return f"{preparer.quote_schema(schema)}.{name}" if schema else name


def _is_generated_always(column: Any) -> bool:
    """Return whether a column is GENERATED ALWAYS AS IDENTITY."""
    identity = column.get("identity")
    return bool(identity and identity["always"])


def _null_patterns(columns: int) -> Iterator[list[bool]]:
    """Yield, for each row, which columns are NULL; any two columns have all four combinations."""
    yield [False] * columns
    yield [True] * columns
    for bit in range(max(1, columns - 1).bit_length()):
        pattern = [bool(place >> bit & 1) for place in range(columns)]
        yield pattern
        yield [not is_null for is_null in pattern]


def _typical_value(type_: TypeEngine[Any], number: int) -> Any:
    """Return a typical value of a type, different for each number."""
    instant = datetime(2024, 1, 1, 12, 30, tzinfo=UTC) + timedelta(hours=number)
    if not getattr(type_, "timezone", False):
        instant = instant.replace(tzinfo=None)
    length = getattr(type_, "length", None) or 50
    values: dict[str, Any] = {
        "bool": number % 2 == 0, "int": number, "float": number + 0.5,
        "numeric": (number % 9) if (getattr(type_, "precision", None) or 9) < 6 else number,
        "date": date(2024, 1, 1) + timedelta(days=number), "datetime": instant,
        "time": time(number % 24, 30), "interval": timedelta(minutes=number),
        "uuid": UUID(int=number), "bytes": f"x{number}".encode(), "json": [number],
        "array": [str(number)], "text": f"x{number}"[:length],
    }  # fmt: skip
    return values.get(type_family(type_), f"x{number}")
