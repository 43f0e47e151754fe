"""The rule CLN206, lazy-load-in-async."""

import ast
from collections.abc import Iterator

from colonnade.lint._context import Context
from colonnade.lint._findings import Finding
from colonnade.lint._rule import Rule
from colonnade.lint.inference._flow import Read
from colonnade.lint.rules._examples import ASYNC, ASYNC_EAGER
from colonnade.lint.rules._lazy_reads import first_reads


class LazyLoadInAsync(Rule):
    """A relation of a row from an AsyncSession is read without having been loaded.

    Reading an attribute cannot await the database, so it raises MissingGreenlet. Load the relation
    with the statement (`select(Task).options(selectinload(Task.project))`), load it with
    `refresh(task, ["project"])`, or await `task.awaitable_attrs.project` on a model with
    `AsyncAttrs`.
    """

    code = "CLN206"
    name = "lazy-load-in-async"
    source = "https://docs.sqlalchemy.org/en/21/orm/extensions/asyncio.html#preventing-implicit-io-when-using-asyncsession"
    bad = f"""
{ASYNC}

async def project_name(session: AsyncSession, key: int) -> str:
    task = await session.get_one(Task, key)
    return task.project.name  # CLN206
"""
    good = f"""
{ASYNC_EAGER}

async def project_name(session: AsyncSession, key: int) -> str:
    task = await session.get_one(Task, key, options=[selectinload(Task.project)])
    return task.project.name
"""

    def check(self, context: Context) -> Iterator[Finding]:
        for read in first_reads(context):
            if read.lazy and read.row.name == "async" and not _is_in_run_sync(context, read):
                class_name = read.row.model.class_name if read.row.model else ""
                message = (
                    f"`{class_name}.{read.name}` was not loaded with its row, so reading it raises "
                    "MissingGreenlet"
                )
                option = f".options(selectinload({class_name}.{read.name}))"
                advice = f"Load it with the statement: `{option}`"
                yield context.finding(self.code, read.node, message, advice=advice)


def _is_in_run_sync(context: Context, read: Read) -> bool:
    """Whether the read is inside a call of ``run_sync``, where lazy loading works."""
    return any(
        isinstance(ancestor, ast.Call) and "run_sync" in ast.unparse(ancestor.func)
        for ancestor in context.module.ancestors(read.node)
    )
