"""The rule CLN208, expiring-async-session."""

from collections.abc import Iterator

from colonnade.lint._context import Context
from colonnade.lint._findings import Finding, Fix
from colonnade.lint._rule import Rule
from colonnade.lint.inference._values import Kind
from colonnade.lint.project import _known_names as lib


class ExpiringAsyncSession(Rule):
    """An async session, or its factory, expires rows on commit.

    That is the default, and right for sync code, which loads the rows again when they are read.
    Async code cannot: every read after a commit raises MissingGreenlet. SQLAlchemy recommends
    `expire_on_commit=False`.
    """

    code = "CLN208"
    name = "expiring-async-session"
    in_tests = False
    in_migrations = False
    fixes = "unsafe"
    source = "https://docs.sqlalchemy.org/en/21/orm/extensions/asyncio.html#preventing-implicit-io-when-using-asyncsession"
    bad = """
from sqlalchemy.ext.asyncio import async_sessionmaker, create_async_engine

engine = create_async_engine("sqlite+aiosqlite:///tasks.db")
sessions = async_sessionmaker(engine)  # CLN208
"""
    good = """
from sqlalchemy.ext.asyncio import async_sessionmaker, create_async_engine

engine = create_async_engine("sqlite+aiosqlite:///tasks.db")
sessions = async_sessionmaker(engine, expire_on_commit=False)
"""

    def check(self, context: Context) -> Iterator[Finding]:
        for call in context.module.calls_named(
            "AsyncSession", "async_sessionmaker", "sessionmaker"
        ):
            inferred = context.value(call)
            session = (
                inferred.item
                if inferred is not None and inferred.kind is Kind.FACTORY
                else inferred
            )
            if session is None or session.kind is not Kind.INSTANCE or session.node is not call:
                continue
            if session.name in lib.ASYNC_SESSIONS and session.expires:
                edits = context.editor.set_argument(call, "expire_on_commit", "False")
                fix = Fix("Set `expire_on_commit=False`", edits, safe=False)
                message = "rows expire on commit, and async code cannot load them again"
                yield context.finding(self.code, call, message, fix=fix, whole=False)
