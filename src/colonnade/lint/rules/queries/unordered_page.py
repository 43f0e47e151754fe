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

    def check(self, at: Context) -> Iterator[Finding]:
        for call in at.module.called(*RUNS):
            if at.session(call) is not None and call.args:
                yield from self._judge(at, at.value(call.args[0]), call.args[0])
        for call in at.module.called("all", "first"):
            held = at.value(call.func.value) if isinstance(call.func, ast.Attribute) else None
            if (
                held is not None
                and held.kind is Kind.QUERY
                and isinstance(call.func, ast.Attribute)
            ):
                yield from self._judge(at, held, call.func.value)

    def _judge(self, at: Context, statement: Value | None, node: ast.expr) -> Iterator[Finding]:
        if statement is None or statement.kind not in (Kind.STATEMENT, Kind.QUERY):
            return
        if statement.ordered or not (statement.limited or statement.skips):
            return
        if not statement.skips and _any_will_do(at, node):
            return
        parts = [
            name for name, has in (("limit", statement.limited), ("offset", statement.skips)) if has
        ]
        message = f"{' and '.join(parts)} without an order: which rows come is not decided"
        yield at.find(self.code, node, message, fix=_ordered(at, statement, node), whole=False)


def _any_will_do(at: Context, node: ast.expr) -> bool:
    """Whether a limit takes a batch of what is to be done, and comes again for the rest."""
    if any(isinstance(one, ast.While) for one in at.module.above(node)):
        return True
    function = at.module.function(node)
    text = f"{function.name if function else ''} {ast.unparse(node)}".lower()
    return any(word in text for word in DONE_IN_PARTS)


def _ordered(at: Context, statement: Value, node: ast.expr) -> Fix | None:
    """Order by the key, in front of the limit or the offset that stands here."""
    model = statement.item.model if statement.item is not None else None
    keys = (
        [attribute.name for attribute in model.attributes.values() if attribute.primary_key]
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
    name = next((n for n in at.module.facts.exports if at.meaning(ast.Name(n)) == model.name), None)
    if name is None:
        return None
    order = ", ".join(f"{name}.{key}" for key in keys)
    return Fix("Order by the key", (at.edit.after(chain, f".order_by({order})"),), safe=False)
