"""CLN201: a session of one kind on an engine of the other."""

import ast
from collections.abc import Iterator

from colonnade.lint._context import Context
from colonnade.lint._findings import Edit, Finding, Fix
from colonnade.lint._rule import Rule
from colonnade.lint.inference._values import Kind, Value
from colonnade.lint.project import _known_names as lib

ASYNC_NAMES = {
    lib.SQLMODEL_SESSION: ("sqlmodel.ext.asyncio.session", "AsyncSession"),
    lib.SESSION: ("sqlalchemy.ext.asyncio", "AsyncSession"),
}


class SessionOfTheOtherKind(Rule):
    """A sync `Session` is on an async engine, or entered with `async with`; or the reverse.

    `Session(async_engine)` fails when it is used ("greenlet_spawn has not been called", or
    `'AsyncEngine' object has no attribute ...`), `async with Session(...)` at once. An async engine
    wants `AsyncSession`, and its calls `await`.
    """

    code = "CLN201"
    name = "session-of-the-other-kind"
    fixes = "safe"
    bad = """
from sqlalchemy.ext.asyncio import create_async_engine
from sqlmodel import Session, text

engine = create_async_engine("sqlite+aiosqlite:///tasks.db")


async def ready() -> None:
    async with Session(engine, expire_on_commit=False) as session:  # CLN201
        await session.exec(text("SELECT 1"))
"""
    good = """
from sqlalchemy.ext.asyncio import create_async_engine
from sqlmodel import text
from sqlmodel.ext.asyncio.session import AsyncSession

engine = create_async_engine("sqlite+aiosqlite:///tasks.db")


async def ready() -> None:
    async with AsyncSession(engine, expire_on_commit=False) as session:
        await session.exec(text("SELECT 1"))
"""

    def check(self, context: Context) -> Iterator[Finding]:
        for call in context.module.calls:
            inferred = context.value(call.func)
            if inferred is None or inferred.kind is not Kind.SYMBOL:
                continue
            if inferred.name in lib.SESSIONS:
                yield from self._judge(context, call, inferred.name)
            elif inferred.name in (lib.SESSIONMAKER, lib.ASYNC_SESSIONMAKER):
                yield from self._judge_maker(context, call, inferred.name)
        for call in context.module.calls_named("create_all", "drop_all"):
            engine = context.value(call.args[0]) if call.args else None
            if engine is not None and engine.is_instance({lib.ASYNC_ENGINE}):
                message = f"`{context.editor.text(call.func)}` is sync, and the engine is async"
                advice = "Within `async with engine.begin() as c`: `await c.run_sync(...)`"
                yield context.finding(self.code, call, message, advice=advice)
        yield from self._entered(context)

    def _judge(self, context: Context, call: ast.Call, name: str) -> Iterator[Finding]:
        engine = _engine(context, call)
        is_async = name in lib.ASYNC_SESSIONS
        if engine is not None and (engine.name == lib.ASYNC_ENGINE) != is_async:
            yield self._found(context, call, call.func, is_async=is_async)

    def _judge_maker(self, context: Context, call: ast.Call, name: str) -> Iterator[Finding]:
        engine = _engine(context, call)
        factory = context.value(call)
        session = factory.item if factory is not None else None
        if engine is None or session is None:
            return
        is_async = session.name in lib.ASYNC_SESSIONS
        if (engine.name == lib.ASYNC_ENGINE) == is_async:
            return
        if name == lib.SESSIONMAKER and not any(
            keyword.arg == "class_" for keyword in call.keywords
        ):
            message = "this makes sync sessions, on an async engine"
            named = context.editor.local_name(*ASYNC_NAMES[lib.SESSION])
            fix = None
            if named is not None:
                edits = (*context.editor.add_argument(call, f"class_={named[0]}"), *named[1])
                fix = Fix("Make `AsyncSession`s", edits, safe=True)
            yield context.finding(self.code, call, message, fix=fix)
        else:
            yield self._found(context, call, call.func, is_async=is_async)

    def _found(
        self, context: Context, call: ast.Call, name: ast.expr, *, is_async: bool
    ) -> Finding:
        if is_async:
            message = f"`{context.editor.text(name)}` is async, and the engine is not"
            return context.finding(
                self.code, call, message, advice="Use `create_async_engine`, or `Session`"
            )
        message = f"`{context.editor.text(name)}` is sync, and the engine is async"
        return context.finding(self.code, call, message, fix=_made_async(context, call, name))

    def _entered(self, context: Context) -> Iterator[Finding]:
        blocks: list[ast.With | ast.AsyncWith] = [*context.module.nodes(ast.With)]
        for node in (*blocks, *context.module.nodes(ast.AsyncWith)):
            for item in node.items:
                inferred = context.value(item.context_expr)
                if (
                    inferred is None
                    or inferred.kind is not Kind.INSTANCE
                    or inferred.name not in lib.SESSIONS
                ):
                    continue
                is_async = inferred.name in lib.ASYNC_SESSIONS
                if is_async == isinstance(node, ast.AsyncWith):
                    continue
                call = item.context_expr
                if (
                    isinstance(call, ast.Call)
                    and _engine(context, call) is not None
                    and not is_async
                ):
                    continue  # found already, by its engine, or its engine is of its kind
                want = "async with" if is_async else "with"
                message = f"this session is entered by `{want}`"
                if not isinstance(call, ast.Name):
                    yield context.finding(self.code, call, message)


def _engine(context: Context, call: ast.Call) -> Value | None:
    bind = call.args[0] if call.args else None
    for keyword in call.keywords:
        if keyword.arg == "bind":
            bind = keyword.value
    inferred = context.value(bind)
    engines = {lib.ENGINE, lib.ASYNC_ENGINE}
    return inferred if inferred is not None and inferred.is_instance(engines) else None


def _made_async(context: Context, call: ast.Call, name: ast.expr) -> Fix | None:
    """Name AsyncSession instead, where it is entered by ``async with`` already."""
    parent = context.module.parent(call)
    around = context.module.parent(parent) if parent is not None else None
    if not isinstance(around, ast.AsyncWith) or not isinstance(name, ast.Name):
        return None
    if context.resolve(name) not in ASYNC_NAMES:
        return None
    named = context.editor.local_name(*ASYNC_NAMES[context.resolve(name)])
    if named is None:
        return None
    edits: tuple[Edit, ...] = (context.editor.replace(name, named[0]), *named[1])
    return Fix("Use `AsyncSession`", edits, safe=True)
