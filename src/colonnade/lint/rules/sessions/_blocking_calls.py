"""Calls that block their thread until the database answers."""

import ast

from colonnade.lint.inference._values import Kind, Value
from colonnade.lint.project import _known_names as lib

BLOCKING = frozenset(
    {"exec", "execute", "scalar", "scalars", "get", "get_one", "commit", "flush", "refresh",
     "query", "merge", "delete", "rollback"}
)  # fmt: skip

BLOCKING_FUNCTIONS = frozenset(
    {"time.sleep", "urllib.request.urlopen", "subprocess.run", "subprocess.check_output",
     "subprocess.check_call", "subprocess.call", "os.system"}
    | {f"{module}.{name}" for module in ("requests", "httpx")
       for name in ("get", "post", "put", "patch", "delete", "head", "request")}
)  # fmt: skip


def is_blocking_call(values: dict[ast.AST, Value], call: ast.Call) -> bool:
    """Whether a call blocks its thread until the database answers."""
    func = call.func
    if not isinstance(func, ast.Attribute):
        return False
    inferred = values.get(func.value)
    if inferred is None or inferred.kind is not Kind.INSTANCE:
        return False
    if inferred.name in lib.SYNC_SESSIONS:
        return func.attr in BLOCKING
    return inferred.name == lib.ENGINE and func.attr in ("begin", "connect")
