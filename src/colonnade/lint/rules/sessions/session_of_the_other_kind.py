"""The rule CLN201, session-of-the-other-kind."""

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
    """A sync `Session` uses an async engine or `async with`, or the reverse.

    `Session(async_engine)` fails when it is used ("greenlet_spawn has not been called", or
    `'AsyncEngine' object has no attribute ...`); `async with Session(...)` fails at once. An async
    engine needs `AsyncSession`, whose calls are awaited.
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
                yield from self._check_session(context, call, inferred.name)
            elif inferred.name in (lib.SESSIONMAKER, lib.ASYNC_SESSIONMAKER):
                yield from self._check_factory(context, call, inferred.name)
        for call in context.module.calls_named("create_all", "drop_all"):
            engine = context.value(call.args[0]) if call.args else None
            if engine is not None and engine.is_instance({lib.ASYNC_ENGINE}):
                message = f"`{context.editor.text(call.func)}` is sync, but the engine is async"
                advice = "Use `await connection.run_sync(...)` in `async with engine.begin()`"
                yield context.finding(self.code, call, message, advice=advice)
        yield from self._check_with_statements(context)

    def _check_session(self, context: Context, call: ast.Call, name: str) -> Iterator[Finding]:
        engine = _engine(context, call)
        is_async = name in lib.ASYNC_SESSIONS
        if engine is not None and (engine.name == lib.ASYNC_ENGINE) != is_async:
            yield self._mismatch(context, call, call.func, is_async=is_async)

    def _check_factory(self, context: Context, call: ast.Call, name: str) -> Iterator[Finding]:
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
            message = "this factory creates sync sessions, but the engine is async"
            local_name = context.editor.local_name(*ASYNC_NAMES[lib.SESSION])
            fix = None
            if local_name is not None:
                edits = (
                    *context.editor.add_argument(call, f"class_={local_name[0]}"),
                    *local_name[1],
                )
                fix = Fix("Set `class_=AsyncSession`", edits, safe=True)
            advice = "Use `async_sessionmaker`"
            yield context.finding(self.code, call, message, fix=fix, advice=advice)
        else:
            yield self._mismatch(context, call, call.func, is_async=is_async)

    def _mismatch(
        self, context: Context, call: ast.Call, name: ast.expr, *, is_async: bool
    ) -> Finding:
        if is_async:
            message = f"`{context.editor.text(name)}` is async, but the engine is sync"
            advice = "Use `create_async_engine`, or a sync `Session`"
            return context.finding(self.code, call, message, advice=advice)
        message = f"`{context.editor.text(name)}` is sync, but the engine is async"
        fix = _async_session_fix(context, call, name)
        return context.finding(self.code, call, message, fix=fix, advice="Use `AsyncSession`")

    def _check_with_statements(self, context: Context) -> Iterator[Finding]:
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
                    continue  # the engine decides, and is checked above
                kind, keyword = ("async", "async with") if is_async else ("sync", "with")
                message = f"this session is {kind}, but is not entered with `{keyword}`"
                if not isinstance(call, ast.Name):
                    yield context.finding(self.code, call, message, advice=f"Use `{keyword}`")


def _engine(context: Context, call: ast.Call) -> Value | None:
    bind = call.args[0] if call.args else None
    for keyword in call.keywords:
        if keyword.arg == "bind":
            bind = keyword.value
    inferred = context.value(bind)
    engines = {lib.ENGINE, lib.ASYNC_ENGINE}
    return inferred if inferred is not None and inferred.is_instance(engines) else None


def _async_session_fix(context: Context, call: ast.Call, name: ast.expr) -> Fix | None:
    """Use AsyncSession, if ``async with`` enters the session already."""
    parent = context.module.parent(call)
    block = context.module.parent(parent) if parent is not None else None
    if not isinstance(block, ast.AsyncWith) or not isinstance(name, ast.Name):
        return None
    if context.resolve(name) not in ASYNC_NAMES:
        return None
    local_name = context.editor.local_name(*ASYNC_NAMES[context.resolve(name)])
    if local_name is None:
        return None
    edits: tuple[Edit, ...] = (context.editor.replace(name, local_name[0]), *local_name[1])
    return Fix("Use `AsyncSession`", edits, safe=True)
