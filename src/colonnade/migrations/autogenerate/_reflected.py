"""Columns, constraints and indexes as a database itself writes them down.

PostgreSQL keeps ``status IN ('a', 'b')`` as ``((status)::text = ANY (ARRAY[...]))``. What a model
says is compared with what is stored by having the same database store the model's as well: in a
temporary table there, in memory for SQLite.
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
    Index,
    PrimaryKeyConstraint,
    UniqueConstraint,
)

SQLITE_RESERVED_WORDS = SQLiteIdentifierPreparer.reserved_words

Key = tuple[str | None, str]
"""A table: its schema, None for the default one, and its name."""

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
class Stored:
    """A table as it is stored.

    Attributes:
        types: Of each column.
        defaults: Of each column that has one in the database.
        computed: The expression of each computed column.
        collations: Of each column that has another than its type has.
        checks: The condition of each CHECK that has a name.
        unnamed: The conditions of those that have none.
        indexes: How each index is made, but for its name and its table's.
        uniques: What each UNIQUE constraint says that has a name.
        unnamed_uniques: The columns of those that have none, on SQLite.
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
    stored_by_key: dict[Key, Stored] = {}
    for schema in {table.schema for table in metadata.tables.values()}:
        tables = [table for table in metadata.tables.values() if table.schema == schema]
        if connection.dialect.name == "postgresql":
            stored = _model_on_postgresql(tables, connection)
        else:
            stored = _model_on_sqlite(tables)
        stored_by_key.update({(schema, name): table for name, table in stored.items()})
    return stored_by_key


def _model_on_sqlite(tables: Sequence[Table]) -> Mapping[str, Stored]:
    engine = create_engine("sqlite://")
    try:
        with engine.connect() as memory:
            for table in tables:
                try:
                    _make(memory, table)
                except DBAPIError:
                    memory.execute(DropTable(table, if_exists=True))
            return {name: stored for (_, name), stored in _read_sqlite(memory).items()}
    finally:
        engine.dispose()


def _model_on_postgresql(tables: Sequence[Table], connection: Connection) -> Mapping[str, Stored]:
    outer = connection.begin_nested()
    try:
        for table in tables:
            inner = connection.begin_nested()
            try:
                _make(connection, table, "TEMPORARY")
                inner.commit()
            except DBAPIError:  # a type that is not there yet
                inner.rollback()
        on_server = _read_postgresql(connection, _TEMPORARY)
    finally:
        outer.rollback()
    return {name: stored for (_, name), stored in on_server.items()}


def _make(connection: Connection, table: Table, *prefixes: str) -> None:
    """Make a table with all that is its own, without what refers to others."""
    plain = Table(table.name, MetaData(), *_parts(table), prefixes=list(prefixes))
    key = [column.name for column in table.primary_key.columns]  # in its own order
    name = table.primary_key.name
    plain.append_constraint(
        PrimaryKeyConstraint(*key, name=name if isinstance(name, str) else None)
    )
    for constraint in table.constraints:
        if isinstance(constraint, UniqueConstraint):
            copy = constraint._copy(target_table=plain)
            plain.append_constraint(copy)
    connection.execute(CreateTable(plain))
    schema = "pg_temp" if prefixes else "main"
    # A model may define an index twice; a database has one of each name.
    indexes = {index.name: index for index in table.indexes if is_made(index, connection)}
    for index in indexes.values():
        options = {"schema_translate_map": {table.schema: schema}}
        connection.execute(CreateIndex(index), execution_options=options)


def is_made(index: Index, connection: Connection) -> bool:
    """Whether an index is made on this database, by its ``ddl_if``."""
    condition = index._ddl_if
    return condition is None or condition._should_execute(CreateIndex(index), index, connection)


def _parts(table: Table) -> Iterator[Column[Any] | CheckConstraint]:
    """A table's columns and CHECKs, without what refers to others."""
    for column in table.columns:
        copy = column._copy()
        copy.foreign_keys.clear()
        copy.constraints = {
            constraint for constraint in copy.constraints if isinstance(constraint, CheckConstraint)
        }
        copy.index = copy.unique = None
        yield copy
    for constraint in table.constraints:
        if isinstance(constraint, CheckConstraint) and not constraint._type_bound:
            yield constraint._copy()


def _read_postgresql(connection: Connection, where: str) -> Mapping[Key, Stored]:
    tables: dict[Key, Stored] = {}

    def rows(query: str) -> Iterator[Any]:
        sql = query.replace("{schema}", _SCHEMA).replace("{where}", where)
        for schema, table, *row in connection.execute(text(sql)):
            yield tables.setdefault((schema, table), Stored()), *row

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
            stored.checks[name] = _restored(definition.removesuffix(" NOT VALID"))
        elif kind == "u":
            stored.uniques[name] = definition
        else:
            stored.key[:] = columns
            stored.key_name = name
    for stored, name, unique, definition in rows(_POSTGRESQL_INDEXES):
        kind = "UNIQUE " if unique else ""
        stored.indexes[name] = kind + _restored(definition.partition(" USING ")[2])
    return tables


_CAST_LIST = re.compile(
    r"\(ARRAY\[((?:'(?:[^']|'')*'::character varying(?:, )?)+)\]\)::text\[\]", re.DOTALL
)


def _restored(expression: str) -> str:
    """An expression as PostgreSQL has it after a dump, where a cast of a list is one of each."""

    def cast_each(match: re.Match[str]) -> str:
        return "ARRAY[" + re.sub(_CAST, r"(\g<0>)::text", match[1]) + "]"

    return _CAST_LIST.sub(cast_each, expression)


_CAST = r"'(?:[^']|'')*'::character varying"


def _default(expression: str) -> str:
    """A default; the sequence of a serial column has another name in each table.

    ``now()`` is another name of ``CURRENT_TIMESTAMP``:
    https://www.postgresql.org/docs/current/functions-datetime.html#FUNCTIONS-DATETIME-CURRENT
    """
    if expression.startswith("nextval("):
        return "nextval"
    return "now()" if expression == "CURRENT_TIMESTAMP" else expression


def _read_sqlite(connection: Connection) -> Mapping[Key, Stored]:
    tables: dict[Key, Stored] = {}
    rows = connection.execute(
        text("SELECT name, sql FROM sqlite_master WHERE type = 'table' AND sql IS NOT NULL")
    )
    for name, sql in rows.all():
        tables[None, name] = _sqlite_table(connection, name, sql)
    rows = connection.execute(
        text("SELECT name, tbl_name, sql FROM sqlite_master WHERE type = 'index' AND sql != ''")
    )
    for name, table, sql in rows.all():
        if (None, table) in tables:
            tables[None, table].indexes[name] = _sqlite_index(sql)
    return tables


def _sqlite_table(connection: Connection, name: str, sql: str) -> Stored:
    quoted = name.replace('"', '""')
    named = list(constraint_names(sql))
    stored = Stored(key_name=next((name for name, kind, _ in named if kind == "PRIMARY"), None))
    key: list[tuple[int, str]] = []
    generated = computed_in(sql)
    for row in connection.execute(text(f'PRAGMA table_xinfo("{quoted}")')).all():
        column = row[1]
        stored.types[column] = re.sub(r"\s*,\s*", ", ", row[2].upper())
        if column in generated:
            stored.computed[column] = generated[column]
        elif row[4] is not None:
            stored.defaults[column] = normal(row[4])
        if row[5]:
            key.append((row[5], column))
    stored.key[:] = [column for _, column in sorted(key)]
    stored.collations.update(collations_in(sql))
    for check, condition in checks_in(sql):
        if check is None:
            stored.unnamed.append(condition)
        else:
            stored.checks[check] = normal(condition)
    uniques = {columns: name for name, kind, columns in named if kind == "UNIQUE"}
    for columns, constraint in uniques.items():  # SQLite adds no index for the primary key
        stored.uniques[constraint] = f"UNIQUE ({', '.join(columns)})"
    stored.unnamed_uniques |= uniques_of(connection, name) - uniques.keys()
    return stored


def uniques_of(connection: Connection, table: str) -> set[tuple[str, ...]]:
    """The columns of each UNIQUE of a table, as SQLite itself knows them."""
    quoted = table.replace('"', '""')
    indexes = connection.execute(text(f'PRAGMA index_list("{quoted}")')).all()
    uniques = set()
    for index in (row[1] for row in indexes if row[3] == "u"):
        rows = connection.execute(text(f'PRAGMA index_info("{index}")')).all()
        uniques.add(tuple(str(row[2]) for row in rows))
    return uniques


def _sqlite_index(sql: str) -> str:
    """How an index of SQLite is made, without its name and its table's."""
    tokens = [token for token in _TOKEN.findall(sql) if not token.isspace()]
    unique = "UNIQUE " if tokens[1].upper() == "UNIQUE" else ""
    return unique + normal(" ".join(tokens[tokens.index("(") :]))


def index_parts(definition: str) -> tuple[list[str], str | None]:
    """What an index is on, and its condition on SQLite, by how ``Stored`` has it."""
    method = re.match(r"\w+ (?=\()", definition := definition.removeprefix("UNIQUE "))
    tokens = _TOKEN.findall(definition[method.end() if method else 0 :])
    end = _closing(tokens, 0) if tokens[0] == "(" else len(tokens)
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
    """The name, first word and columns of each constraint with a name in a CREATE TABLE of SQLite.

    Columns are those of a constraint that stands by itself, or the one that it stands beside.
    """
    tokens = [token for token in _TOKEN.findall(sql) if not token.isspace()]
    tokens = [token for token in tokens if not token.startswith(("--", "/*"))]
    depth, column = 0, ""
    for place, word in enumerate(tokens):
        if depth == 1 and tokens[place - 1] in ("(", ","):
            column = identifier(word)
        depth += (word == "(") - (word == ")")
        if word.upper() != "CONSTRAINT" or depth != 1:
            continue
        kind = tokens[place + 2].upper()
        after = place + (4 if kind == "PRIMARY" else 3)
        columns: tuple[str, ...] = (column,)
        if tokens[after : after + 1] == ["("]:
            inside = tokens[after + 1 : _closing(tokens, after)]
            columns = tuple(identifier(word) for word in inside if word != ",")
        yield identifier(tokens[place + 1]), kind, columns


def computed_in(sql: str) -> dict[str, str]:
    """The expression of each computed column in a CREATE TABLE of SQLite."""
    tokens = [token for token in _TOKEN.findall(sql) if not token.isspace()]
    depth, column, computed = 0, "", {}
    for place, word in enumerate(tokens):
        if depth == 1 and tokens[place - 1] in ("(", ","):
            column = identifier(word)
        depth += (word == "(") - (word == ")")
        is_as = word.upper() == "AS" and depth == 1 and tokens[place + 1 : place + 2] == ["("]
        if is_as:
            computed[column] = normal(" ".join(tokens[place + 2 : _closing(tokens, place + 1)]))
    return computed


def collations_in(sql: str) -> dict[str, str]:
    """The collation of each column that names one in a CREATE TABLE of SQLite."""
    return {identifier(name): identifier(collation) for name, collation in _COLLATION.findall(sql)}


_COLLATION = re.compile(
    r"""(?:^|[,(])\s*("(?:[^"]|"")*"|\w+)\s[^,]*?\bCOLLATE\s+("(?:[^"]|"")*"|\w+)""",
    re.IGNORECASE,
)


def has_expression(sql: str) -> bool:
    """Whether an index of SQLite is on more than columns."""
    tokens = [token for token in _TOKEN.findall(sql) if not token.isspace()]
    start = tokens.index("(")
    return any(
        not re.fullmatch(r"[\w,]+|[\"`\[].*", token)
        for token in tokens[start + 1 : _closing(tokens, start)]
    )


_TOKEN = re.compile(
    r"""'(?:[^']|'')*' | "(?:[^"]|"")*" | `(?:[^`]|``)*` | \[[^\]]*\] | --[^\n]*
    | /\*.*?\*/ | \d+(?:\.\d+)? | \w+ | \s+ | <= | >= | <> | != | == | \|\| | -> | ->> | .""",
    re.VERBOSE | re.DOTALL,
)


def checks_in(sql: str) -> Iterator[tuple[str | None, str]]:
    """The name and condition of each CHECK in a CREATE TABLE of SQLite."""
    tokens = [token for token in _TOKEN.findall(sql) if not token.startswith(("--", "/*"))]
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
        is_plain = re.fullmatch(r"[A-Za-z_]\w*", plain) and (plain == token or not _is_word(plain))
        tokens.append(plain if is_plain else token)
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
    """The identifiers in an expression that may be columns: neither functions nor types."""
    return {name for _, name in _names(_TOKEN.findall(expression))}


def _names(tokens: Sequence[str]) -> Iterator[tuple[int, str]]:
    """Where tokens name something that may be a column, and what."""
    words = [(place, token) for place, token in enumerate(tokens)
             if not token.isspace() and not token.startswith(("--", "/*"))]  # fmt: skip
    following = [token for _, token in words[1:]] + [""]
    before = ""
    for (place, token), after in zip(words, following, strict=True):
        name = identifier(token)
        is_quoted = name != token
        is_function = after == "("
        is_type = before in (":", "AS")
        if is_quoted or (_is_name(token) and not is_function and not is_type):
            yield place, name
        before = token.upper()


def _is_word(name: str) -> bool:
    """Whether a name is a word of SQL's, on either database."""
    return name.lower() in PG_RESERVED_WORDS or name.lower() in SQLITE_RESERVED_WORDS


def sql_name(name: str) -> str:
    """A name as SQL that both databases understand."""
    if re.fullmatch(r"[a-z_][a-z0-9_]*", name) and not _is_word(name):
        return name
    return '"' + name.replace('"', '""') + '"'


def literals_in(expression: str) -> list[str]:
    """The numbers and the texts in quotes in an expression, in their order."""
    tokens = _TOKEN.findall(expression)
    return [
        f"-{token}"
        if token[0].isdigit() and "".join(tokens[:place]).rstrip()[-1:] == "-"
        else token
        for place, token in enumerate(tokens)
        if token.startswith("'") or token[0].isdigit()
    ]


def with_name(expression: str, old: str, new: str) -> str:
    """An expression with one column's name in place of another."""
    tokens = _TOKEN.findall(expression)
    for place, name in list(_names(tokens)):
        if name == old:
            tokens[place] = sql_name(new)
    return "".join(tokens)
