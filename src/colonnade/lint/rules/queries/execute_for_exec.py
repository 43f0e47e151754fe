"""The rule CLN307, execute-for-exec."""

import ast
from collections.abc import Iterator

from colonnade.lint._context import Context
from colonnade.lint._findings import Edit, Finding, Fix
from colonnade.lint._rule import Rule
from colonnade.lint.project import _known_names as lib
from colonnade.lint.rules._certainty import is_certain, is_method_certain
from colonnade.lint.rules._examples import SYNC


class ExecuteForExec(Rule):
    """A sqlmodel `Session` runs a select with `execute()` instead of `exec()`.

    `execute` returns tuples, which is why sqlmodel deprecates it. `exec` returns the selected
    objects or values, with their types.
    """

    code = "CLN307"
    name = "execute-for-exec"
    fixes = "safe"
    source = "https://sqlmodel.tiangolo.com/tutorial/select/#sqlmodels-sessionexec"
    bad = f"""{SYNC}

def tasks(session: Session):
    return session.execute(select(Task)).scalars().all()  # CLN307
"""
    good = f"""{SYNC}

def tasks(session: Session):
    return session.exec(select(Task)).all()
"""

    def check(self, context: Context) -> Iterator[Finding]:
        sessions = frozenset({lib.SQLMODEL_SESSION, lib.SQLMODEL_ASYNC_SESSION})
        for call in context.module.calls_named("execute"):
            if context.session_of(call, sessions) is None or len(call.args) != 1 or call.keywords:
                continue
            statement = context.value(call.args[0])
            if statement is None or statement.name != lib.SQLMODEL_SELECT or not statement.item:
                continue
            func = call.func
            scalars = self._scalars(context, call)
            fix = None
            if scalars is not None and isinstance(func, ast.Attribute):
                end = context.editor.end(func)
                removed = context.editor.remove_call(*scalars)
                certain = is_method_certain(context, func) and is_certain(context, call.args[0])
                if removed is not None and certain:
                    edits = (Edit(end - len("execute"), end, "exec"), removed)
                    fix = Fix("Use `exec()`", edits, safe=True)
            message = "`execute()` returns tuples instead of the selected objects or values"
            yield context.finding(
                self.code, call, message, fix=fix, advice="Use `exec()`", whole=False
            )

    def _scalars(self, context: Context, call: ast.Call) -> tuple[ast.Attribute, ast.Call] | None:
        """The ``.scalars`` after a call, and the call of it; None if there is none."""
        node: ast.AST | None = context.module.parent(call)
        if isinstance(node, ast.Await):
            node = context.module.parent(node)
        outer = context.module.parent(node) if node is not None else None
        if (
            isinstance(node, ast.Attribute)
            and node.attr == "scalars"
            and isinstance(outer, ast.Call)
        ):
            return None if outer.args or outer.keywords else (node, outer)
        return None
