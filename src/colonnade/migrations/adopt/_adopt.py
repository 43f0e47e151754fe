"""A database that has tables and no code gets some."""

import ast
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

from sqlalchemy import MetaData
from sqlmodel import SQLModel

from colonnade.database import Database, DatabaseURL
from colonnade.errors import MigrationError
from colonnade.migrations._environment import opened
from colonnade.migrations._history import History
from colonnade.migrations.adopt._columns import escaped
from colonnade.migrations.adopt._database_objects import Objects
from colonnade.migrations.adopt._models import Adoption, models_source
from colonnade.migrations.adopt._module import WIDTH
from colonnade.migrations.autogenerate._revision_writer import write_revision
from colonnade.models import schemas_with_tables


def adopted(database: Database, schemas: Sequence[str] = ()) -> Adoption:
    """The models of a database's tables.

    Args:
        database: The database.
        schemas: The schemas that the tables are in; none: the default one.

    Raises:
        UnreachableError: It cannot be connected to.
        MigrationError: There is no table that could have a model.
    """
    with opened(database) as connection:
        adoption = models_source(connection, *schemas)
        others = () if schemas else schemas_with_tables(connection)
    there = f"There are tables in {', '.join(others)}: choose the schemas with --schema."
    if adoption.models:
        return replace(adoption, notes=(*adoption.notes, *([there] if others else [])))
    where = f" in {', '.join(schemas)}" if schemas else ""
    rest = [there] if others else adoption.notes
    raise MigrationError(
        " ".join([f"{database.url} has no table{where} that could have a model.", *rest])
    )


def adopted_revisions(
    history: History, url: DatabaseURL, metadata: MetaData, adoption: Adoption
) -> list[Path]:
    """Write the history that an empty database becomes the adopted one by; its files.

    It is one revision, and a second where tables refer to each other: the keys that can be there
    only after both tables are.

    Args:
        history: The history, which is empty.
        url: The server on which a throwaway database is made.
        metadata: The models' tables.
        adoption: What was adopted.
    """
    paths = []
    written, _ = write_revision(
        history, url, metadata, "adopted", edit=lambda path: _add_objects(path, adoption.objects)
    )
    if written is not None:
        paths.append(written.path)
        rest, _ = write_revision(history, url, metadata, "adopted keys")
        paths += [rest.path] if rest is not None else []
    return paths


def _add_objects(path: Path, objects: Objects) -> None:
    """Have a revision that creates tables create what they need as well."""
    source = _with_types(path.read_text(encoding="utf-8"), objects.types)
    top, upgrade, rest = source.partition("def upgrade() -> None:\n")
    body, downgrade, undo = rest.rstrip("\n").partition("\n\n\ndef downgrade() -> None:\n")
    types, create, tables = body.partition("    op.create_table(")
    parts = [_sql(objects.first), types, _sql(objects.before), f"{create}{tables}\n",
             _sql(objects.after)]  # fmt: skip
    up = "".join(parts).rstrip("\n")
    undo = f"{undo}\n{_sql(objects.undo)}".rstrip("\n")
    path.write_text(f"{top}{upgrade}{up}{downgrade}{undo}\n", encoding="utf-8")


def _with_types(source: str, types: Mapping[tuple[str, str], str]) -> str:
    """A revision whose tables have the types of PostgreSQL's that SQLAlchemy does not know."""
    lines = source.splitlines(keepends=True)
    calls = [(call.node.lineno, call.node.col_offset, call) for call in _columns_of(source, types)]
    for number, offset, column in sorted(calls, reverse=True, key=lambda position: position[:2]):
        last = column.node.end_lineno
        start = lines[number - 1].encode()[:offset]
        rest = "".join(lines[number - 1 : last][-1:]).encode()[column.node.end_col_offset :]
        domain = (
            f"postgresql.DOMAIN(sa.quoted_name({column.type!r}, quote=False), sa.Text(), "
            f'create_type=False).with_variant(sa.Text(), "sqlite")'
        )
        lines[number - 1 : last] = [(start + domain.encode() + rest).decode()]
    rewritten = "".join(lines)
    dialect = "from sqlalchemy.dialects import postgresql\n"
    if rewritten == source or dialect in rewritten:
        return rewritten
    return rewritten.replace("\n\nrevision: str", f"\n{dialect}\nrevision: str", 1)


@dataclass(frozen=True)
class _Column:
    """A column in a revision: where its type is written, and what it is."""

    node: ast.expr
    type: str


def _columns_of(source: str, types: Mapping[tuple[str, str], str]) -> Iterator[_Column]:
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Call(func=ast.Attribute(attr="create_table"), args=[table, *columns]):
                schema = next(
                    (keyword.value for keyword in node.keywords if keyword.arg == "schema"), None
                )
                names = [
                    ast.literal_eval(argument)
                    for argument in (schema, table)
                    if argument is not None
                ]
            case _:
                continue
        for column in columns:
            match column:
                case ast.Call(args=[ast.Constant(value=str(name)), kind, *_]):
                    if (key := (".".join(names), name)) in types:
                        yield _Column(kind, types[key])


def _sql(statements: Sequence[str]) -> str:
    """Statements of PostgreSQL's as Python of a revision."""
    if not statements:
        return ""
    run = "".join(f"        {_step(statement)}\n" for statement in statements)
    return f'    if op.get_context().dialect.name == "postgresql":\n{run}'


def _step(statement: str) -> str:
    """A statement of a revision that runs SQL, which ``text()`` reads without parameters."""
    sql = escaped(statement)
    if "\n" in sql and '"""' not in sql and not sql.endswith(('"', "\\")):
        return f'op.execute(r"""{sql}""")'
    quoted = repr(sql)
    if '"' not in quoted:
        quoted = f'"{quoted[1:-1]}"'
    step = f"op.execute({quoted})"
    return step if len(step) + 8 <= WIDTH else f"{step}  # noqa: E501"


def defined_by(path: Path) -> MetaData:
    """The tables that a module of models defines.

    Args:
        path: Its file.
    """
    spec = spec_from_file_location(f"adopted_{path.stem}", path)
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    sys.modules[spec.name] = module  # where a postponed annotation is looked up
    spec.loader.exec_module(module)
    return SQLModel.metadata
