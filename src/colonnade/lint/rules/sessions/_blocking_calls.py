"""Calls that wait for the database in the thread they are made in."""

import ast

from colonnade.lint.inference._values import Kind, Value
from colonnade.lint.project import _known_names as lib

BLOCKING = frozenset(
    {"exec", "execute", "scalar", "scalars", "get", "get_one", "commit", "flush", "refresh",
     "query", "merge", "delete", "rollback"}
)  # fmt: skip


def blocking_call(values: dict[ast.AST, Value], call: ast.Call) -> bool:
    """Whether a call waits for the database in the thread it is made in."""
    func = call.func
    if not isinstance(func, ast.Attribute):
        return False
    held = values.get(func.value)
    if held is None or held.kind is not Kind.INSTANCE:
        return False
    if held.name in lib.SYNC_SESSIONS:
        return func.attr in BLOCKING
    return held.name == lib.ENGINE and func.attr in ("begin", "connect")
