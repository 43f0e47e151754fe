"""Write the constraints and the indexes of a table in its model."""

import re
from collections.abc import Iterable, Iterator, Mapping
from graphlib import CycleError, TopologicalSorter
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection, MetaData, Table
from sqlalchemy.exc import InvalidRequestError

from colonnade.migrations.adopt._classes import ClassSource
from colonnade.migrations.adopt._columns import (
    FieldRule,
    FieldSource,
    escaped,
    field_rule_of,
    text_source,
)
from colonnade.migrations.autogenerate._reflected import StoredTable, stored_models
from colonnade.models import check_name

LONGEST_NAME = 63
"""The maximum number of bytes in a name on PostgreSQL; models shorten longer names."""


def _conventional_name(*parts: str) -> str:
    """The name that a model gives; empty if the model would shorten it with a hash."""
    name = "_".join(parts)
    return name if len(name.encode()) <= LONGEST_NAME else ""


def add_key_order(model: ClassSource) -> None:
    """Write the primary key, if the order of its columns differs from the table."""
    key = [column.name for column in model.table.primary_key.columns]
    if key != [column.name for column in model.table.columns if column.primary_key]:
        model.arguments.append(f"PrimaryKeyConstraint({', '.join(map(repr, key))})")


def add_uniques(model: ClassSource, connection: Connection) -> None:
    """Write the UNIQUE constraints, in their fields where possible."""
    uniques = [
        constraint
        for constraint in model.table.constraints
        if isinstance(constraint, sa.UniqueConstraint)
    ]
    if connection.dialect.name == "postgresql":
        _read_deferrable(model.table, uniques, connection)
    for constraint in sorted(uniques, key=lambda c: (str(c.name), list(c.columns.keys()))):
        columns = list(constraint.columns.keys())
        conventional = _conventional_name("uq", model.table.name, *columns)
        is_conventional = constraint.name in (None, conventional)
        options = _options(constraint) + _dialect_options(constraint)
        if is_conventional and len(columns) == 1 and not options:
            model.fields[columns[0]].options["unique"] = "True"
            continue
        options += [] if is_conventional else [f"name={str(constraint.name)!r}"]
        model.arguments.append(f"UniqueConstraint({', '.join([*map(repr, columns), *options])})")


def _read_deferrable(
    table: Table, uniques: list[sa.UniqueConstraint], connection: Connection
) -> None:
    """Read whether UNIQUE constraints are deferrable, which SQLAlchemy does not reflect."""
    name = connection.dialect.identifier_preparer.format_table(table)
    query = sa.text(
        "SELECT conname, condeferred FROM pg_constraint "
        "WHERE conrelid = to_regclass(:table) AND contype = 'u' AND condeferrable"
    )
    deferred = {row.conname: row.condeferred for row in connection.execute(query, {"table": name})}
    for unique in uniques:
        if unique.name in deferred:
            unique.deferrable = True
            unique.initially = "DEFERRED" if deferred[str(unique.name)] else None


def _options(constraint: Any) -> list[str]:
    keys = ("ondelete", "onupdate", "match", "deferrable", "initially")
    options = {key: getattr(constraint, key, None) for key in keys}
    return [f"{key}={value!r}" for key, value in options.items() if value]


def _dialect_options(schema_item: Any) -> list[str]:
    options = []
    for key, value in sorted(schema_item.dialect_kwargs.items()):
        if value in (None, False, "", "btree", [], {}):
            continue
        if isinstance(value, sa.ClauseElement):
            options.append(f"{key}={text_source(str(value))}")
        else:
            options.append(f"{key}={value!r}")
    return options


def add_indexes(model: ClassSource, connection: Connection, notes: list[str]) -> None:
    """Write the indexes, in their fields where possible."""
    table = model.table
    if connection.dialect.name == "sqlite":
        _sqlite_indexes(model, connection, notes)
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
                sql = expression if column is None else quote(column)
                parts.append(text_source(f"{sql} {order}"))
            else:
                parts.append(repr(column) if column is not None else text_source(f"{expression}"))
        _index(model, name, parts, reflected["column_names"], bool(reflected["unique"]), options)


def _index(
    model: ClassSource,
    name: str,
    parts: list[str],
    columns: list[Any],
    unique: bool,
    options: list[str],
) -> None:
    is_plain = len(parts) == 1 and parts[0] == repr(columns[0]) and not (options or unique)
    if is_plain and name == _conventional_name("ix", model.table.name, columns[0]):
        model.fields[columns[0]].options["index"] = "True"
        return
    arguments = [repr(name), *parts, *(["unique=True"] if unique else []), *options]
    model.arguments.append(f"Index({', '.join(arguments)})")


def _sqlite_indexes(model: ClassSource, connection: Connection, notes: list[str]) -> None:
    """Parse the SQL of indexes: SQLAlchemy reflects neither expressions nor conditions."""
    query = sa.text(
        "SELECT name, sql FROM sqlite_master WHERE type = 'index' AND tbl_name = :table "
        "AND sql IS NOT NULL ORDER BY name"
    )
    for name, sql in connection.execute(query, {"table": model.table.name}).all():
        head = re.match(r"\s*CREATE\s+(UNIQUE\s+)?INDEX\b", sql, re.IGNORECASE)
        start = _first_parenthesis(sql)
        inside, rest = _parenthesized(sql, start)
        pragma = f"PRAGMA index_xinfo({_sqlite_quoted(name)})"
        rows = [row for row in connection.execute(sa.text(pragma)).all() if row[5]]
        items = list(_split_items(inside))
        parts = [
            repr(row[2]) if row[1] >= 0 else text_source(item)
            for row, item in zip(rows, items, strict=True)
        ]
        notes += [
            f"The index {name} is written without the order or the collation of "
            f"{model.table.name}.{row[2]} (DESC or COLLATE)."
            for row in rows
            if row[1] >= 0 and (row[3] or row[4] != "BINARY")
        ]
        where = re.match(r"\s*WHERE\b(.*)$", rest, re.IGNORECASE | re.DOTALL)
        options = [f"sqlite_where={text_source(where[1].strip())}"] if where else []
        unique = head is not None and head[1] is not None
        _index(model, name, parts, [row[2] for row in rows], unique, options)


def _sqlite_quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


_TOKEN = re.compile(r"""'(?:[^']|'')*'|"(?:[^"]|"")*"|`[^`]*`|\[[^\]]*\]|.""", re.DOTALL)


def _first_parenthesis(sql: str) -> int:
    """The position of the first parenthesis outside of quoted names."""
    return next(token.start() for token in _TOKEN.finditer(sql) if token[0] == "(")


def _parenthesized(sql: str, start: int) -> tuple[str, str]:
    """The text inside of the parentheses that open at a position, and the text after them."""
    depth = 0
    for token in _TOKEN.finditer(sql, start):
        depth += (token[0] == "(") - (token[0] == ")")
        if depth == 0:
            return sql[start + 1 : token.start()], sql[token.end() :]
    return sql[start + 1 :], ""


def _split_items(inside: str) -> Iterator[str]:
    depth, begin = 0, 0
    for token in _TOKEN.finditer(inside):
        depth += (token[0] == "(") - (token[0] == ")")
        if token[0] == "," and depth == 0:
            yield inside[begin : token.start()].strip()
            begin = token.end()
    yield inside[begin:].strip()


def circular_keys(tables: Mapping[str, Table]) -> set[tuple[str, str]]:
    """Foreign keys, by table and target, that are part of a cycle and must follow the tables."""
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
            target, source = error.args[1][:2]  # each table in the cycle is the target of the next
            edges[source].remove(target)
            circular.add((source, target))
        else:
            return circular


def target_of(key: sa.ForeignKeyConstraint) -> str:
    """The name of the target table, qualified with its schema unless that is the default."""
    return specs_of(key)[0].rpartition(".")[0]


def add_foreign_keys(
    model: ClassSource,
    tables: Mapping[str, Table],
    circular: set[tuple[str, str]],
    notes: list[str],
) -> None:
    for key in sorted_keys(model.table):
        columns = list(key.column_keys)
        specs = specs_of(key)
        target = target_of(key)
        target_table = tables.get(target)
        target_columns = [spec.rpartition(".")[2] for spec in specs]
        if target_table is None or not all(name in target_table.columns for name in target_columns):
            notes.append(
                f"The foreign key of {model.table.name} ({', '.join(columns)}) is left out, "
                f"because its target {target} has no model."
            )
            continue
        conventional = _conventional_name("fk", model.table.name, *columns, target_table.name)
        is_circular = (model.table.key, target) in circular
        fallback_name = f"fk_{model.table.name}"  # use_alter requires a name
        is_conventional = key.name in (None, conventional) and not is_circular
        options = [option for option in _options(key) if not option.endswith("='NO ACTION'")]
        rule = (key.ondelete or "").upper()
        is_plain = (
            all(option.startswith("ondelete=") for option in options) and rule != "SET DEFAULT"
        )
        if is_conventional and len(columns) == 1 and is_plain:
            model.fields[columns[0]].options["foreign_key"] = repr(specs[0])
            if options:
                model.fields[columns[0]].options["ondelete"] = repr(rule)
            continue
        options += (
            [] if is_conventional else [f"name={str(key.name or conventional or fallback_name)!r}"]
        )
        options += ["use_alter=True"] if is_circular else []
        arguments = ", ".join([repr(columns), repr(specs), *options])
        model.arguments.append(f"ForeignKeyConstraint({arguments})")


def specs_of(key: sa.ForeignKeyConstraint) -> list[str]:
    """The targets of a foreign key as strings, which cannot contain names with a dot."""
    try:
        return [str(element.target_fullname) for element in key.elements]
    except InvalidRequestError:
        return [f"{key.referred_table.name}.?"]


def sorted_keys(table: Table) -> list[sa.ForeignKeyConstraint]:
    return sorted(table.foreign_key_constraints, key=lambda key: list(key.column_keys))


def add_checks(model: ClassSource, connection: Connection, stored_table: StoredTable) -> None:
    """Write CHECKs in fields if these create the same CHECK, otherwise as constraints."""
    candidates: dict[str, tuple[FieldSource, FieldRule]] = {}
    for check, condition in stored_table.checks.items():
        for source in model.fields.values():
            field_rule = field_rule_of(source, check, condition)
            if field_rule is not None and len(check.encode()) <= LONGEST_NAME:
                candidates[check] = (source, field_rule)
    equivalent = _equivalent_checks(
        model, connection, stored_table, [rule for _, rule in candidates.values()]
    )
    for check, condition in sorted(stored_table.checks.items()):
        if check in equivalent:
            _apply_rule(*candidates[check])
            continue
        sql = re.sub(r"^CHECK\s*", "", condition)
        sql = _IN_VARCHARS.sub(_as_in, sql)
        model.arguments.append(f"CheckConstraint({escaped(sql)!r}, name={check!r})")
    for condition in stored_table.unnamed:
        model.arguments.append(f"CheckConstraint({escaped(condition)!r})")


_IN_VARCHARS = re.compile(
    r"\((?P<left>\(?[^()]+\)?)::text = ANY \(\(ARRAY\[(?P<items>[^\]]*)\]\)::text\[\]\)\)"
)
"""A stored ``IN`` on a varchar column, to which PostgreSQL would add casts each time."""


def _as_in(match: re.Match[str]) -> str:
    items = re.sub(r"::character varying(\(\d+\))?", "", match["items"])
    left = match["left"].removeprefix("(").removesuffix(")")
    return f"({left} IN ({items}))"


def _equivalent_checks(
    model: ClassSource,
    connection: Connection,
    stored_table: StoredTable,
    rules: Iterable[FieldRule],
) -> set[str]:
    """The names of the CHECKs that the database would store unchanged for the models' rules."""
    rules = list(rules)
    if not rules:
        return set()
    trial = Table(model.table.name, MetaData(), schema=model.table.schema)
    for source in model.fields.values():
        trial.append_column(sa.Column(source.column.name, source.kind.type))
    for rule in rules:
        column = trial.columns[_constrained_column(model, rule)]
        trial.append_constraint(sa.CheckConstraint(rule.condition(column), name=rule.check))
    trial_table = stored_models(trial.metadata, connection).get(
        (model.table.schema, model.table.name)
    )
    trial_checks = {} if trial_table is None else trial_table.checks
    return {
        field_rule.check
        for field_rule in rules
        if trial_checks.get(field_rule.check) == stored_table.checks[field_rule.check]
    }


def _constrained_column(model: ClassSource, field_rule: FieldRule) -> str:
    table, kind = model.table.name, field_rule.kind
    return next(name for name in model.fields if field_rule.check == check_name(table, name, kind))


def _apply_rule(source: FieldSource, field_rule: FieldRule) -> None:
    if field_rule.kind == "values":
        annotation = f"Literal[{', '.join(map(repr, field_rule.values))}]"
        source.kind = type(source.kind)(
            annotation, source.kind.type, source.kind.sa_type, source.kind.options
        )
        return
    limit = str(field_rule.values[0])
    exact = source.kind.annotation == "Decimal" and "." in limit
    source.options[field_rule.kind] = f"Decimal({limit!r})" if exact else limit
