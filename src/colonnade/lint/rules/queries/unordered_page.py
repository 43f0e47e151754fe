"""The rule CLN303, unordered-page."""

import ast
from collections.abc import Iterator

from colonnade.lint._context import Context
from colonnade.lint._findings import Finding, Fix
from colonnade.lint._rule import Rule
from colonnade.lint.inference._values import Kind, Value
from colonnade.lint.rules._examples import SYNC

EXECUTE_METHODS = ("exec", "execute", "scalars", "scalar", "stream", "stream_scalars")
BATCH_WORDS = (
    "batch", "chunk", "purge", "delete", "clean", "exists", "sweep", "reclaim", "expire", "prune",
    "drain",
)  # fmt: skip


class UnorderedPage(Rule):
    """A statement has a limit or an offset, but no order.

    Without ORDER BY the database may return rows in any order, and in a different order the next
    time: pages overlap and some rows never appear, especially on PostgreSQL after an update. Add
    `order_by()`, with the primary key last.
    """

    code = "CLN303"
    name = "unordered-page"
    in_tests = False
    in_migrations = False
    fixes = "unsafe"
    source = "https://www.postgresql.org/docs/current/queries-limit.html"
    bad = f"""{SYNC}

def page(session: Session, offset: int):
    return session.exec(select(Task).offset(offset).limit(20)).all()  # CLN303
"""
    good = f"""{SYNC}

def page(session: Session, offset: int):
    return session.exec(select(Task).order_by(Task.id).offset(offset).limit(20)).all()
"""

    def check(self, context: Context) -> Iterator[Finding]:
        for call in context.module.calls_named(*EXECUTE_METHODS):
            if context.session_of(call) is not None and call.args:
                yield from self._check_statement(context, context.value(call.args[0]), call.args[0])
        for call in context.module.calls_named("all", "first"):
            inferred = (
                context.value(call.func.value) if isinstance(call.func, ast.Attribute) else None
            )
            if (
                inferred is not None
                and inferred.kind is Kind.QUERY
                and isinstance(call.func, ast.Attribute)
            ):
                yield from self._check_statement(context, inferred, call.func.value)

    def _check_statement(
        self, context: Context, statement: Value | None, node: ast.expr
    ) -> Iterator[Finding]:
        if statement is None or statement.kind not in (Kind.STATEMENT, Kind.QUERY):
            return
        if statement.has_order or not (statement.has_limit or statement.has_offset):
            return
        if not statement.has_offset and _takes_any_rows(context, node):
            return
        parts = [
            name
            for name, is_set in (("limit", statement.has_limit), ("offset", statement.has_offset))
            if is_set
        ]
        message = f"{' and '.join(parts)} without an order: the database may return any rows"
        fix = _order_fix(context, statement, node)
        advice = "Add `order_by(...)`, with the primary key last"
        yield context.finding(self.code, node, message, fix=fix, advice=advice, whole=False)


def _takes_any_rows(context: Context, node: ast.expr) -> bool:
    """Whether any rows will do: a batch of work, a claim, or two rows where one is expected."""
    for call in ast.walk(node):
        match call:
            case ast.Call(func=ast.Attribute(attr="limit"), args=[ast.Constant(value=2)]):
                return True
            case ast.Call(func=ast.Attribute(attr="with_for_update"), keywords=[*options]) if any(
                option.arg == "skip_locked" for option in options
            ):
                return True
    if any(isinstance(ancestor, ast.While) for ancestor in context.module.ancestors(node)):
        return True
    function = context.module.enclosing_function(node)
    text = f"{function.name if function else ''} {ast.unparse(node)}".lower()
    return any(word in text for word in BATCH_WORDS)


def _order_fix(context: Context, statement: Value, node: ast.expr) -> Fix | None:
    """Add the order before the limit or the offset."""
    model = statement.item.model if statement.item is not None else None
    keys = (
        [attribute.name for attribute in model.fields.values() if attribute.primary_key]
        if model
        else []
    )
    chain: ast.expr | None = None
    while isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
        if node.func.attr in ("limit", "offset"):
            chain = node.func.value
        node = node.func.value
    if chain is None or not keys or model is None:
        return None
    name = next(
        (
            exported
            for exported in context.module.summary.exports
            if context.resolve(ast.Name(exported)) == model.name
        ),
        None,
    )
    if name is None:
        return None
    order = ", ".join(f"{name}.{key}" for key in keys)
    return Fix(
        "Order by the primary key",
        (context.editor.insert_after(chain, f".order_by({order})"),),
        safe=False,
    )
