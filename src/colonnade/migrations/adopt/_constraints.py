"""What a table holds its rows to, as a model says it: constraints, indexes, CHECKs."""

import re
from collections.abc import Iterable, Iterator, Mapping
from graphlib import CycleError, TopologicalSorter
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection, MetaData, Table
from sqlalchemy.exc import InvalidRequestError

from colonnade.migrations.adopt._classes import ClassSource
from colonnade.migrations.adopt._columns import (
    FieldCheck,
    FieldSource,
    escaped,
    meaning_of,
    text_source,
)
from colonnade.migrations.autogenerate._reflected import Stored, stored_models
from colonnade.models import check_name

LONGEST_NAME = 63
"""Bytes in a name of PostgreSQL's; models shorten what is longer."""


def _usual(*parts: str) -> str:
    """The name that a model gives; nothing's, where it would be one with a hash."""
    name = "_".join(parts)
    return name if len(name.encode()) <= LONGEST_NAME else ""


def add_key_order(source: ClassSource) -> None:
    """The primary key, where its columns are in another order than those of the table."""
    key = [column.name for column in source.table.primary_key.columns]
    if key != [column.name for column in source.table.columns if column.primary_key]:
        source.arguments.append(f"PrimaryKeyConstraint({', '.join(map(repr, key))})")


def add_uniques(source: ClassSource, connection: Connection) -> None:
    uniques = [c for c in source.table.constraints if isinstance(c, sa.UniqueConstraint)]
    if connection.dialect.name == "sqlite":
        uniques = _sqlite_uniques(source.table, uniques, connection)
    else:
        _read_deferrable(source.table, uniques, connection)
    for constraint in sorted(uniques, key=lambda c: (str(c.name), list(c.columns.keys()))):
        columns = list(constraint.columns.keys())
        named = _usual("uq", source.table.name, *columns)
        usual = constraint.name in (None, named)
        options = _options(constraint) + _dialect_options(constraint)
        if usual and len(columns) == 1 and not options:
            source.fields[columns[0]].options["unique"] = "True"
            continue
        options += [] if usual else [f"name={str(constraint.name)!r}"]
        source.arguments.append(f"UniqueConstraint({', '.join([*map(repr, columns), *options])})")


def _read_deferrable(
    table: Table, uniques: list[sa.UniqueConstraint], connection: Connection
) -> None:
    """Have uniques say whether they are deferrable, which SQLAlchemy does not read."""
    name = connection.dialect.identifier_preparer.format_table(table)
    query = sa.text(
        "SELECT conname, condeferred FROM pg_constraint "
        "WHERE conrelid = to_regclass(:table) AND contype = 'u' AND condeferrable"
    )
    late = {row.conname: row.condeferred for row in connection.execute(query, {"table": name})}
    for unique in uniques:
        if unique.name in late:
            unique.deferrable = True
            unique.initially = "DEFERRED" if late[str(unique.name)] else None


def _sqlite_uniques(
    table: Table, read: list[sa.UniqueConstraint], connection: Connection
) -> list[sa.UniqueConstraint]:
    """All of them: SQLAlchemy finds them in the text, and not those of ``VARCHAR(5) UNIQUE``."""
    names = {
        tuple(constraint.columns.keys()): constraint.name
        for constraint in read
        if constraint.name is not None
    }
    trial = Table(table.name, MetaData(), *(sa.Column(column.name) for column in table.columns))
    uniques = []
    listed = connection.execute(sa.text(f"PRAGMA index_list({_sqlite_quoted(table.name)})"))
    for index in [row[1] for row in listed.all() if row[3] == "u"]:
        rows = connection.execute(sa.text(f"PRAGMA index_info({_sqlite_quoted(index)})")).all()
        columns = tuple(row[2] for row in rows)
        constraint = sa.UniqueConstraint(*columns, name=names.get(columns))
        trial.append_constraint(constraint)
        uniques.append(constraint)
    return uniques


def _options(constraint: Any) -> list[str]:
    keys = ("ondelete", "onupdate", "match", "deferrable", "initially")
    options = {key: getattr(constraint, key, None) for key in keys}
    return [f"{key}={value!r}" for key, value in options.items() if value]


def _dialect_options(thing: Any) -> list[str]:
    options = []
    for key, value in sorted(thing.dialect_kwargs.items()):
        if value in (None, False, "", "btree", [], {}):
            continue
        if isinstance(value, sa.ClauseElement):
            options.append(f"{key}={text_source(str(value))}")
        else:
            options.append(f"{key}={value!r}")
    return options


def add_indexes(source: ClassSource, connection: Connection, notes: list[str]) -> None:
    table = source.table
    if connection.dialect.name == "sqlite":
        _sqlite_indexes(source, connection, notes)
        return
    for reflected in sa.inspect(connection).get_indexes(table.name, table.schema):
        if reflected.get("duplicates_constraint"):
            continue
        name, sorting = str(reflected["name"]), reflected.get("column_sorting", {})
        index = next((index for index in table.indexes if index.name == name), None)
        options = [] if index is None else _dialect_options(index)
        parts = []
        expressions: Any = reflected.get("expressions", reflected["column_names"])
        for column, expression in zip(reflected["column_names"], expressions, strict=True):
            order = " ".join(sorting.get(expression, ())).upper().replace("_", " ")
            quote = connection.dialect.identifier_preparer.quote
            if order:
                part = expression if column is None else quote(column)
                parts.append(text_source(f"{part} {order}"))
            else:
                parts.append(repr(column) if column is not None else text_source(f"{expression}"))
        _index(source, name, parts, reflected["column_names"], bool(reflected["unique"]), options)


def _index(
    source: ClassSource,
    name: str,
    parts: list[str],
    columns: list[Any],
    unique: bool,
    options: list[str],
) -> None:
    plain = len(parts) == 1 and parts[0] == repr(columns[0]) and not (options or unique)
    if plain and name == _usual("ix", source.table.name, columns[0]):
        source.fields[columns[0]].options["index"] = "True"
        return
    arguments = [repr(name), *parts, *(["unique=True"] if unique else []), *options]
    source.arguments.append(f"Index({', '.join(arguments)})")


def _sqlite_indexes(source: ClassSource, connection: Connection, notes: list[str]) -> None:
    """SQLAlchemy reads neither expressions nor what comes after them: the text has all."""
    query = sa.text(
        "SELECT name, sql FROM sqlite_master WHERE type = 'index' AND tbl_name = :table "
        "AND sql IS NOT NULL ORDER BY name"
    )
    for name, sql in connection.execute(query, {"table": source.table.name}).all():
        head = re.match(r"\s*CREATE\s+(UNIQUE\s+)?INDEX\b", sql, re.IGNORECASE)
        start = _opening(sql)
        inside, rest = _bracketed(sql, start)
        quoted = f"PRAGMA index_xinfo({_sqlite_quoted(name)})"
        rows = [row for row in connection.execute(sa.text(quoted)).all() if row[5]]
        items = list(_items(inside))
        parts = [
            repr(row[2]) if row[1] >= 0 else text_source(item)
            for row, item in zip(rows, items, strict=True)
        ]
        notes += [
            f"The index {name} orders {source.table.name}.{row[2]} in its own way "
            f"(DESC or COLLATE), which is left out."
            for row in rows
            if row[1] >= 0 and (row[3] or row[4] != "BINARY")
        ]
        where = re.match(r"\s*WHERE\b(.*)$", rest, re.IGNORECASE | re.DOTALL)
        options = [f"sqlite_where={text_source(where[1].strip())}"] if where else []
        unique = head is not None and head[1] is not None
        _index(source, name, parts, [row[2] for row in rows], unique, options)


def _sqlite_quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


_QUOTED = re.compile(r"""'(?:[^']|'')*'|"(?:[^"]|"")*"|`[^`]*`|\[[^\]]*\]|.""", re.DOTALL)


def _opening(sql: str) -> int:
    """Where the first bracket is that is in no name."""
    return next(match.start() for match in _QUOTED.finditer(sql) if match[0] == "(")


def _bracketed(sql: str, start: int) -> tuple[str, str]:
    """What is in the brackets that begin somewhere, and what comes after."""
    depth = 0
    for match in _QUOTED.finditer(sql, start):
        depth += (match[0] == "(") - (match[0] == ")")
        if depth == 0:
            return sql[start + 1 : match.start()], sql[match.end() :]
    return sql[start + 1 :], ""


def _items(inside: str) -> Iterator[str]:
    depth, begin = 0, 0
    for match in _QUOTED.finditer(inside):
        depth += (match[0] == "(") - (match[0] == ")")
        if match[0] == "," and depth == 0:
            yield inside[begin : match.start()].strip()
            begin = match.end()
    yield inside[begin:].strip()


def circular_keys(tables: Mapping[str, Table]) -> set[tuple[str, str]]:
    """Which tables refer to which in a circle, so that one key has to come after the tables."""
    edges = {
        name: sorted(
            {target_of(key) for key in table.foreign_key_constraints} & tables.keys() - {name}
        )
        for name, table in sorted(tables.items())
    }
    circular: set[tuple[str, str]] = set()
    while True:
        try:
            TopologicalSorter(edges).prepare()
        except CycleError as error:
            there, here = error.args[1][:2]  # each is what the next one refers to
            edges[here].remove(there)
            circular.add((here, there))
        else:
            return circular


def target_of(key: sa.ForeignKeyConstraint) -> str:
    """The table that a foreign key refers to, with its schema unless that is the default one."""
    return specs_of(key)[0].rpartition(".")[0]


def add_foreign_keys(
    source: ClassSource, tables: Mapping[str, Table], late: set[tuple[str, str]], notes: list[str]
) -> None:
    for key in sorted_keys(source.table):
        columns = list(key.column_keys)
        specs = specs_of(key)
        target = target_of(key)
        known = tables.get(target)
        ends = [spec.rpartition(".")[2] for spec in specs]
        if known is None or not all(end in known.columns for end in ends):
            listed = ", ".join(columns)
            notes.append(
                f"{source.table.name}.{listed} refers to {target}, which has no model: the foreign "
                f"key is left out."
            )
            continue
        named = _usual("fk", source.table.name, *columns, known.name)
        last = (source.table.key, target) in late
        late_name = f"fk_{source.table.name}"  # one that comes last has to have a name
        usual = key.name in (None, named) and not last
        options = [option for option in _options(key) if not option.endswith("='NO ACTION'")]
        rule = (key.ondelete or "").upper()
        simple = all(option.startswith("ondelete=") for option in options) and rule != "SET DEFAULT"
        if usual and len(columns) == 1 and simple:
            source.fields[columns[0]].options["foreign_key"] = repr(specs[0])
            if options:
                source.fields[columns[0]].options["ondelete"] = repr(rule)
            continue
        options += [] if usual else [f"name={str(key.name or named or late_name)!r}"]
        options += ["use_alter=True"] if last else []
        arguments = ", ".join([repr(columns), repr(specs), *options])
        source.arguments.append(f"ForeignKeyConstraint({arguments})")


def specs_of(key: sa.ForeignKeyConstraint) -> list[str]:
    """What a foreign key refers to, as it is written; a name with a dot cannot be."""
    try:
        return [str(element.target_fullname) for element in key.elements]
    except InvalidRequestError:
        return [f"{key.referred_table.name}.?"]


def sorted_keys(table: Table) -> list[sa.ForeignKeyConstraint]:
    return sorted(table.foreign_key_constraints, key=lambda key: list(key.column_keys))


def add_checks(table_class: ClassSource, connection: Connection, there: Stored) -> None:
    """CHECKs as fields say them where that is stored alike, else as they are."""
    wished: dict[str, tuple[FieldSource, FieldCheck]] = {}
    for check, condition in there.checks.items():
        for source in table_class.fields.values():
            meaning = meaning_of(source, check, condition)
            if meaning is not None and len(check.encode()) <= LONGEST_NAME:
                wished[check] = (source, meaning)
    same = _stored_alike(table_class, connection, there, [two for _, two in wished.values()])
    for check, condition in sorted(there.checks.items()):
        if check in same:
            _bound(*wished[check])
            continue
        sql = re.sub(r"^CHECK\s*", "", condition)
        sql = _ANY.sub(_in, sql)
        table_class.arguments.append(f"CheckConstraint({escaped(sql)!r}, name={check!r})")
    for condition in there.unnamed:
        table_class.arguments.append(f"CheckConstraint({escaped(condition)!r})")


_ANY = re.compile(
    r"\((?P<left>\(?[^()]+\)?)::text = ANY \(\(ARRAY\[(?P<items>[^\]]*)\]\)::text\[\]\)\)"
)
"""``IN`` of a varchar, which PostgreSQL would store with casts of its casts next time."""


def _in(match: re.Match[str]) -> str:
    items = re.sub(r"::character varying(\(\d+\))?", "", match["items"])
    left = match["left"].removeprefix("(").removesuffix(")")
    return f"({left} IN ({items}))"


def _stored_alike(
    table_class: ClassSource, connection: Connection, there: Stored, meanings: Iterable[FieldCheck]
) -> set[str]:
    """The CHECKs which a database stores as it has them, when models say what they mean."""
    meanings = list(meanings)
    if not meanings:
        return set()
    trial = Table(table_class.table.name, MetaData(), schema=table_class.table.schema)
    for source in table_class.fields.values():
        trial.append_column(sa.Column(source.column.name, source.kind.type))
    for two in meanings:
        column = trial.columns[_checked(table_class, two)]
        trial.append_constraint(sa.CheckConstraint(two.condition(column), name=two.check))
    stored = stored_models(trial.metadata, connection).get(
        (table_class.table.schema, table_class.table.name)
    )
    checks = {} if stored is None else stored.checks
    return {
        meaning.check
        for meaning in meanings
        if checks.get(meaning.check) == there.checks[meaning.check]
    }


def _checked(source: ClassSource, meaning: FieldCheck) -> str:
    table, kind = source.table.name, meaning.kind
    return next(name for name in source.fields if meaning.check == check_name(table, name, kind))


def _bound(source: FieldSource, meaning: FieldCheck) -> None:
    if meaning.kind == "values":
        annotation = f"Literal[{', '.join(map(repr, meaning.values))}]"
        source.kind = type(source.kind)(
            annotation, source.kind.type, source.kind.sa_type, source.kind.options
        )
        return
    limit = str(meaning.values[0])
    exact = source.kind.annotation == "Decimal" and "." in limit
    source.options[meaning.kind] = f"Decimal({limit!r})" if exact else limit
