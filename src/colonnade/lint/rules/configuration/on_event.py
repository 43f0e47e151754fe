"""The rule CLN406, on-event."""

import ast
from collections.abc import Iterator

from colonnade.lint._context import Context
from colonnade.lint._findings import Finding
from colonnade.lint._rule import Rule


class OnEvent(Rule):
    """Startup or shutdown code is registered with `on_event`.

    FastAPI has deprecated `on_event`, and does not call these functions if the app has a
    `lifespan`. A lifespan is one function that contains the startup and the shutdown code.
    Colonnade's is `FastAPI(lifespan=db.lifespan)`.
    """

    code = "CLN406"
    name = "on-event"
    in_tests = False
    source = "https://fastapi.tiangolo.com/advanced/events/"
    bad = """
from fastapi import FastAPI

app = FastAPI()


@app.on_event("startup")  # CLN406
def start() -> None:
    prepare()
"""
    good = """
from contextlib import asynccontextmanager

from fastapi import FastAPI


@asynccontextmanager
async def lifespan(app: FastAPI):
    prepare()
    yield


app = FastAPI(lifespan=lifespan)
"""

    def check(self, context: Context) -> Iterator[Finding]:
        for call in context.module.calls_named("on_event"):
            if not isinstance(call.func, ast.Attribute) or (
                context.is_router(call.func.value) is False
            ):
                continue
            first = call.args[0] if call.args else None
            is_decorator = any(
                call in function.decorator_list for function in context.module.functions
            )
            if (
                is_decorator
                and isinstance(first, ast.Constant)
                and first.value in ("startup", "shutdown")
            ):
                message = "`on_event` is deprecated, and has no effect if the app has a lifespan"
                advice = "Use a lifespan: `FastAPI(lifespan=...)`"
                yield context.finding(self.code, call, message, advice=advice)
