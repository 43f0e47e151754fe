"""Rows that a throwaway database is given, so that a revision meets some when it is tried.

Values and NULLs are combined pairwise: any two columns have each combination in some row. What the
database refuses, because a CHECK or a foreign key speaks against it, is left out.
"""

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.types import TypeEngine

from colonnade.migrations._environment import OURS
from colonnade.migrations.autogenerate._neutral_values import holds
from colonnade.migrations.autogenerate._reflected import literals_in
from colonnade.migrations.autogenerate._schema_history import SchemaHistory
from colonnade.migrations.operations import by_dialect
from colonnade.migrations.operations._conversions import kind_of
from colonnade.migrations.operations._literals import candidates, stored_literal
from colonnade.migrations.operations._types import is_array, native_enum, plain_type

Table = tuple[str | None, str]

_FIRST = 1000
"""The first number: values that revisions fill in are smaller, mostly."""


class Samples:
    """Makes rows.

    Args:
        connection: A throwaway database.
        ledger: What its history said of columns and CHECKs.
    """

    def __init__(self, connection: Connection, ledger: SchemaHistory) -> None:
        self.connection = connection
        self.ledger = ledger
        self.dialect = connection.dialect
        self._number = _FIRST

    def make(self, tables: Iterable[str]) -> None:
        """Give tables rows, and those that they refer to.

        Args:
            tables: Their names.
        """
        inspector = sa.inspect(self.connection)
        schemas = {schema for schema, _, _ in self.ledger.types} | {None}
        there = {(schema, name) for schema in schemas for name in inspector.get_table_names(schema)}
        filled: set[Table] = set()
        for key in sorted(there, key=str):
            if key[1] in set(tables) and key[1] not in OURS:
                self._table(inspector, key, filled)
        self.connection.commit()

    def clear(self, table: str) -> None:
        """Take the rows of a table away, and those that refer to them."""
        for schema in {schema for schema, _, _ in self.ledger.types} | {None}:
            if sa.inspect(self.connection).has_table(table, schema):
                name = self._quoted(schema, table)
                on_postgresql = self.dialect.name == "postgresql"
                sql = f"TRUNCATE {name} CASCADE" if on_postgresql else f"DELETE FROM {name}"  # noqa: S608
                self.connection.exec_driver_sql(sql)
        self.connection.commit()

    def _table(self, inspector: sa.Inspector, key: Table, filled: set[Table]) -> None:
        if key in filled:
            return
        filled.add(key)
        schema, name = key
        foreign = inspector.get_foreign_keys(name, schema)
        for foreign_key in foreign:
            self._table(
                inspector, (foreign_key["referred_schema"], foreign_key["referred_table"]), filled
            )
        columns = [
            column
            for column in inspector.get_columns(name, schema)
            if "computed" not in column and not _is_always(column)
        ]
        referring = {
            here: (foreign_key, there)
            for foreign_key in foreign
            for here, there in zip(
                foreign_key["constrained_columns"], foreign_key["referred_columns"], strict=True
            )
        }
        names, rows = [column["name"] for column in columns], []
        for pattern in _patterns(len(columns)):
            self._number += 1
            rows.append([
                self._value(key, column, is_null, referring)
                for column, is_null in zip(columns, pattern, strict=True)
            ])  # fmt: skip
        refers_to_itself = any(
            (foreign_key["referred_schema"], foreign_key["referred_table"]) == key
            for foreign_key in foreign
        )
        if refers_to_itself or not self._insert(key, names, rows):
            for row in rows:
                self._insert(key, names, [row])

    def _value(self, key: Table, column: Any, is_null: bool, referring: dict[str, Any]) -> str:
        name = column["name"]
        if is_null and column["nullable"]:
            return "NULL"
        if name in referring:
            foreign_key, there = referring[name]
            target = self._quoted(foreign_key["referred_schema"], foreign_key["referred_table"])
            order = self.dialect.identifier_preparer.quote(there)
            offset = self._number % 2
            return f"(SELECT {order} FROM {target} ORDER BY 1 LIMIT 1 OFFSET {offset})"  # noqa: S608
        kind = plain_type(self.ledger.types.get((*key, name), column["type"]))
        try:
            return self._literal(key, name, kind)
        except (SQLAlchemyError, AttributeError, TypeError, ValueError):
            return "NULL"  # a type of which no value is known

    def _literal(self, key: Table, name: str, kind: TypeEngine[Any]) -> str:
        enum = native_enum(kind)
        if enum is not None:
            labels = self.ledger.enums.get((enum.schema, str(enum.name)), tuple(enum.enums))
            label = labels[self._number % len(labels)].replace("'", "''")
            return f"ARRAY['{label}']::{enum.name}[]" if is_array(kind) else f"'{label}'"
        conditions = self.ledger.conditions_on(*key, name)
        value: Any = _typical(kind, self._number)
        if conditions:
            value = self._accepted(name, kind, conditions, value)
        if isinstance(value, sa.ClauseElement):
            compiled = value.compile(dialect=self.dialect, compile_kwargs={"literal_binds": True})
            return str(compiled)
        return stored_literal(value, kind, self.dialect)

    def _accepted(self, name: str, kind: TypeEngine[Any], conditions: list[Any], value: Any) -> Any:
        """A value that the CHECKs on a column accept, another one in the next row if there is."""
        texts = [check.texts["postgresql"] if isinstance(check, by_dialect) else str(check)
                 for check in conditions]  # fmt: skip
        known = candidates(kind, [literal for text in texts for literal in literals_in(text)])
        accepted = [
            candidate for candidate in [value, *known]
            if all(holds(self.connection, check, name, candidate, kind) for check in conditions)
        ]  # fmt: skip
        if not accepted or accepted[0] is value:
            return value
        return accepted[self._number % len(accepted)]

    def _insert(self, key: Table, names: Sequence[str], rows: Sequence[Sequence[str]]) -> bool:
        """Insert rows, all or none; whether the database accepts them."""
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


def _is_always(column: Any) -> bool:
    """Whether the database alone gives a column its values."""
    identity = column.get("identity")
    return bool(identity and identity["always"])


def _patterns(columns: int) -> Iterator[list[bool]]:
    """Which columns are NULL, row by row: any two have each of the four combinations."""
    yield [False] * columns
    yield [True] * columns
    for bit in range(max(1, columns - 1).bit_length()):
        pattern = [bool(place >> bit & 1) for place in range(columns)]
        yield pattern
        yield [not bit for bit in pattern]


def _typical(kind: TypeEngine[Any], number: int) -> Any:
    """A value of a type, another for each number."""
    instant = datetime(2024, 1, 1, 12, 30, tzinfo=UTC) + timedelta(hours=number)
    if not getattr(kind, "timezone", False):
        instant = instant.replace(tzinfo=None)
    length = getattr(kind, "length", None) or 50
    values: dict[str, Any] = {
        "bool": number % 2 == 0, "int": number, "float": number + 0.5,
        "numeric": (number % 9) if (getattr(kind, "precision", None) or 9) < 6 else number,
        "date": date(2024, 1, 1) + timedelta(days=number), "datetime": instant,
        "time": time(number % 24, 30), "interval": timedelta(minutes=number),
        "uuid": UUID(int=number), "bytes": f"x{number}".encode(), "json": [number],
        "array": [str(number)], "text": f"x{number}"[:length],
    }  # fmt: skip
    return values.get(kind_of(kind), f"x{number}")
