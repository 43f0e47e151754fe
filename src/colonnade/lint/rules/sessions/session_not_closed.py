"""The rule CLN215, session-not-closed."""

import ast
from collections.abc import Iterator

from colonnade.lint._context import Context
from colonnade.lint._findings import Finding
from colonnade.lint._rule import Rule
from colonnade.lint.inference._values import Kind
from colonnade.lint.project import _known_names as lib
from colonnade.lint.project._modules import Function
from colonnade.lint.rules._examples import SYNC


class SessionNotClosed(Rule):
    """A session is created and never closed.

    Its connection stays checked out until the session is garbage-collected: under load the pool
    runs out of connections, and requests wait for half a minute and fail. Create the session in a
    `with` statement.
    """

    code = "CLN215"
    name = "session-not-closed"
    in_tests = False
    in_migrations = False
    bad = f"""{SYNC}

def count() -> int:
    session = Session(engine)  # CLN215
    return len(session.exec(select(Task.id)).all())  # noqa: CLN310
"""
    good = f"""{SYNC}

def count() -> int:
    with Session(engine) as session:
        return len(session.exec(select(Task.id)).all())  # noqa: CLN310
"""

    def check(self, context: Context) -> Iterator[Finding]:
        for call in context.module.calls:
            session = context.value(call)
            if (
                session is None
                or not session.is_instance(lib.SESSIONS)
                or not _creates_session(context, call)
            ):
                continue
            parent = context.module.parent(call)
            function = context.module.enclosing_function(call)
            if (
                function is None
                or not isinstance(parent, ast.Assign)
                or _uses_connection(context, call)
            ):
                continue
            target = parent.targets[0]
            is_dependency = (
                context.module.qualified_name(function) in context.project.names.dependencies
            )
            if isinstance(target, ast.Name) and not _may_be_closed(
                function, target.id, call, is_dependency=is_dependency
            ):
                message = f"`{target.id}` is never closed, so its connection stays checked out"
                advice = "Create it in a `with` statement"
                yield context.finding(self.code, call, message, advice=advice)


def _uses_connection(context: Context, call: ast.Call) -> bool:
    """Whether a session uses an existing connection, which its owner closes."""
    binds = [*call.args, *(keyword.value for keyword in call.keywords if keyword.arg == "bind")]
    engines = {lib.ENGINE, lib.ASYNC_ENGINE}
    return any(
        (inferred := context.value(bind)) is None or not inferred.is_instance(engines)
        for bind in binds[:1]
    )


def _creates_session(context: Context, call: ast.Call) -> bool:
    """Whether a call creates a session."""
    inferred = context.value(call.func)
    return inferred is not None and (
        inferred.kind is Kind.FACTORY
        or (inferred.kind is Kind.SYMBOL and inferred.name in lib.SESSIONS)
    )


def _may_be_closed(function: Function, name: str, call: ast.Call, *, is_dependency: bool) -> bool:
    """Whether a session is closed, entered, or passed to code that may close it.

    FastAPI does not close the session that a dependency yields.
    """
    for node in ast.walk(function):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            if node.value.id == name and node.attr in ("close", "aclose", "__exit__", "remove"):
                return True
        if isinstance(node, ast.Call) and node is not call:
            arguments = [*node.args, *(keyword.value for keyword in node.keywords)]
            if any(
                isinstance(argument, ast.Name) and argument.id == name for argument in arguments
            ):
                return True
        values: list[ast.expr | None] = []
        if isinstance(node, ast.Yield) and is_dependency:
            continue
        if isinstance(node, ast.Return | ast.Yield | ast.withitem):
            values = [node.context_expr if isinstance(node, ast.withitem) else node.value]
        elif isinstance(node, ast.Assign) and node.value is not call:
            values = [node.value]
        if any(_mentions(value, name) for value in values):
            return True
    return False


def _mentions(node: ast.expr | None, name: str) -> bool:
    if isinstance(node, ast.Tuple | ast.List):
        return any(_mentions(element, name) for element in node.elts)
    if isinstance(node, ast.Dict):
        return any(_mentions(value, name) for value in node.values)
    return isinstance(node, ast.Name) and node.id == name
