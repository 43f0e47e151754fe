"""CLN209."""

import ast
from collections.abc import Iterator

from colonnade.lint._context import Context
from colonnade.lint._findings import Finding
from colonnade.lint._rule import Rule
from colonnade.lint.inference._paths import dotted_name
from colonnade.lint.project import _known_names as lib
from colonnade.lint.rules._syntax import assigns

GATHER = frozenset({"gather", "wait", "as_completed"})
SPAWN = frozenset({"create_task", "ensure_future", "start_soon"})


class SharedSession(Rule):
    """One session is used by several tasks at the same time.

    A session is one connection and one transaction: two tasks at once raise "concurrent operations
    are not permitted", or mix what each has not yet committed. Give each task its own session.
    """

    code = "CLN209"
    name = "shared-session"
    source = "https://docs.sqlalchemy.org/en/21/orm/session_basics.html#is-the-session-thread-safe-is-asyncsession-safe-to-share-in-concurrent-tasks"
    bad = """
import asyncio

from sqlmodel.ext.asyncio.session import AsyncSession


async def refill(session: AsyncSession, keys: list[int]) -> None:
    await asyncio.gather(*[fill(session, key) for key in keys])  # CLN209
"""
    good = """
import asyncio

from sqlmodel.ext.asyncio.session import AsyncSession


async def refill(session: AsyncSession, keys: list[int]) -> None:
    for key in keys:
        await fill(session, key)
"""

    def check(self, context: Context) -> Iterator[Finding]:
        for call in context.module.calls_named(*GATHER):
            if context.resolve(call.func).startswith(("asyncio.", "anyio.")):
                shared = _shared(context, call)
                if shared:
                    message = f"several tasks use `{shared}` at once"
                    yield context.finding(
                        self.code, call, message, advice="Give each its own session"
                    )
        for call in context.module.calls_named(*SPAWN):
            used = _used(context, call)
            loops = [loop for loop in context.enclosing_loops(call) if not assigns(loop, used)]
            if used and loops and call.args:
                message = f"each round of the loop starts a task that uses `{used}`"
                yield context.finding(self.code, call, message, advice="Give each its own session")
        yield from self._grouped(context)

    def _grouped(self, context: Context) -> Iterator[Finding]:
        """Tasks of one group that use one session, without a loop."""
        for block in context.module.nodes(ast.AsyncWith):
            begun: set[str] = set()
            for call in context.module.calls_named("create_task", "start_soon"):
                used = _used(context, call)
                if (
                    not used
                    or block not in context.module.ancestors(call)
                    or any(context.enclosing_loops(call))
                ):
                    continue
                if used in begun and _is_group(context, block):
                    message = f"another task of this group uses `{used}` at the same time"
                    yield context.finding(
                        self.code, call, message, advice="Give each its own session"
                    )
                begun.add(used)


def _shared(context: Context, call: ast.Call) -> str:
    """The session that several arguments of a gather use, or one that makes several."""
    users: dict[str, int] = {}
    for argument in call.args:
        several = isinstance(argument, ast.Starred)
        coroutines = (
            _made(context, argument.value) if isinstance(argument, ast.Starred) else argument
        )
        for name in _sessions_in(context, coroutines):
            users[name] = users.get(name, 0) + (2 if several else 1)
    return next((name for name, count in users.items() if count > 1), "")


def _made(context: Context, node: ast.expr) -> ast.expr:
    """What makes the coroutines that are gathered: itself, or what its name was assigned."""
    if not isinstance(node, ast.Name):
        return node
    assigned = [
        assignment.value
        for assignment in ast.walk(context.module.enclosing_function(node) or context.module.tree)
        if isinstance(assignment, ast.Assign)
        and any(
            isinstance(target, ast.Name) and target.id == node.id for target in assignment.targets
        )
    ]
    return assigned[0] if len(assigned) == 1 else node


def _is_group(context: Context, block: ast.AsyncWith) -> bool:
    names = ("asyncio.TaskGroup", "anyio.create_task_group")
    return any(
        isinstance(item.context_expr, ast.Call) and context.resolve(item.context_expr.func) in names
        for item in block.items
    )


def _used(context: Context, call: ast.Call) -> str:
    return next(iter(sorted(_sessions_in(context, call))), "") if call.args else ""


def _sessions_in(context: Context, node: ast.AST) -> set[str]:
    """The sessions that calls in an expression are given, or are made on."""
    bound = {
        name.id
        for generator in ast.walk(node)
        if isinstance(generator, ast.comprehension)
        for name in ast.walk(generator.target)
        if isinstance(name, ast.Name)
    }
    sessions = set()
    for descendant in ast.walk(node):
        inferred = context.value(descendant)
        if inferred is not None and inferred.is_instance(lib.ASYNC_SESSIONS):
            name = dotted_name(descendant) if isinstance(descendant, ast.expr) else ""
            if name and name not in bound:
                sessions.add(name)
    return sessions
