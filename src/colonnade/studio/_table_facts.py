"""What the database knows about a table: its columns, constraints, indexes and size."""

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Table, inspect, text


@dataclass(frozen=True, slots=True)
class ColumnFacts:
    """A column.

    Attributes:
        name: Its name.
        type: Its type in the database.
        nullable: Whether it may be NULL.
        default: The SQL of its default; None without one.
        key: ``PK``, ``FK``, both, or neither.
        comment: Its comment in the database; None without one.
    """

    name: str
    type: str
    nullable: bool
    default: str | None
    key: str
    comment: str | None


@dataclass(frozen=True, slots=True)
class TableFacts:
    """What the database knows about a table.

    Attributes:
        exists: Whether the table is in the database.
        columns: The columns.
        constraints: The constraints, each as its name and its definition.
        indexes: The indexes, each as its name and its definition.
        rows: The estimated number of rows; None if the database has no estimate.
        size: Bytes with indexes; None if the database does not know.
    """

    exists: bool
    columns: tuple[ColumnFacts, ...] = ()
    constraints: tuple[tuple[str, str], ...] = ()
    indexes: tuple[tuple[str, str], ...] = ()
    rows: int | None = None
    size: int | None = None


def table_facts(
    connection: Connection,
    table: Table,
    hidden: Collection[str],
    known: Mapping[str, Collection[str]],
    *,
    with_size: bool,
) -> TableFacts:
    """Read what the database knows about a table.

    Args:
        connection: The database.
        table: The table.
        hidden: The names of columns that must not be shown, in no constraint and no index either.
        known: The tables to which foreign keys may be shown, with the schema unless that is the
            default one, and their columns to which none may be shown.
        with_size: Whether to estimate the rows and the size.
    """
    inspector: Any = inspect(connection)
    name, schema = table.name, table.schema
    if not inspector.has_table(name, schema):
        return TableFacts(exists=False)
    pattern = _pattern(hidden)
    primary = inspector.get_pk_constraint(name, schema)
    foreign = [
        key
        for key in inspector.get_foreign_keys(name, schema)
        if _target(key) in known and not set(key["referred_columns"]) & set(known[_target(key)])
    ]
    referring = {column for key in foreign for column in key["constrained_columns"]}
    rows, size = _size(connection, table) if with_size else (None, None)
    return TableFacts(
        exists=True,
        columns=tuple(
            _column_facts(column, primary["constrained_columns"], referring, connection)
            for column in inspector.get_columns(name, schema)
            if column["name"] not in hidden
        ),
        constraints=_without(
            [
                *_primary_key(primary),
                *((_named(key), _foreign_key(key)) for key in foreign),
                *(
                    (_named(key), f"UNIQUE ({', '.join(key['column_names'])})")
                    for key in inspector.get_unique_constraints(name, schema)
                ),
                *(
                    (_named(check), f"CHECK ({check['sqltext']})")
                    for check in inspector.get_check_constraints(name, schema)
                ),
            ],
            pattern,
        ),
        indexes=_without(
            [
                (_named(index), _index(index))
                for index in inspector.get_indexes(name, schema)
                if not index.get("duplicates_constraint")
            ],
            pattern,
        ),
        rows=rows,
        size=size,
    )


def _pattern(hidden: Collection[str]) -> re.Pattern[str] | None:
    """What finds the name of a hidden column in a definition."""
    names = "|".join(re.escape(name) for name in hidden)
    return re.compile(rf"(?<!\w)({names})(?!\w)", re.IGNORECASE) if names else None


def _without(
    definitions: Iterable[tuple[str, str]], pattern: re.Pattern[str] | None
) -> tuple[tuple[str, str], ...]:
    """The definitions that name no hidden column."""
    return tuple(
        (name, definition)
        for name, definition in definitions
        if pattern is None or not (pattern.search(definition) or pattern.search(name))
    )


def _column_facts(
    column: Mapping[str, Any],
    primary: Collection[str],
    referring: Collection[str],
    connection: Connection,
) -> ColumnFacts:
    keys = [("PK", primary), ("FK", referring)]
    return ColumnFacts(
        name=column["name"],
        type=column["type"].compile(dialect=connection.dialect),
        nullable=column["nullable"],
        default=column.get("default"),
        key=" ".join(key for key, columns in keys if column["name"] in columns),
        comment=column.get("comment"),
    )


def _named(item: Mapping[str, Any]) -> str:
    return str(item.get("name") or "")


def _primary_key(key: Mapping[str, Any]) -> list[tuple[str, str]]:
    columns = key["constrained_columns"]
    return [(_named(key), f"PRIMARY KEY ({', '.join(columns)})")] if columns else []


def _target(key: Mapping[str, Any]) -> str:
    return ".".join(part for part in (key["referred_schema"], key["referred_table"]) if part)


def _foreign_key(key: Mapping[str, Any]) -> str:
    rule = (key.get("options") or {}).get("ondelete")
    return (
        f"FOREIGN KEY ({', '.join(key['constrained_columns'])}) REFERENCES {_target(key)} "
        f"({', '.join(key['referred_columns'])})" + (f" ON DELETE {rule}" if rule else "")
    )


def _index(index: Mapping[str, Any]) -> str:
    parts = index.get("expressions") or index["column_names"]
    options = index.get("dialect_options") or {}
    method = options.get("postgresql_using", "btree")
    where = next((options[key] for key in options if key.endswith("_where")), None)
    kind = "UNIQUE " if index["unique"] else ""
    condition = "" if where is None else f" WHERE {where}"
    return f"{kind}{method} ({', '.join(map(str, parts))}){condition}"


_POSTGRESQL_SIZE = text(
    "SELECT reltuples::bigint, pg_total_relation_size(oid) FROM pg_class "
    "WHERE oid = to_regclass(:name)"
)


def _size(connection: Connection, table: Table) -> tuple[int | None, int | None]:
    """The estimated number of rows and the bytes of a table, without reading its rows."""
    preparer = connection.dialect.identifier_preparer
    name = preparer.format_table(table)
    if connection.dialect.name == "postgresql":
        rows, size = connection.execute(_POSTGRESQL_SIZE, {"name": name}).one()
        return (rows if rows >= 0 else None), size  # -1 before the first ANALYZE
    return _sqlite_rows(connection, table), None


_SQLITE_STATISTICS = text(
    "SELECT stat FROM sqlite_stat1 WHERE tbl = :table AND stat <> '' "
    "AND idx NOT IN (SELECT name FROM pragma_index_list(:table) WHERE partial)"
)


def _sqlite_rows(connection: Connection, table: Table) -> int | None:
    """The number of rows when SQLite last analyzed the table; None if it has not."""
    if not inspect(connection).has_table("sqlite_stat1"):
        return None
    statistics = connection.execute(_SQLITE_STATISTICS, {"table": table.name}).scalars().all()
    return max((int(each.split()[0]) for each in statistics), default=None)
