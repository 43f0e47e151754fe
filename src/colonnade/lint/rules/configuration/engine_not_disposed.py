"""The rule CLN407, engine-not-disposed."""

import ast
from collections.abc import Iterator

from colonnade.lint._context import Context
from colonnade.lint._findings import Finding
from colonnade.lint._rule import Rule
from colonnade.lint.project import _known_names as lib
from colonnade.lint.project._modules import Function

MANAGERS = frozenset({"contextlib.asynccontextmanager"})


class EngineNotDisposed(Rule):
    """A lifespan creates an async engine, and does not dispose of it.

    The connections stay open until the process ends, or longer on the server's side, and asyncpg
    warns when their event loop is closed. Tests start the app often, and run out of connections.
    Call `await engine.dispose()` after the `yield`. Colonnade's is `FastAPI(lifespan=db.lifespan)`.
    """

    code = "CLN407"
    name = "engine-not-disposed"
    in_tests = False
    source = "https://docs.sqlalchemy.org/en/21/orm/extensions/asyncio.html#using-multiple-asyncio-event-loops"
    bad = """
from contextlib import asynccontextmanager

from fastapi import FastAPI
from sqlalchemy.ext.asyncio import create_async_engine


@asynccontextmanager
async def lifespan(app: FastAPI):
    app.state.engine = create_async_engine("sqlite+aiosqlite:///tasks.db")  # CLN407
    yield


app = FastAPI(lifespan=lifespan)
"""
    good = """
from contextlib import asynccontextmanager

from fastapi import FastAPI
from sqlalchemy.ext.asyncio import create_async_engine


@asynccontextmanager
async def lifespan(app: FastAPI):
    app.state.engine = create_async_engine("sqlite+aiosqlite:///tasks.db")
    yield
    await app.state.engine.dispose()


app = FastAPI(lifespan=lifespan)
"""

    def check(self, context: Context) -> Iterator[Finding]:
        for call in context.module.calls_named("create_async_engine"):
            function = context.module.enclosing_function(call)
            if (
                function is not None
                and context.resolve(call.func) == lib.CREATE_ASYNC_ENGINE
                and _is_lifespan(context, function)
                and not any(_ends(node) for node in ast.walk(function))
            ):
                message = "nothing closes the connections of this engine when the app ends"
                advice = "Call `await engine.dispose()` after the `yield`"
                yield context.finding(self.code, call, message, advice=advice)


def _is_lifespan(context: Context, function: Function) -> bool:
    """Whether a function is an async context manager that gets the app."""
    arguments = function.args.args
    return (
        any(context.resolve(decorator) in MANAGERS for decorator in function.decorator_list)
        and len(arguments) == 1
        and context.hint(arguments[0].annotation).name
        in (lib.FASTAPI, "starlette.applications.Starlette")
    )


def _ends(node: ast.AST) -> bool:
    """Whether a node disposes of an engine, or passes it to something that may do so."""
    return isinstance(node, ast.Attribute) and node.attr in ("dispose", "push_async_callback")
