"""CLN215."""

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
    """A session is made and never closed.

    Its connection stays checked out until the garbage collector finds it: under load the pool runs
    empty, and requests wait for half a minute and fail. Make it in a `with`.
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
                or not _makes_one(context, call)
            ):
                continue
            parent = context.module.parent(call)
            function = context.module.enclosing_function(call)
            if (
                function is None
                or not isinstance(parent, ast.Assign)
                or _on_connection(context, call)
            ):
                continue
            target = parent.targets[0]
            lent = context.module.qualified_name(function) in context.project.names.dependencies
            if isinstance(target, ast.Name) and not _seen_to(function, target.id, call, lent=lent):
                message = f"`{target.id}` is never closed, nor its connection given back"
                yield context.finding(self.code, call, message, advice="Make it in a `with`")


def _on_connection(context: Context, call: ast.Call) -> bool:
    """Whether a session uses a connection that is somebody else's."""
    binds = [*call.args, *(keyword.value for keyword in call.keywords if keyword.arg == "bind")]
    engines = {lib.ENGINE, lib.ASYNC_ENGINE}
    return any(
        (inferred := context.value(bind)) is None or not inferred.is_instance(engines)
        for bind in binds[:1]
    )


def _makes_one(context: Context, call: ast.Call) -> bool:
    inferred = context.value(call.func)
    return inferred is not None and (
        inferred.kind is Kind.FACTORY
        or (inferred.kind is Kind.SYMBOL and inferred.name in lib.SESSIONS)
    )


def _seen_to(function: Function, name: str, call: ast.Call, *, lent: bool) -> bool:
    """Whether a session is closed, entered, or handed to someone who may.

    What a dependency yields is lent to FastAPI, which closes nothing.
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
        if isinstance(node, ast.Yield) and lent:
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
