"""Columns and CHECKs as a database itself writes them down.

PostgreSQL keeps ``status IN ('a', 'b')`` as ``((status)::text = ANY (ARRAY[...]))``. What a model
says is compared with what is stored by having the same database store the model's as well: in a
temporary table there, in memory for SQLite.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Column, Connection, MetaData, Table, create_engine, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.schema import CheckConstraint, CreateIndex, CreateTable

Key = tuple[str | None, str]
"""A table: its schema, None for the default one, and its name."""

_POSTGRESQL_COLUMNS = """
SELECT CASE WHEN n.nspname = current_schema() THEN NULL ELSE n.nspname END, c.relname, a.attname,
       format_type(a.atttypid, a.atttypmod), pg_get_expr(d.adbin, d.adrelid)
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
LEFT JOIN pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum
WHERE c.relkind IN ('r', 'p') AND {where}
"""
_POSTGRESQL_CHECKS = """
SELECT CASE WHEN n.nspname = current_schema() THEN NULL ELSE n.nspname END, c.relname, k.conname,
       pg_get_constraintdef(k.oid)
FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid
JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE k.contype = 'c' AND {where}
"""
_PERMANENT = "n.nspname !~ '^(pg_|information_schema$)'"
_TEMPORARY = "n.oid = pg_my_temp_schema()"


@dataclass(frozen=True)
class Stored:
    """A table as it is stored.

    Attributes:
        types: Of each column.
        defaults: Of each column that has one in the database.
        checks: The condition of each CHECK that has a name.
        unnamed: The conditions of those that have none.
        indexes: Those on expressions, on SQLite.
    """

    types: dict[str, str] = field(default_factory=dict)
    defaults: dict[str, str] = field(default_factory=dict)
    checks: dict[str, str] = field(default_factory=dict)
    unnamed: list[str] = field(default_factory=list)
    indexes: dict[str, str] = field(default_factory=dict)


def stored_tables(connection: Connection) -> Mapping[Key, Stored]:
    """The tables of a database."""
    if connection.dialect.name == "postgresql":
        return _read_postgresql(connection, _PERMANENT)
    return _read_sqlite(connection)


def stored_models(metadata: MetaData, connection: Connection) -> Mapping[Key, Stored]:
    """The tables of a metadata, as a database would keep them; without those it cannot make.

    Args:
        metadata: The models' tables.
        connection: The database; on PostgreSQL, in a transaction, of which nothing remains.
    """
    if connection.dialect.name == "postgresql":
        return _model_on_postgresql(metadata, connection)
    engine = create_engine("sqlite://")
    try:
        with engine.connect() as memory:
            for table in metadata.tables.values():
                plain = Table(table.name, MetaData(), *_parts(table))
                try:
                    memory.execute(CreateTable(plain))
                    for index in table.indexes:
                        memory.execute(CreateIndex(index))
                except DBAPIError:
                    continue
            found = _read_sqlite(memory)
    finally:
        engine.dispose()
    return {(table.schema, table.name): found.get((None, table.name), Stored())
            for table in metadata.tables.values() if (None, table.name) in found}  # fmt: skip


def _parts(table: Table) -> Iterator[Column[Any] | CheckConstraint]:
    """A table's columns and CHECKs, without what refers to others."""
    for column in table.columns:
        copy = column._copy()
        copy.foreign_keys.clear()
        copy.constraints = {one for one in copy.constraints if isinstance(one, CheckConstraint)}
        copy.index = copy.unique = None
        yield copy
    for constraint in table.constraints:
        if isinstance(constraint, CheckConstraint) and not constraint._type_bound:
            yield constraint._copy()


def _model_on_postgresql(metadata: MetaData, connection: Connection) -> Mapping[Key, Stored]:
    names: dict[str, Key] = {}
    outer = connection.begin_nested()
    try:
        for number, table in enumerate(metadata.tables.values()):
            name = f"colonnade_{number}"
            plain = Table(name, MetaData(), *_parts(table), prefixes=["TEMPORARY"])
            inner = connection.begin_nested()
            try:
                connection.execute(CreateTable(plain))
                inner.commit()
                names[name] = (table.schema, table.name)
            except DBAPIError:  # a type that is not there yet
                inner.rollback()
        found = _read_postgresql(connection, _TEMPORARY)
    finally:
        outer.rollback()
    return {names[name]: stored for (_, name), stored in found.items() if name in names}


def _read_postgresql(connection: Connection, where: str) -> Mapping[Key, Stored]:
    tables: dict[Key, Stored] = {}
    columns = connection.execute(text(_POSTGRESQL_COLUMNS.format(where=where)))
    for schema, table, column, kind, default in columns:
        stored = tables.setdefault((schema, table), Stored())
        stored.types[column] = kind
        if default is not None:
            stored.defaults[column] = _default(default)
    for schema, table, name, condition in connection.execute(
        text(_POSTGRESQL_CHECKS.format(where=where))
    ):
        stored = tables.setdefault((schema, table), Stored())
        stored.checks[name] = condition.removesuffix(" NOT VALID")
    return tables


def _default(expression: str) -> str:
    """A default; the sequence of a serial column has another name in each table."""
    return "nextval" if expression.startswith("nextval(") else expression


def _read_sqlite(connection: Connection) -> Mapping[Key, Stored]:
    tables: dict[Key, Stored] = {}
    found = connection.execute(
        text("SELECT name, sql FROM sqlite_master WHERE type = 'table' AND sql IS NOT NULL")
    )
    for name, sql in found.all():
        stored = tables.setdefault((None, name), Stored())
        quoted = name.replace('"', '""')
        for row in connection.execute(text(f'PRAGMA table_xinfo("{quoted}")')).all():
            stored.types[row[1]] = re.sub(r"\s*,\s*", ", ", row[2].upper())
            if row[4] is not None:
                stored.defaults[row[1]] = normal(row[4])
        for check, condition in checks_in(sql):
            if check is None:
                stored.unnamed.append(condition)
            else:
                stored.checks[check] = normal(condition)
    found = connection.execute(
        text("SELECT name, tbl_name, sql FROM sqlite_master WHERE type = 'index' AND sql != ''")
    )
    for name, table, sql in found.all():
        if (None, table) in tables and has_expression(sql):
            tables[None, table].indexes[name] = normal(sql)
    return tables


def has_expression(sql: str) -> bool:
    """Whether an index of SQLite is on more than columns."""
    tokens = [one for one in _TOKEN.findall(sql) if not one.isspace()]
    start = tokens.index("(")
    return any(
        not re.fullmatch(r"[\w,]+|[\"`\[].*", one)
        for one in tokens[start + 1 : _closing(tokens, start)]
    )


_TOKEN = re.compile(
    r"""'(?:[^']|'')*' | "(?:[^"]|"")*" | `(?:[^`]|``)*` | \[[^\]]*\] | --[^\n]*
    | /\*.*?\*/ | \d+(?:\.\d+)? | \w+ | \s+ | <= | >= | <> | != | == | \|\| | -> | ->> | .""",
    re.VERBOSE | re.DOTALL,
)


def checks_in(sql: str) -> Iterator[tuple[str | None, str]]:
    """The name and condition of each CHECK in a CREATE TABLE of SQLite."""
    tokens = [one for one in _TOKEN.findall(sql) if not one.startswith(("--", "/*"))]
    name: str | None = None
    position = 0
    while position < len(tokens):
        word = tokens[position].upper()
        position += 1
        if word == "CONSTRAINT":
            position = _after_space(tokens, position)
            name = identifier(tokens[position])
            position += 1
        elif word == "CHECK":
            position = _after_space(tokens, position)
            end = _closing(tokens, position)
            yield name, "".join(tokens[position + 1 : end]).strip()
            name, position = None, end + 1
        elif not word.isspace():
            name = None


def _after_space(tokens: list[str], position: int) -> int:
    while tokens[position].isspace():
        position += 1
    return position


def _closing(tokens: list[str], position: int) -> int:
    depth = 0
    for end in range(position, len(tokens)):
        depth += (tokens[end] == "(") - (tokens[end] == ")")
        if depth == 0:
            return end
    return len(tokens)


def identifier(token: str) -> str:
    """A name without its quotes."""
    quotes = {'"': '"', "`": "`", "[": "]"}
    if token and token[0] in quotes and token.endswith(quotes[token[0]]):
        closing = quotes[token[0]]
        return token[1:-1].replace(closing * 2, closing)
    return token


def normal(expression: str) -> str:
    """An expression of SQLite without what makes no difference: spaces, quotes, brackets."""
    tokens: list[str] = []
    for token in _TOKEN.findall(expression):
        if token.isspace() or token.startswith(("--", "/*")):
            continue
        plain = identifier(token)
        tokens.append(plain if re.fullmatch(r"[A-Za-z_]\w*", plain) else token)
    while tokens[:1] == ["("] and _closing(tokens, 0) == len(tokens) - 1:
        tokens = tokens[1:-1]
    return _joined(tokens)


def _joined(tokens: list[str]) -> str:
    """Tokens with spaces where people have them."""
    text, before, signed = "", "(", False
    for word in tokens:
        is_call = word == "(" and _is_name(before)
        glued = not text or word in "),." or before in "(." or is_call or signed
        signed = word in ("+", "-") and (before in _OPERATORS or before.upper() in _KEYWORDS)
        text += word if glued else f" {word}"
        before = word
    return text


_OPERATORS = frozenset(("(", ",", "<", ">", "=", "<=", ">=", "<>", "!=", "=="))
_KEYWORDS = frozenset(("AND", "OR", "NOT", "IN", "IS", "BETWEEN", "THEN", "ELSE", "WHEN", "LIKE"))


def _is_name(token: str) -> bool:
    return re.fullmatch(r"[A-Za-z_]\w*", token) is not None and token.upper() not in _KEYWORDS


def names_in(expression: str) -> set[str]:
    """The identifiers in an expression, and its keywords."""
    return {identifier(token) for token in _TOKEN.findall(expression) if not token.startswith("'")}


def with_name(expression: str, old: str, new: str) -> str:
    """An expression with one identifier in place of another."""
    plain = re.fullmatch(r"[a-z_][a-z0-9_]*", new)
    written = new if plain else '"' + new.replace('"', '""') + '"'
    return "".join(
        written if not token.startswith("'") and identifier(token) == old else token
        for token in _TOKEN.findall(expression)
    )
