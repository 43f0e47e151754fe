"""The rule CLN202, missing-await."""

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
USES_OF_RESULT = frozenset(
    {ast.Attribute, ast.Subscript, ast.UnaryOp, ast.Compare, ast.BoolOp, ast.If, ast.While, ast.For}
)


class MissingAwait(Rule):
    """A call to an `AsyncSession` method or to an async function is not awaited.

    Such a call only creates a coroutine and does nothing: a `commit()` that is not awaited stores
    nothing, and a row that is not awaited has none of its attributes. Python warns only if the
    coroutine is discarded. Add `await`.
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

    def check(self, context: Context) -> Iterator[Finding]:
        for call in context.module.calls:
            inferred = context.value(call)
            if inferred is None or inferred.kind is not Kind.AWAITABLE:
                continue
            parent = context.module.parent(call)
            if isinstance(parent, PASSED_ON) and not _is_receiver(parent, call):
                continue
            if isinstance(parent, ast.Assign | ast.AnnAssign | ast.comprehension):
                if _awaited_later(context, parent):
                    continue
            name = context.editor.text(call.func)
            if context.session_of(call, lib.ASYNC_SESSIONS) is None and not isinstance(
                parent, ast.Expr
            ):
                continue  # for other functions, report only coroutines that are certainly discarded
            message = f"`{name}()` returns a coroutine, which is not awaited"
            fix = _fix(context, call, parent)
            yield context.finding(self.code, call, message, fix=fix, advice="Add `await`")


def _is_receiver(parent: ast.AST, call: ast.Call) -> bool:
    return isinstance(parent, ast.Call) and parent.func is call


def _awaited_later(context: Context, parent: ast.AST) -> bool:
    """Whether a coroutine that is assigned to a name is awaited, or passed on.

    Code that reads an attribute of the name, or tests it, takes it for the awaited result.
    """
    targets = getattr(parent, "targets", None) or [getattr(parent, "target", None)]
    name = targets[0]
    if not isinstance(name, ast.Name):
        return True
    function = context.module.enclosing_function(parent)
    uses = {
        type(context.module.parent(node))
        for node in ast.walk(function or context.module.tree)
        if isinstance(node, ast.Name) and node.id == name.id and isinstance(node.ctx, ast.Load)
    }
    if ast.Await in uses:
        return True
    if uses & USES_OF_RESULT:
        return False
    if uses & {ast.Return, ast.Yield}:
        return function not in context.request_functions  # FastAPI does not await it
    return bool(uses & set(PASSED_ON))


def _fix(context: Context, call: ast.Call, parent: ast.AST | None) -> Fix | None:
    function: Function | None = context.module.enclosing_function(call)
    if not _is_certainly_async(context, call):
        return None
    if not isinstance(function, ast.AsyncFunctionDef) or isinstance(parent, ast.comprehension):
        return None
    edits: tuple[Edit, ...]
    outer = _await_of_chain(context, call)
    if outer is not None:  # `await session.exec(...).all()`: the parentheses are missing
        edits = (context.editor.insert_before(outer, "("), context.editor.insert_after(call, ")"))
        return Fix("Await this call, not its result", edits, safe=True)
    edits = (context.editor.insert_before(call, "await "),)
    if not isinstance(parent, ast.Assign | ast.AnnAssign | ast.Expr):
        edits = (
            context.editor.insert_before(call, "(await "),
            context.editor.insert_after(call, ")"),
        )
    return Fix("Add `await`", edits, safe=True)


def _is_certainly_async(context: Context, call: ast.Call) -> bool:
    """Whether every function that the call may refer to is async."""
    inferred = context.value(call.func)
    owner, _, method = inferred.name.rpartition(".") if inferred is not None else ("", "", "")
    for subclass in context.project.names.subclasses.get(owner, ()):
        override = context.project.function(f"{subclass}.{method}")
        if override is not None and not isinstance(override[0], ast.AsyncFunctionDef):
            return False
    return is_method_certain(context, call.func)


def _await_of_chain(context: Context, call: ast.Call) -> ast.Await | None:
    """The ``await`` of a chain that starts with a call, which was meant for the call itself."""
    inner: ast.AST = call
    for ancestor in context.module.ancestors(call):
        if isinstance(ancestor, ast.Await):
            return (
                ancestor
                if context.editor.start(ancestor.value) == context.editor.start(call)
                else None
            )
        chained = isinstance(ancestor, ast.Attribute) or (
            isinstance(ancestor, ast.Call) and ancestor.func is inner
        )
        if not chained:
            return None
        inner = ancestor
    return None
