"""The rule CLN107, lost-json-change."""

import ast
from collections.abc import Iterator

from colonnade.lint._context import Context
from colonnade.lint._findings import Finding
from colonnade.lint._rule import Rule
from colonnade.lint.inference._values import Kind
from colonnade.lint.rules._syntax import is_name
from colonnade.lint.rules.columns._json_columns import is_untracked_json

MUTATING_METHODS = frozenset(
    {"append", "extend", "insert", "remove", "pop", "clear", "update", "setdefault", "popitem",
     "sort", "reverse", "add", "discard"}
)  # fmt: skip


class LostJSONChange(Rule):
    """A value inside an untracked JSON column is changed in place, and the change is lost.

    The next commit does not store the change, and nothing raises. Assign a new value (`task.tags =
    [*task.tags, "x"]`), call `flag_modified(task, "tags")`, or make the column track changes
    (CLN106).
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
            if isinstance(func, ast.Attribute) and func.attr in MUTATING_METHODS:
                yield from self._check_change(context, func.value, node)
        for subscript in context.module.nodes(ast.Subscript):
            if isinstance(subscript.ctx, ast.Store | ast.Del):
                yield from self._check_change(context, subscript.value, subscript)

    def _check_change(
        self, context: Context, changed: ast.expr, node: ast.AST
    ) -> Iterator[Finding]:
        while isinstance(changed, ast.Subscript):
            changed = changed.value
        if isinstance(changed, ast.Name):
            changed = _attribute_of(context, changed) or changed
        if not isinstance(changed, ast.Attribute):
            return
        row = context.value(changed.value)
        if row is None or row.kind is not Kind.ROW or row.model is None or not row.attached:
            return
        field = row.model.fields.get(changed.attr)
        if (
            field is None
            or not is_untracked_json(context, field)
            or _is_marked_as_changed(context, node, changed)
        ):
            return
        message = f"this change inside `{changed.attr}` is not saved: the column does not track it"
        advice = f'Assign a new value, or call `flag_modified(..., "{changed.attr}")`'
        yield context.finding(self.code, node, message, advice=advice)


def _attribute_of(context: Context, node: ast.Name) -> ast.Attribute | None:
    """The attribute that a name stands for: ``tags = task.tags``, and no other assignment."""
    function = context.module.enclosing_function(node) or context.module.tree
    values = [
        assignment.value
        for assignment in ast.walk(function)
        if isinstance(assignment, ast.Assign)
        and any(is_name(target, node.id) for target in assignment.targets)
    ]
    return values[0] if len(values) == 1 and isinstance(values[0], ast.Attribute) else None


def _is_marked_as_changed(context: Context, node: ast.AST, changed: ast.Attribute) -> bool:
    """Whether the function flags the attribute as modified, or assigns a new value to it."""
    function = context.module.enclosing_function(node) or context.module.tree
    for descendant in ast.walk(function):
        if isinstance(descendant, ast.Call) and "flag_modified" in ast.unparse(descendant.func):
            return True
        if isinstance(descendant, ast.Attribute) and isinstance(descendant.ctx, ast.Store):
            if descendant.attr == changed.attr:
                return True
    return False
