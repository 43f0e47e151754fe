"""The rule CLN317, ambiguous-order."""

import ast
from collections.abc import Iterator

from colonnade.lint._context import Context
from colonnade.lint._findings import Finding
from colonnade.lint._rule import Rule
from colonnade.lint.inference._values import Kind
from colonnade.lint.project._models import ModelField
from colonnade.lint.rules._examples import models
from colonnade.lint.rules._syntax import last_name

DIRECTIONS = frozenset({"desc", "asc", "nulls_last", "nulls_first", "col"})


class AmbiguousOrder(Rule):
    """Pages have an order in which rows are equal.

    The database may return equal rows in another order for each page, so that a client sees one of
    them twice and another one never. End the order with the primary key:
    `order_by(Task.status, Task.id)`.
    """

    code = "CLN317"
    name = "ambiguous-order"
    in_tests = False
    in_migrations = False
    source = "https://www.postgresql.org/docs/current/queries-limit.html"
    bad = f"""{models()}

def page(session: Session, offset: int) -> list[Task]:
    statement = select(Task).order_by(Task.done).offset(offset).limit(20)  # CLN317
    return list(session.exec(statement).all())
"""
    good = f"""{models()}

def page(session: Session, offset: int) -> list[Task]:
    statement = select(Task).order_by(Task.done, Task.id).offset(offset).limit(20)
    return list(session.exec(statement).all())
"""

    def check(self, context: Context) -> Iterator[Finding]:
        for call in context.module.calls_named("order_by"):
            if not isinstance(call.func, ast.Attribute) or not call.args or call.keywords:
                continue
            statement = context.value(call.func.value)
            if statement is None or statement.kind is not Kind.STATEMENT or statement.has_order:
                continue
            if not _is_page(context, call):
                continue
            fields = [_field(context, argument) for argument in call.args]
            known = [field for field in fields if field is not None]
            if len(known) == len(fields) and all(map(_has_equal_rows, known)):
                names = ", ".join(f"`{field.name}`" for field in known)
                message = f"rows with the same {names} have no order, so that pages may overlap"
                advice = "End the order with the primary key"
                yield context.finding(self.code, call, message, advice=advice, whole=False)


def _is_page(context: Context, call: ast.Call) -> bool:
    """Whether the chain of calls goes on with ``offset``, and with no other order."""
    names = []
    inner: ast.AST = call
    for ancestor in context.module.ancestors(call):
        if isinstance(ancestor, ast.Attribute) and ancestor.value is inner:
            names.append(ancestor.attr)
        elif not (isinstance(ancestor, ast.Call) and ancestor.func is inner):
            break
        inner = ancestor
    return "offset" in names and "order_by" not in names


def _field(context: Context, node: ast.expr) -> ModelField | None:
    """The column that an expression sorts by; None for other expressions."""
    while isinstance(node, ast.Call):  # desc(Task.done), Task.done.desc()
        if last_name(node.func) not in DIRECTIONS:
            return None
        inner = node.func.value if isinstance(node.func, ast.Attribute) else None
        inner = node.args[0] if node.args else inner
        if inner is None:
            return None
        node = inner
    column = context.value(node)
    if column is None or column.kind is not Kind.COLUMN or column.model is None:
        return None
    return column.model.fields.get(column.name)


def _has_equal_rows(field: ModelField) -> bool:
    """Whether several rows may well have the same value: not for a key, nor for a time."""
    is_short = field.hint.name.rpartition(".")[2] in ("str", "bool", "int")
    return (
        not field.unique
        and (is_short or bool(field.hint.literals))
        and "__table_args__" not in ast.unparse(field.owner.node)
    )
