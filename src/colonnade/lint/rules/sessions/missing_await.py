"""CLN202."""

import ast
from collections.abc import Iterator

from colonnade.lint._context import Context
from colonnade.lint._findings import Edit, Finding, Fix
from colonnade.lint._rule import Rule
from colonnade.lint.inference._values import Kind
from colonnade.lint.project import _known_names as lib
from colonnade.lint.project._modules import Function
from colonnade.lint.rules._certainty import is_method_certain

PASSED_ON = (ast.Await, ast.Return, ast.Yield, ast.YieldFrom, ast.Starred, ast.Lambda, ast.List,
             ast.Tuple, ast.Set, ast.Dict, ast.ListComp, ast.SetComp, ast.GeneratorExp,
             ast.DictComp, ast.Call, ast.keyword, ast.IfExp, ast.NamedExpr)  # fmt: skip
TAKES_FOR_VALUE = frozenset(
    {ast.Attribute, ast.Subscript, ast.UnaryOp, ast.Compare, ast.BoolOp, ast.If, ast.While, ast.For}
)


class MissingAwait(Rule):
    """A call of an `AsyncSession`, or of an async function, is not awaited.

    It gives a coroutine and does nothing: a `commit()` that is not awaited stores nothing, and a
    row that is not awaited has none of its attributes. Python warns only when the coroutine is
    thrown away.
    """

    code = "CLN202"
    name = "missing-await"
    fixes = "safe"
    bad = """
from sqlmodel import Field, SQLModel
from sqlmodel.ext.asyncio.session import AsyncSession


class Task(SQLModel, table=True):
    id: int | None = Field(default=None, primary_key=True)
    title: str


async def rename(session: AsyncSession, key: int, title: str) -> None:
    task = session.get(Task, key)  # CLN202
    task.title = title
    await session.flush()
"""
    good = """
from sqlmodel import Field, SQLModel
from sqlmodel.ext.asyncio.session import AsyncSession


class Task(SQLModel, table=True):
    id: int | None = Field(default=None, primary_key=True)
    title: str


async def rename(session: AsyncSession, key: int, title: str) -> None:
    task = await session.get(Task, key)
    task.title = title
    await session.flush()
"""

    def check(self, at: Context) -> Iterator[Finding]:
        for call in at.module.calls:
            held = at.value(call)
            if held is None or held.kind is not Kind.AWAITABLE:
                continue
            parent = at.module.parent(call)
            if isinstance(parent, PASSED_ON) and not _is_receiver(parent, call):
                continue
            if isinstance(parent, ast.Assign | ast.AnnAssign | ast.comprehension):
                if _awaited_later(at, parent):
                    continue
            name = at.edit.text(call.func)
            if at.session(call, lib.ASYNC_SESSIONS) is None and not isinstance(parent, ast.Expr):
                continue  # of other functions only what is thrown away for sure
            message = f"`{name}()` gives a coroutine, which is not awaited"
            yield at.find(self.code, call, message, fix=_fix(at, call, parent))


def _is_receiver(parent: ast.AST, call: ast.Call) -> bool:
    return isinstance(parent, ast.Call) and parent.func is call


def _awaited_later(at: Context, parent: ast.AST) -> bool:
    """Whether the name it is assigned to is awaited, or handed to who may do so.

    Who asks it for an attribute, or whether it is None, takes it for what it would give.
    """
    targets = getattr(parent, "targets", None) or [getattr(parent, "target", None)]
    name = targets[0]
    if not isinstance(name, ast.Name):
        return True
    function = at.module.function(parent)
    uses = {
        type(at.module.parent(node))
        for node in ast.walk(function or at.module.tree)
        if isinstance(node, ast.Name) and node.id == name.id and isinstance(node.ctx, ast.Load)
    }
    if ast.Await in uses:
        return True
    if uses & TAKES_FOR_VALUE:
        return False
    if uses & {ast.Return, ast.Yield}:
        return function not in at.served  # FastAPI answers with what it gets
    return bool(uses & set(PASSED_ON))


def _fix(at: Context, call: ast.Call, parent: ast.AST | None) -> Fix | None:
    function: Function | None = at.module.function(call)
    if not _is_async(at, call):
        return None
    if not isinstance(function, ast.AsyncFunctionDef) or isinstance(parent, ast.comprehension):
        return None
    edits: tuple[Edit, ...]
    outer = _awaited_around(at, call)
    if outer is not None:  # `await session.exec(...).all()`: the brackets are missing
        edits = (at.edit.before(outer, "("), at.edit.after(call, ")"))
        return Fix("Await it, and then go on", edits, safe=True)
    edits = (at.edit.before(call, "await "),)
    if not isinstance(parent, ast.Assign | ast.AnnAssign | ast.Expr):
        edits = (at.edit.before(call, "(await "), at.edit.after(call, ")"))
    return Fix("Await it", edits, safe=True)


def _is_async(at: Context, call: ast.Call) -> bool:
    """Whether what is called is async for certain, and not only one of what it may be."""
    held = at.value(call.func)
    owner, _, method = held.name.rpartition(".") if held is not None else ("", "", "")
    for heir in at.project.names.heirs.get(owner, ()):
        found = at.project.function(f"{heir}.{method}")
        if found is not None and not isinstance(found[0], ast.AsyncFunctionDef):
            return False
    return is_method_certain(at, call.func)


def _awaited_around(at: Context, call: ast.Call) -> ast.Await | None:
    """The ``await`` of what is called on a call, which was meant for the call itself."""
    inner: ast.AST = call
    for one in at.module.above(call):
        if isinstance(one, ast.Await):
            return one if at.edit.start(one.value) == at.edit.start(call) else None
        chained = isinstance(one, ast.Attribute) or (
            isinstance(one, ast.Call) and one.func is inner
        )
        if not chained:
            return None
        inner = one
    return None
