"""The rule CLN205, read-after-commit."""

import ast
from collections.abc import Iterator

from colonnade.lint._context import Context
from colonnade.lint._findings import Finding
from colonnade.lint._rule import Rule
from colonnade.lint.rules._examples import ASYNC


class ReadAfterCommit(Rule):
    """A row of an AsyncSession is read after the commit that expired it.

    A commit expires every row of its session unless `expire_on_commit=False`. Reading an attribute
    then loads the row again, which an attribute cannot await, so it raises MissingGreenlet.
    Returning the row from an endpoint reads it too. Create the session with
    `expire_on_commit=False`, or `refresh` the row.
    """

    code = "CLN205"
    name = "read-after-commit"
    source = "https://docs.sqlalchemy.org/en/21/orm/extensions/asyncio.html#preventing-implicit-io-when-using-asyncsession"
    bad = f"""
{ASYNC}

async def create(title: str) -> int:
    async with AsyncSession(engine) as session:  # noqa: CLN208
        task = Task(title=title)
        session.add(task)
        await session.commit()
        return task.id  # CLN205
"""
    good = f"""
{ASYNC}

async def create(title: str) -> int:
    async with AsyncSession(engine, expire_on_commit=False) as session:
        task = Task(title=title)
        session.add(task)
        await session.commit()
        return task.id
"""

    def check(self, context: Context) -> Iterator[Finding]:
        endpoints = {endpoint.node for endpoint in context.endpoints}
        seen: set[tuple[ast.AST, str]] = set()
        for read in sorted(
            context.reads, key=lambda each: (each.node.lineno, each.node.col_offset)
        ):
            if read.expired is None:
                continue
            name = _row_name(read.node)
            key = (read.expired, name)
            if key in seen or (
                not read.name and context.module.enclosing_function(read.node) not in endpoints
            ):
                continue
            seen.add(key)
            line = getattr(read.expired, "lineno", 0) + context.module.block.first_line - 1
            shown = f"`{name}`" if name else "the row"
            message = f"{shown} was expired by the commit in line {line}, and cannot be loaded here"
            advice = "Create the session with `expire_on_commit=False`, or refresh the row first"
            yield context.finding(self.code, read.node, message, advice=advice)


def _row_name(node: ast.expr) -> str:
    while isinstance(node, ast.Attribute | ast.Subscript):
        node = node.value
    return node.id if isinstance(node, ast.Name) else ""
