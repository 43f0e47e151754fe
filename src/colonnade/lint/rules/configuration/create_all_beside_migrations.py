"""The rule CLN311, create-all-beside-migrations."""

import ast
from collections.abc import Iterator

from colonnade.lint._context import Context
from colonnade.lint._findings import Finding
from colonnade.lint._rule import Rule
from colonnade.lint.rules._syntax import is_name


class CreateAllBesideMigrations(Rule):
    """A program that has migrations also creates its tables with `create_all`.

    `create_all` creates tables that a revision will create later, so `upgrade` fails with "already
    exists". It never changes an existing table, so databases differ depending on when they were
    first started. Let the migrations create the tables.
    """

    code = "CLN311"
    name = "create-all-beside-migrations"
    in_tests = False
    in_migrations = False
    source = "https://alembic.sqlalchemy.org/en/latest/cookbook.html#building-an-up-to-date-database-from-scratch"
    bad = """
from alembic import command  # noqa: F401 - this project has migrations
from sqlmodel import SQLModel, create_engine

engine = create_engine("sqlite:///tasks.db")


def start() -> None:
    SQLModel.metadata.create_all(engine)  # CLN311
"""
    good = """
from alembic import command
from alembic.config import Config


def start() -> None:
    command.upgrade(Config("alembic.ini"), "head")
"""

    def check(self, context: Context) -> Iterator[Finding]:
        text = context.module.source.text
        if not context.project.names.migrated or "stamp(" in text:
            return  # it creates a new database and stamps it with the newest revision
        if context.module.path.endswith(".md"):
            return  # a page shows how to begin
        for node in context.module.nodes(ast.Attribute):
            if node.attr != "create_all":
                continue
            if isinstance(node.value, ast.Attribute) and node.value.attr == "metadata":
                function = context.module.enclosing_function(node)
                if function is not None and any(
                    word in function.name for word in ("test", "reset", "drop")
                ):
                    continue
                if is_name(node.value.value, "self") or _is_in_memory(context, node):
                    continue  # a library offers it, or the database is gone with the process
                message = "`create_all` creates tables outside the project's migrations"
                advice = "Run `upgrade head` instead"
                yield context.finding(self.code, node, message, advice=advice)


def _is_in_memory(context: Context, create_all: ast.Attribute) -> bool:
    """Whether the tables are those of a SQLite database in memory."""
    call = context.module.parent(create_all)
    engine = context.value(call.args[0]) if isinstance(call, ast.Call) and call.args else None
    creation = engine.node if engine is not None else None
    url = creation.args[0] if isinstance(creation, ast.Call) and creation.args else None
    text = url.value if isinstance(url, ast.Constant) else None
    return isinstance(text, str) and (text.endswith("://") or ":memory:" in text)
