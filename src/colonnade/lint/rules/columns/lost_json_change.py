"""CLN107."""

import ast
from collections.abc import Iterator

from colonnade.lint._context import Context
from colonnade.lint._findings import Finding
from colonnade.lint._rule import Rule
from colonnade.lint.inference._values import Kind
from colonnade.lint.rules.columns._json_columns import untracked

CHANGES = frozenset(
    {"append", "extend", "insert", "remove", "pop", "clear", "update", "setdefault", "popitem",
     "sort", "reverse", "add", "discard"}
)  # fmt: skip


class LostJSONChange(Rule):
    """A value inside an untracked JSON column is changed in place, and the change is lost.

    The commit after it stores nothing, and no error says so. Assign a new value (`task.tags =
    [*task.tags, "x"]`), call `flag_modified(task, "tags")`, or let the column track (CLN106).
    """

    code = "CLN107"
    name = "lost-json-change"
    source = "https://github.com/fastapi/sqlmodel/issues/63"
    bad = """
from sqlalchemy import JSON
from sqlmodel import Column, Field, Session, SQLModel


class Task(SQLModel, table=True):
    id: int | None = Field(default=None, primary_key=True)
    tags: list[str] = Field(default_factory=list, sa_column=Column(JSON))  # noqa: CLN106


def tag(session: Session, key: int, name: str) -> None:
    task = session.get_one(Task, key)
    task.tags.append(name)  # CLN107
    session.commit()
"""
    good = """
from sqlalchemy import JSON
from sqlmodel import Column, Field, Session, SQLModel


class Task(SQLModel, table=True):
    id: int | None = Field(default=None, primary_key=True)
    tags: list[str] = Field(default_factory=list, sa_column=Column(JSON))  # noqa: CLN106


def tag(session: Session, key: int, name: str) -> None:
    task = session.get_one(Task, key)
    task.tags = [*task.tags, name]
    session.commit()
"""

    def check(self, context: Context) -> Iterator[Finding]:
        for node in context.module.calls:
            func = node.func
            if isinstance(func, ast.Attribute) and func.attr in CHANGES:
                yield from self._judge(context, func.value, node)
        for part in context.module.nodes(ast.Subscript):
            if isinstance(part.ctx, ast.Store | ast.Del):
                yield from self._judge(context, part.value, part)

    def _judge(self, context: Context, changed: ast.expr, node: ast.AST) -> Iterator[Finding]:
        while isinstance(changed, ast.Subscript):
            changed = changed.value
        if not isinstance(changed, ast.Attribute):
            return
        row = context.value(changed.value)
        if row is None or row.kind is not Kind.ROW or row.model is None or not row.attached:
            return
        field = row.model.fields.get(changed.attr)
        if field is None or not untracked(context, field) or _marked(context, node, changed):
            return
        message = f"this change inside `{changed.attr}` is not saved: its JSON is not tracked"
        advice = f'Assign a new value, or call `flag_modified(..., "{changed.attr}")`'
        yield context.finding(self.code, node, message, advice=advice)


def _marked(context: Context, node: ast.AST, changed: ast.Attribute) -> bool:
    """Whether the function says that it changed, or assigns the attribute itself."""
    function = context.module.enclosing_function(node) or context.module.tree
    for descendant in ast.walk(function):
        if isinstance(descendant, ast.Call) and "flag_modified" in ast.unparse(descendant.func):
            return True
        if isinstance(descendant, ast.Attribute) and isinstance(descendant.ctx, ast.Store):
            if descendant.attr == changed.attr:
                return True
    return False
