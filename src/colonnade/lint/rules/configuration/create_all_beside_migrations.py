"""CLN311."""

import ast
from collections.abc import Iterator

from colonnade.lint._context import Context
from colonnade.lint._findings import Finding
from colonnade.lint._rule import Rule


class CreateAllBesideMigrations(Rule):
    """The program makes its tables itself, and has migrations too.

    `create_all` makes a table that a revision is to make: `upgrade` then fails ("already exists"),
    and it never changes a table that is there, so that databases differ by when they were first
    started. Let the migrations do it.
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
        if not context.project.names.migrated or "stamp(" in context.module.source.text:
            return  # tables from scratch, and their history marked as done
        for node in context.module.nodes(ast.Attribute):
            if node.attr != "create_all":
                continue
            if isinstance(node.value, ast.Attribute) and node.value.attr == "metadata":
                around = context.module.enclosing_function(node)
                if around is not None and any(w in around.name for w in ("test", "reset", "drop")):
                    continue
                message = "this project has migrations, and this makes tables beside them"
                advice = "Run `upgrade head` instead"
                yield context.finding(self.code, node, message, advice=advice)
