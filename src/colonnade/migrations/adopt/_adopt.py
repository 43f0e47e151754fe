"""Write the models and the history of a database that has tables but no code."""

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
from colonnade.migrations._environment import migration_connection
from colonnade.migrations._history import History
from colonnade.migrations.adopt._columns import escaped
from colonnade.migrations.adopt._database_objects import DatabaseObjects
from colonnade.migrations.adopt._models import Adoption, models_source
from colonnade.migrations.adopt._module import WIDTH
from colonnade.migrations.autogenerate._revision_writer import write_revision
from colonnade.models import schemas_with_tables


def adopt_database(database: Database, schemas: Sequence[str] = ()) -> Adoption:
    """Write the models of a database's tables.

    Args:
        database: The database.
        schemas: The schemas of the tables; by default the default schema.

    Returns:
        The source of the models, and notes on everything that they cannot express.

    Raises:
        UnreachableError: The database cannot be reached.
        MigrationError: The database has no tables that models can map.

    Examples:
        ```python
        from colonnade import Database, text
        from colonnade.migrations import adopt_database

        db = Database("sqlite://")
        with db.session() as session:
            session.exec(text("CREATE TABLE book (id INTEGER PRIMARY KEY, title TEXT)"))
            session.commit()
        adoption = adopt_database(db)
        print(adoption.models)  # ('Book',)
        print("class Book(SQLModel, table=True):" in adoption.source)  # True
        ```
    """
    with migration_connection(database) as connection:
        adoption = models_source(connection, *schemas)
        others = () if schemas else schemas_with_tables(connection)
    hint = f"Other schemas have tables: {', '.join(others)}. Adopt them with --schema."
    if adoption.models:
        return replace(adoption, notes=(*adoption.notes, *([hint] if others else [])))
    in_schemas = f" in {', '.join(schemas)}" if schemas else ""
    reasons = [hint] if others else adoption.notes
    raise MigrationError(
        " ".join([f"{database.url} has no tables{in_schemas} that models can map.", *reasons])
    )


def write_adopted_history(
    history: History, url: DatabaseURL, metadata: MetaData, adoption: Adoption
) -> list[Path]:
    """Write the history that creates the adopted tables in an empty database.

    It has one revision, and a second one for foreign keys if tables refer to each other in a
    cycle.

    Args:
        history: The history, which is empty.
        url: The server for a throwaway database.
        metadata: The models' tables.
        adoption: The models of the database.

    Returns:
        The files of the revisions.

    Examples:
        ```python
        from pathlib import Path

        from colonnade import Database, text
        from colonnade.migrations import (
            History,
            adopt_database,
            load_models,
            write_adopted_history,
        )
        from colonnade.testing import Project

        db = Database("sqlite:///library.db")
        with db.session() as session:
            session.exec(text("CREATE TABLE book (id INTEGER PRIMARY KEY, title TEXT)"))
            session.commit()
        adoption = adopt_database(db)
        Path("library.py").write_text(adoption.source)
        history = History(Project(Path.cwd(), migrations="library_versions"))
        tables = load_models(Path("library.py"))
        print(len(write_adopted_history(history, db.url, tables, adoption)))  # 1
        ```
    """
    paths = []
    written, _ = write_revision(
        history, url, metadata, "adopted", edit=lambda path: _add_objects(path, adoption.objects)
    )
    if written is not None:
        paths.append(written.path)
        second, _ = write_revision(history, url, metadata, "adopted keys")
        paths += [second.path] if second is not None else []
    return paths


def _add_objects(path: Path, objects: DatabaseObjects) -> None:
    """Extend a revision that creates tables with other objects that they need."""
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
    """Replace the types in a revision by PostgreSQL's types that SQLAlchemy does not know."""
    lines = source.splitlines(keepends=True)
    columns = [
        (column.node.lineno, column.node.col_offset, column)
        for column in _unknown_columns(source, types)
    ]
    for number, offset, column in sorted(columns, reverse=True, key=lambda entry: entry[:2]):
        last = column.node.end_lineno
        start = lines[number - 1].encode()[:offset]
        rest = "".join(lines[number - 1 : last][-1:]).encode()[column.node.end_col_offset :]
        domain = (
            f"postgresql.DOMAIN(sa.quoted_name({column.type!r}, quote=False), sa.Text(), "
            f'create_type=False).with_variant(sa.Text(), "sqlite")'
        )
        lines[number - 1 : last] = [(start + domain.encode() + rest).decode()]
    changed = "".join(lines)
    import_line = "from sqlalchemy.dialects import postgresql\n"
    if changed == source or import_line in changed:
        return changed
    return changed.replace("\n\nrevision: str", f"\n{import_line}\nrevision: str", 1)


@dataclass(frozen=True)
class _ColumnType:
    """The node of a column's type in the source of a revision, and the stored type."""

    node: ast.expr
    type: str


def _unknown_columns(source: str, types: Mapping[tuple[str, str], str]) -> Iterator[_ColumnType]:
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Call(func=ast.Attribute(attr="create_table"), args=[table, *columns]):
                schema = next(
                    (keyword.value for keyword in node.keywords if keyword.arg == "schema"), None
                )
                names = [ast.literal_eval(name) for name in (schema, table) if name is not None]
            case _:
                continue
        for column in columns:
            match column:
                case ast.Call(args=[ast.Constant(value=str(name)), kind, *_]):
                    if (key := (".".join(names), name)) in types:
                        yield _ColumnType(kind, types[key])


def _sql(statements: Sequence[str]) -> str:
    """The source that runs SQL statements, on PostgreSQL only."""
    if not statements:
        return ""
    run = "".join(f"        {_step(statement)}\n" for statement in statements)
    return f'    if op.get_context().dialect.name == "postgresql":\n{run}'


def _step(statement: str) -> str:
    """The source that runs a SQL statement, escaped for ``text()``."""
    sql = escaped(statement)
    if "\n" in sql and '"""' not in sql and not sql.endswith(('"', "\\")):
        return f'op.execute(r"""{sql}""")'
    literal = repr(sql)
    if '"' not in literal:
        literal = f'"{literal[1:-1]}"'
    step = f"op.execute({literal})"
    return step if len(step) + 8 <= WIDTH else f"{step}  # noqa: E501"


def load_models(path: Path) -> MetaData:
    """Import a module of models and return the tables of its metadata.

    Args:
        path: The file of the module.

    Returns:
        The tables.

    Examples:
        ```python
        from pathlib import Path

        from colonnade.migrations import load_models

        print(list(load_models(Path("app/models.py")).tables))  # ['task']
        ```
    """
    spec = spec_from_file_location(f"adopted_{path.stem}", path)
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    sys.modules[spec.name] = module  # postponed annotations are resolved there
    spec.loader.exec_module(module)
    return SQLModel.metadata
