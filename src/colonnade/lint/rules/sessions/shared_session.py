"""The rule CLN209, shared-session."""

import ast
from collections.abc import Iterator

from colonnade.lint._context import Context
from colonnade.lint._findings import Finding
from colonnade.lint._rule import Rule
from colonnade.lint.inference._paths import dotted_name
from colonnade.lint.project import _known_names as lib
from colonnade.lint.rules._syntax import assigns, is_name

GATHER = frozenset({"gather", "wait", "as_completed"})
SPAWN = frozenset({"create_task", "ensure_future", "start_soon"})
IN_THREAD = frozenset(
    {"asyncio.to_thread", "anyio.to_thread.run_sync", "starlette.concurrency.run_in_threadpool",
     "fastapi.concurrency.run_in_threadpool"}
)  # fmt: skip
ADVICE = "Give each task its own session"


class SharedSession(Rule):
    """Several tasks use one session at the same time.

    A session has one connection and one transaction: concurrent tasks raise "concurrent operations
    are not permitted", or mix their uncommitted changes. Give each task its own session.
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
                shared = _shared_session(context, call)
                if shared:
                    message = f"several tasks use `{shared}` at the same time"
                    yield context.finding(self.code, call, message, advice=ADVICE)
        for call in context.module.calls_named(*SPAWN):
            used = _used_session(context, call)
            loops = [loop for loop in context.enclosing_loops(call) if not assigns(loop, used)]
            if used and loops and call.args:
                message = f"each iteration of the loop starts a task that uses `{used}`"
                yield context.finding(self.code, call, message, advice=ADVICE)
        yield from self._check_task_groups(context)

    def _check_task_groups(self, context: Context) -> Iterator[Finding]:
        """Yield findings for tasks of one group that use one session, outside loops."""
        for block in context.module.nodes(ast.AsyncWith):
            used_before: set[str] = set()
            for call in context.module.calls_named("create_task", "start_soon"):
                used = _used_session(context, call)
                if (
                    not used
                    or block not in context.module.ancestors(call)
                    or any(context.enclosing_loops(call))
                ):
                    continue
                if used in used_before and _is_group(context, block):
                    message = f"another task of this group uses `{used}` at the same time"
                    yield context.finding(self.code, call, message, advice=ADVICE)
                used_before.add(used)


def _shared_session(context: Context, call: ast.Call) -> str:
    """The session that several coroutines in the arguments of a call use; empty if none."""
    users: dict[str, int] = {}
    for argument in call.args:
        is_starred = isinstance(argument, ast.Starred)
        coroutines = (
            _coroutine_source(context, argument.value)
            if isinstance(argument, ast.Starred)
            else argument
        )
        if _takes_a_lock(context, coroutines):
            continue
        for name in _sessions_in(context, coroutines):
            users[name] = users.get(name, 0) + (2 if is_starred else 1)
    return next((name for name, count in users.items() if count > 1), "")


def _coroutine_source(context: Context, node: ast.expr) -> ast.expr:
    """The expression that creates coroutines: the node, or what is assigned to its name."""
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


def _used_session(context: Context, call: ast.Call) -> str:
    return next(iter(sorted(_sessions_in(context, call))), "") if call.args else ""


def _sessions_in(context: Context, node: ast.AST) -> set[str]:
    """The names of the async sessions in an expression."""
    loop_variables = {
        name.id
        for generator in ast.walk(node)
        if isinstance(generator, ast.comprehension)
        for name in ast.walk(generator.target)
        if isinstance(name, ast.Name)
    }
    sessions = set()
    kinds = lib.SESSIONS if _runs_in_thread(context, node) else lib.ASYNC_SESSIONS
    for descendant in ast.walk(node):
        inferred = context.value(descendant)
        if isinstance(descendant, ast.Call):
            sessions |= _sessions_of_method(context, descendant)
        if inferred is not None and inferred.is_instance(kinds):
            name = dotted_name(descendant) if isinstance(descendant, ast.expr) else ""
            if name and name not in loop_variables:
                sessions.add(name)
    return sessions


def _takes_a_lock(context: Context, node: ast.expr) -> bool:
    """Whether a coroutine waits for a lock, judging by its name: one task runs at a time."""
    call = node.elt if isinstance(node, ast.GeneratorExp | ast.ListComp) else node
    if not isinstance(call, ast.Call):
        return False
    inferred = context.value(call.func)
    called = context.project.called_function(inferred.name) if inferred is not None else None
    return called is not None and any(
        "lock" in ast.unparse(item.context_expr).lower()
        for block in ast.walk(called[0])
        if isinstance(block, ast.AsyncWith)
        for item in block.items
    )


def _runs_in_thread(context: Context, node: ast.AST) -> bool:
    """Whether a coroutine runs a function in a thread, which may use a sync session."""
    return isinstance(node, ast.Call) and context.resolve(node.func) in IN_THREAD


def _sessions_of_method(context: Context, call: ast.Call) -> set[str]:
    """The sessions of an object that a method of it uses: ``self.mark(...)``."""
    func = call.func
    if not isinstance(func, ast.Attribute) or not is_name(func.value, "self"):
        return set()
    inferred = context.value(func)
    called = context.project.called_function(inferred.name) if inferred is not None else None
    if called is None or _takes_a_lock(context, call):
        return set()
    flow = context.inference.flow(*called)
    return {
        dotted_name(node)
        for node in ast.walk(called[0])
        if isinstance(node, ast.Attribute) and is_name(node.value, "self") and flow is not None
        if (value := flow.value(node)) is not None and value.is_instance(lib.ASYNC_SESSIONS)
    }
