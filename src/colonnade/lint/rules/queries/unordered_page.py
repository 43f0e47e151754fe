"""CLN303."""

import ast
from collections.abc import Iterator

from colonnade.lint._context import Context
from colonnade.lint._findings import Finding, Fix
from colonnade.lint._rule import Rule
from colonnade.lint.inference._values import Kind, Value
from colonnade.lint.rules._examples import SYNC

RUNS = ("exec", "execute", "scalars", "scalar", "stream", "stream_scalars")
DONE_IN_PARTS = (
    "batch", "chunk", "purge", "delete", "clean", "exists", "sweep", "reclaim", "expire", "prune",
    "drain",
)  # fmt: skip


class UnorderedPage(Rule):
    """A statement has a limit or an offset, and no order.

    Without ORDER BY the database may answer in any order, and in another one the next time: pages
    overlap and rows are never shown, most of all on PostgreSQL after an update. Order by something,
    the key last.
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
        for call in context.module.calls_named(*RUNS):
            if context.session_of(call) is not None and call.args:
                yield from self._judge(context, context.value(call.args[0]), call.args[0])
        for call in context.module.calls_named("all", "first"):
            inferred = (
                context.value(call.func.value) if isinstance(call.func, ast.Attribute) else None
            )
            if (
                inferred is not None
                and inferred.kind is Kind.QUERY
                and isinstance(call.func, ast.Attribute)
            ):
                yield from self._judge(context, inferred, call.func.value)

    def _judge(
        self, context: Context, statement: Value | None, node: ast.expr
    ) -> Iterator[Finding]:
        if statement is None or statement.kind not in (Kind.STATEMENT, Kind.QUERY):
            return
        if statement.has_order or not (statement.has_limit or statement.has_offset):
            return
        if not statement.has_offset and _any_will_do(context, node):
            return
        parts = [
            name
            for name, has in (("limit", statement.has_limit), ("offset", statement.has_offset))
            if has
        ]
        message = f"{' and '.join(parts)} without an order: which rows come is not decided"
        yield context.finding(
            self.code, node, message, fix=_ordered(context, statement, node), whole=False
        )


def _any_will_do(context: Context, node: ast.expr) -> bool:
    """Whether a limit takes a batch of what is to be done, and comes again for the rest."""
    if any(isinstance(ancestor, ast.While) for ancestor in context.module.ancestors(node)):
        return True
    function = context.module.enclosing_function(node)
    text = f"{function.name if function else ''} {ast.unparse(node)}".lower()
    return any(word in text for word in DONE_IN_PARTS)


def _ordered(context: Context, statement: Value, node: ast.expr) -> Fix | None:
    """Order by the key, in front of the limit or the offset that stands here."""
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
        (n for n in context.module.summary.exports if context.resolve(ast.Name(n)) == model.name),
        None,
    )
    if name is None:
        return None
    order = ", ".join(f"{name}.{key}" for key in keys)
    return Fix(
        "Order by the key", (context.editor.insert_after(chain, f".order_by({order})"),), safe=False
    )
