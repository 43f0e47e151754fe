"""Columns, constraints and indexes as a database stores them.

PostgreSQL stores ``status IN ('a', 'b')`` as ``((status)::text = ANY (ARRAY[...]))``. To compare a
model's definition with the stored one, the same database has to store the model's table as well: a
temporary table on PostgreSQL, an in-memory database for SQLite.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Column, Connection, MetaData, Table, create_engine, text
from sqlalchemy.dialects.postgresql.base import RESERVED_WORDS as PG_RESERVED_WORDS
from sqlalchemy.dialects.sqlite.base import SQLiteIdentifierPreparer
from sqlalchemy.exc import DBAPIError
from sqlalchemy.schema import (
    CheckConstraint,
    CreateIndex,
    CreateTable,
    DropTable,
    PrimaryKeyConstraint,
    UniqueConstraint,
)

from colonnade._sqlalchemy_compat import belongs_to_type, copy_item, is_created_on

SQLITE_RESERVED_WORDS = SQLiteIdentifierPreparer.reserved_words

TableKey = tuple[str | None, str]
"""A table's schema, None for the default schema, and its name."""

_SCHEMA = "CASE WHEN n.nspname = current_schema() THEN NULL ELSE n.nspname END"
_POSTGRESQL_COLUMNS = """
SELECT {schema}, c.relname, a.attname, format_type(a.atttypid, a.atttypmod),
       pg_get_expr(d.adbin, d.adrelid), a.attgenerated,
       CASE WHEN a.attcollation <> t.typcollation THEN l.collname END
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
JOIN pg_type t ON t.oid = a.atttypid
LEFT JOIN pg_collation l ON l.oid = a.attcollation
LEFT JOIN pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum
WHERE c.relkind IN ('r', 'p') AND {where}
"""
_POSTGRESQL_CONSTRAINTS = """
SELECT {schema}, c.relname, k.conname, k.contype, pg_get_constraintdef(k.oid),
       (SELECT json_agg(a.attname ORDER BY p.number)
        FROM unnest(k.conkey) WITH ORDINALITY p(attnum, number)
        JOIN pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = p.attnum)
FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid
JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE k.contype IN ('c', 'u', 'p') AND {where}
"""
_POSTGRESQL_INDEXES = """
SELECT {schema}, c.relname, i.relname, x.indisunique, pg_get_indexdef(x.indexrelid)
FROM pg_index x JOIN pg_class c ON c.oid = x.indrelid JOIN pg_class i ON i.oid = x.indexrelid
JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE NOT EXISTS (SELECT FROM pg_constraint k
                  WHERE k.conindid = i.oid AND k.contype IN ('p', 'u', 'x'))
  AND {where}
"""
_PERMANENT = "n.nspname !~ '^(pg_|information_schema$)'"
_TEMPORARY = "n.oid = pg_my_temp_schema()"


@dataclass
class StoredTable:
    """A table as the database stores it.

    Attributes:
        types: The type of each column.
        defaults: The server default of each column that has one.
        computed: The expression of each computed column.
        collations: The collation of each column whose collation is not its type's default.
        checks: The condition of each named CHECK.
        unnamed: The conditions of the unnamed CHECKs.
        indexes: The definition of each index, without its name and table.
        uniques: The definition of each named UNIQUE constraint.
        unnamed_uniques: The columns of each unnamed UNIQUE constraint, on SQLite.
        key: The columns of the primary key.
        key_name: The name of the primary key, if it has one.
    """

    types: dict[str, str] = field(default_factory=dict)
    defaults: dict[str, str] = field(default_factory=dict)
    computed: dict[str, str] = field(default_factory=dict)
    collations: dict[str, str] = field(default_factory=dict)
    checks: dict[str, str] = field(default_factory=dict)
    unnamed: list[str] = field(default_factory=list)
    indexes: dict[str, str] = field(default_factory=dict)
    uniques: dict[str, str] = field(default_factory=dict)
    unnamed_uniques: set[tuple[str, ...]] = field(default_factory=set)
    key: list[str] = field(default_factory=list)
    key_name: str | None = None


def stored_tables(connection: Connection) -> Mapping[TableKey, StoredTable]:
    """Return the tables of a database."""
    if connection.dialect.name == "postgresql":
        return _read_postgresql(connection, _PERMANENT)
    return _read_sqlite(connection)


def stored_models(metadata: MetaData, connection: Connection) -> Mapping[TableKey, StoredTable]:
    """Return the tables of a metadata as a database would store them.

    Tables that the database cannot create are left out.

    Args:
        metadata: The models' tables.
        connection: The database. On PostgreSQL the tables are created in a savepoint that is
            rolled back.
    """
    tables_by_key: dict[TableKey, StoredTable] = {}
    for schema in {table.schema for table in metadata.tables.values()}:
        tables = [table for table in metadata.tables.values() if table.schema == schema]
        if connection.dialect.name == "postgresql":
            stored = _store_on_postgresql(tables, connection)
        else:
            stored = _store_on_sqlite(tables)
        tables_by_key.update({(schema, name): table for name, table in stored.items()})
    return tables_by_key


def _store_on_sqlite(tables: Sequence[Table]) -> Mapping[str, StoredTable]:
    engine = create_engine("sqlite://")
    try:
        with engine.connect() as memory:
            for table in tables:
                try:
                    _create_table(memory, table)
                except DBAPIError:
                    memory.execute(DropTable(table, if_exists=True))
            return {name: stored for (_, name), stored in _read_sqlite(memory).items()}
    finally:
        engine.dispose()


def _store_on_postgresql(
    tables: Sequence[Table], connection: Connection
) -> Mapping[str, StoredTable]:
    outer = connection.begin_nested()
    try:
        for table in tables:
            inner = connection.begin_nested()
            try:
                _create_table(connection, table, "TEMPORARY")
                inner.commit()
            except DBAPIError:  # the table uses a type that does not exist yet
                inner.rollback()
        stored_tables_by_key = _read_postgresql(connection, _TEMPORARY)
    finally:
        outer.rollback()
    return {name: stored for (_, name), stored in stored_tables_by_key.items()}


def _create_table(connection: Connection, table: Table, *prefixes: str) -> None:
    """Create a copy of a table without its foreign keys."""
    plain = Table(table.name, MetaData(), *_columns_and_checks(table), prefixes=list(prefixes))
    key = [column.name for column in table.primary_key.columns]  # in the key's order
    name = table.primary_key.name
    plain.append_constraint(
        PrimaryKeyConstraint(*key, name=name if isinstance(name, str) else None)
    )
    for constraint in table.constraints:
        if isinstance(constraint, UniqueConstraint):
            plain.append_constraint(copy_item(constraint, target_table=plain))
    connection.execute(CreateTable(plain))
    schema = "pg_temp" if prefixes else "main"
    # A model may define an index twice; in a database each name exists once.
    indexes = {index.name: index for index in table.indexes if is_created_on(index, connection)}
    for index in indexes.values():
        options = {"schema_translate_map": {table.schema: schema}}
        connection.execute(CreateIndex(index), execution_options=options)


def _columns_and_checks(table: Table) -> Iterator[Column[Any] | CheckConstraint]:
    """Yield copies of a table's columns and CHECKs, without foreign keys."""
    for column in table.columns:
        copy = copy_item(column)
        copy.foreign_keys.clear()
        copy.constraints = {
            constraint for constraint in copy.constraints if isinstance(constraint, CheckConstraint)
        }
        copy.index = copy.unique = None
        yield copy
    for constraint in table.constraints:
        if isinstance(constraint, CheckConstraint) and not belongs_to_type(constraint):
            yield copy_item(constraint)


def _read_postgresql(connection: Connection, where: str) -> Mapping[TableKey, StoredTable]:
    tables: dict[TableKey, StoredTable] = {}

    def rows(query: str) -> Iterator[Any]:
        sql = query.replace("{schema}", _SCHEMA).replace("{where}", where)
        for schema, table, *row in connection.execute(text(sql)):
            yield tables.setdefault((schema, table), StoredTable()), *row

    for stored, column, kind, default, generated, collation in rows(_POSTGRESQL_COLUMNS):
        stored.types[column] = kind
        if generated:
            stored.computed[column] = default
        elif default is not None:
            stored.defaults[column] = _default(default)
        if collation is not None:
            stored.collations[column] = collation
    for stored, name, kind, definition, columns in rows(_POSTGRESQL_CONSTRAINTS):
        if kind == "c":
            stored.checks[name] = _as_restored(definition.removesuffix(" NOT VALID"))
        elif kind == "u":
            stored.uniques[name] = definition
        else:
            stored.key[:] = columns
            stored.key_name = name
    for stored, name, unique, definition in rows(_POSTGRESQL_INDEXES):
        kind = "UNIQUE " if unique else ""
        stored.indexes[name] = kind + _as_restored(definition.partition(" USING ")[2])
    return tables


_CAST_LIST = re.compile(
    r"\(ARRAY\[((?:'(?:[^']|'')*'::character varying(?:, )?)+)\]\)::text\[\]", re.DOTALL
)


def _as_restored(expression: str) -> str:
    """Return an expression as PostgreSQL stores it after a dump and restore.

    A dump turns the cast of an array into a cast of each element.
    """

    def cast_each(match: re.Match[str]) -> str:
        return "ARRAY[" + re.sub(_CAST, r"(\g<0>)::text", match[1]) + "]"

    return _CAST_LIST.sub(cast_each, expression)


_CAST = r"'(?:[^']|'')*'::character varying"


def _default(expression: str) -> str:
    """Normalize a default.

    The sequence of a serial column has a different name in the temporary table, and ``now()`` is
    the same as ``CURRENT_TIMESTAMP``:
    https://www.postgresql.org/docs/current/functions-datetime.html#FUNCTIONS-DATETIME-CURRENT
    """
    if expression.startswith("nextval("):
        return "nextval"
    return "now()" if expression == "CURRENT_TIMESTAMP" else expression


def _read_sqlite(connection: Connection) -> Mapping[TableKey, StoredTable]:
    tables: dict[TableKey, StoredTable] = {}
    result = connection.execute(
        text("SELECT name, sql FROM sqlite_master WHERE type = 'table' AND sql IS NOT NULL")
    )
    for name, sql in result.all():
        tables[None, name] = _sqlite_table(connection, name, sql)
    result = connection.execute(
        text("SELECT name, tbl_name, sql FROM sqlite_master WHERE type = 'index' AND sql != ''")
    )
    for name, table, sql in result.all():
        if (None, table) in tables:
            tables[None, table].indexes[name] = _sqlite_index(sql)
    return tables


def _sqlite_table(connection: Connection, name: str, sql: str) -> StoredTable:
    quoted = name.replace('"', '""')
    named = list(constraint_names(sql))
    stored = StoredTable(
        key_name=next((constraint for constraint, kind, _ in named if kind == "PRIMARY"), None)
    )
    key: list[tuple[int, str]] = []
    generated = computed_in(sql)
    for row in connection.execute(text(f'PRAGMA table_xinfo("{quoted}")')).all():
        column = row[1]
        stored.types[column] = re.sub(r"\s*,\s*", ", ", row[2].upper())
        if column in generated:
            stored.computed[column] = generated[column]
        elif row[4] is not None:
            stored.defaults[column] = normalized(row[4])
        if row[5]:
            key.append((row[5], column))
    stored.key[:] = [column for _, column in sorted(key)]
    stored.collations.update(collations_in(sql))
    for check, condition in checks_in(sql):
        if check is None:
            stored.unnamed.append(condition)
        else:
            stored.checks[check] = normalized(condition)
    uniques = {columns: constraint for constraint, kind, columns in named if kind == "UNIQUE"}
    for columns, constraint in uniques.items():  # SQLite adds no index for the primary key
        stored.uniques[constraint] = f"UNIQUE ({', '.join(columns)})"
    stored.unnamed_uniques |= uniques_of(connection, name) - uniques.keys()
    return stored


def uniques_of(connection: Connection, table: str) -> set[tuple[str, ...]]:
    """Return the columns of each UNIQUE constraint of a table on SQLite."""
    quoted = table.replace('"', '""')
    indexes = connection.execute(text(f'PRAGMA index_list("{quoted}")')).all()
    uniques = set()
    for index in (row[1] for row in indexes if row[3] == "u"):
        rows = connection.execute(text(f'PRAGMA index_info("{index}")')).all()
        uniques.add(tuple(str(row[2]) for row in rows))
    return uniques


def _sqlite_index(sql: str) -> str:
    """Return the definition of an index on SQLite without its name and table."""
    tokens = [word for word in _TOKEN.findall(sql) if not word.isspace()]
    unique = "UNIQUE " if tokens[1].upper() == "UNIQUE" else ""
    return unique + normalized(" ".join(tokens[tokens.index("(") :]))


def index_parts(definition: str) -> tuple[list[str], str | None]:
    """Split the definition of an index in ``StoredTable`` into its parts and its condition.

    The condition is returned for SQLite only.
    """
    method = re.match(r"\w+ (?=\()", definition := definition.removeprefix("UNIQUE "))
    tokens = _TOKEN.findall(definition[method.end() if method else 0 :])
    end = _closing_bracket(tokens, 0) if tokens[0] == "(" else len(tokens)
    rest = "".join(tokens[end + 1 :])
    where = rest.removeprefix(" WHERE ") if rest.startswith(" WHERE ") else None
    if method or where is not None:
        tokens = tokens[1:end]
    parts, depth = [""], 0
    for word in tokens:
        depth += (word == "(") - (word == ")")
        if word == "," and not depth:
            parts.append("")
        else:
            parts[-1] += word
    return [part.strip() for part in parts], where


def constraint_names(sql: str) -> Iterator[tuple[str, str, tuple[str, ...]]]:
    """Yield the name, first keyword and columns of the named constraints in a CREATE TABLE.

    The columns are those of a table constraint, or the one that a column constraint belongs to.

    Args:
        sql: A CREATE TABLE statement of SQLite.
    """
    tokens = [word for word in _TOKEN.findall(sql) if not word.isspace()]
    tokens = [word for word in tokens if not word.startswith(("--", "/*"))]
    depth, column = 0, ""
    for index, word in enumerate(tokens):
        if depth == 1 and tokens[index - 1] in ("(", ","):
            column = unquoted(word)
        depth += (word == "(") - (word == ")")
        if word.upper() != "CONSTRAINT" or depth != 1:
            continue
        kind = tokens[index + 2].upper()
        after = index + (4 if kind == "PRIMARY" else 3)
        columns: tuple[str, ...] = (column,)
        if tokens[after : after + 1] == ["("]:
            inside = tokens[after + 1 : _closing_bracket(tokens, after)]
            columns = tuple(unquoted(word) for word in inside if word != ",")
        yield unquoted(tokens[index + 1]), kind, columns


def computed_in(sql: str) -> dict[str, str]:
    """Return the expression of each computed column in a CREATE TABLE of SQLite."""
    tokens = [word for word in _TOKEN.findall(sql) if not word.isspace()]
    depth, column, expressions = 0, "", {}
    for index, word in enumerate(tokens):
        if depth == 1 and tokens[index - 1] in ("(", ","):
            column = unquoted(word)
        depth += (word == "(") - (word == ")")
        is_as = word.upper() == "AS" and depth == 1 and tokens[index + 1 : index + 2] == ["("]
        if is_as:
            expressions[column] = normalized(
                " ".join(tokens[index + 2 : _closing_bracket(tokens, index + 1)])
            )
    return expressions


def collations_in(sql: str) -> dict[str, str]:
    """Return the explicit collation of each column in a CREATE TABLE of SQLite."""
    return {unquoted(name): unquoted(collation) for name, collation in _COLLATION.findall(sql)}


_COLLATION = re.compile(
    r"""(?:^|[,(])\s*("(?:[^"]|"")*"|\w+)\s[^,]*?\bCOLLATE\s+("(?:[^"]|"")*"|\w+)""",
    re.IGNORECASE,
)


def has_expression(sql: str) -> bool:
    """Return whether an index of SQLite has an expression or a condition."""
    tokens = [word for word in _TOKEN.findall(sql) if not word.isspace()]
    start = tokens.index("(")
    return any(
        not re.fullmatch(r"[\w,]+|[\"`\[].*", word)
        for word in tokens[start + 1 : _closing_bracket(tokens, start)]
    )


_TOKEN = re.compile(
    r"""'(?:[^']|'')*' | "(?:[^"]|"")*" | `(?:[^`]|``)*` | \[[^\]]*\] | --[^\n]*
    | /\*.*?\*/ | \d+(?:\.\d+)? | \w+ | \s+ | <= | >= | <> | != | == | \|\| | -> | ->> | .""",
    re.VERBOSE | re.DOTALL,
)


def checks_in(sql: str) -> Iterator[tuple[str | None, str]]:
    """Yield the name and condition of each CHECK in a CREATE TABLE of SQLite."""
    tokens = [word for word in _TOKEN.findall(sql) if not word.startswith(("--", "/*"))]
    name: str | None = None
    position = 0
    while position < len(tokens):
        word = tokens[position].upper()
        position += 1
        if word == "CONSTRAINT":
            position = _skip_spaces(tokens, position)
            name = unquoted(tokens[position])
            position += 1
        elif word == "CHECK":
            position = _skip_spaces(tokens, position)
            end = _closing_bracket(tokens, position)
            yield name, "".join(tokens[position + 1 : end]).strip()
            name, position = None, end + 1
        elif not word.isspace():
            name = None


def _skip_spaces(tokens: list[str], position: int) -> int:
    while tokens[position].isspace():
        position += 1
    return position


def _closing_bracket(tokens: list[str], position: int) -> int:
    depth = 0
    for end in range(position, len(tokens)):
        depth += (tokens[end] == "(") - (tokens[end] == ")")
        if depth == 0:
            return end
    return len(tokens)


def unquoted(word: str) -> str:
    """Return an identifier without its quotes."""
    quotes = {'"': '"', "`": "`", "[": "]"}
    if word and word[0] in quotes and word.endswith(quotes[word[0]]):
        closing = quotes[word[0]]
        return word[1:-1].replace(closing * 2, closing)
    return word


def normalized(expression: str) -> str:
    """Normalize an expression of SQLite: spaces, optional quotes and outer brackets."""
    tokens: list[str] = []
    for word in _TOKEN.findall(expression):
        if word.isspace() or word.startswith(("--", "/*")):
            continue
        plain = unquoted(word)
        is_plain = re.fullmatch(r"[A-Za-z_]\w*", plain) and (
            plain == word or not _is_reserved(plain)
        )
        tokens.append(plain if is_plain else word)
    while tokens[:1] == ["("] and _closing_bracket(tokens, 0) == len(tokens) - 1:
        tokens = tokens[1:-1]
    return _join_tokens(tokens)


def _join_tokens(tokens: list[str]) -> str:
    """Join tokens with conventional spacing."""
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


def _is_name(word: str) -> bool:
    return re.fullmatch(r"[A-Za-z_]\w*", word) is not None and word.upper() not in _KEYWORDS


def column_names_in(expression: str) -> set[str]:
    """Return the identifiers in an expression that may be columns, not functions or types."""
    return {name for _, name in _possible_columns(_TOKEN.findall(expression))}


def _possible_columns(tokens: Sequence[str]) -> Iterator[tuple[int, str]]:
    """Yield the position and name of each token that may be a column."""
    words = [(index, word) for index, word in enumerate(tokens)
             if not word.isspace() and not word.startswith(("--", "/*"))]  # fmt: skip
    following = [word for _, word in words[1:]] + [""]
    before = ""
    for (index, word), after in zip(words, following, strict=True):
        name = unquoted(word)
        is_quoted = name != word
        is_function = after == "("
        is_type = before in (":", "AS")
        if is_quoted or (_is_name(word) and not is_function and not is_type):
            yield index, name
        before = word.upper()


def _is_reserved(name: str) -> bool:
    """Return whether a name is a reserved word on either database."""
    return name.lower() in PG_RESERVED_WORDS or name.lower() in SQLITE_RESERVED_WORDS


def sql_name(name: str) -> str:
    """Return a name as SQL for both databases, quoted if necessary."""
    if re.fullmatch(r"[a-z_][a-z0-9_]*", name) and not _is_reserved(name):
        return name
    return '"' + name.replace('"', '""') + '"'


def literals_in(expression: str) -> list[str]:
    """Return the numbers and string literals in an expression, in order."""
    tokens = _TOKEN.findall(expression)
    return [
        f"-{word}" if word[0].isdigit() and "".join(tokens[:index]).rstrip()[-1:] == "-" else word
        for index, word in enumerate(tokens)
        if word.startswith("'") or word[0].isdigit()
    ]


def replace_column_name(expression: str, old: str, new: str) -> str:
    """Replace a column's name in an expression."""
    tokens = _TOKEN.findall(expression)
    for index, name in list(_possible_columns(tokens)):
        if name == old:
            tokens[index] = sql_name(new)
    return "".join(tokens)
