"""The rule CLN213, commit-in-helper."""

import ast
from collections.abc import Iterator

from colonnade.lint._context import Context
from colonnade.lint._findings import Finding
from colonnade.lint._rule import Rule
from colonnade.lint.project._modules import FUNCTIONS, Function, parameters
from colonnade.lint.rules._examples import SYNC
from colonnade.lint.rules._syntax import is_name

WRITES = frozenset(
    {"add", "add_all", "delete", "merge", "execute", "flush", "bulk_save_objects",
     "bulk_insert_mappings", "bulk_update_mappings"}
)  # fmt: skip


class CommitInHelper(Rule):
    """A function commits the session that it receives, and its caller continues to write.

    The caller's work is no longer all or nothing: what it wrote before the call stays stored even
    if a later step fails. Let the function add and flush, and commit where the session was created.
    The rule reports a call to a function that commits, if more writes to the same session follow.
    """

    code = "CLN213"
    name = "commit-in-helper"
    in_tests = False
    in_migrations = False
    source = "https://docs.sqlalchemy.org/en/21/orm/session_basics.html#when-do-i-construct-a-session-when-do-i-commit-it-and-when-do-i-close-it"
    bad = f"""{SYNC}

def add_project(session: Session, name: str) -> Project:
    project = Project(name=name)
    session.add(project)
    session.commit()
    return project


def begin(session: Session, name: str) -> None:
    project = add_project(session, name)  # CLN213
    session.add(Task(title="Begin", project_id=project.id))
    session.commit()
"""
    good = f"""{SYNC}

def add_project(session: Session, name: str) -> Project:
    project = Project(name=name)
    session.add(project)
    session.flush()
    return project


def begin(session: Session, name: str) -> None:
    project = add_project(session, name)
    session.add(Task(title="Begin", project_id=project.id))
    session.commit()
"""

    def check(self, context: Context) -> Iterator[Finding]:
        for flow in context.flows:
            if isinstance(flow.node, ast.Module):
                continue
            writes = [
                (node, source)
                for node, source in flow.commits
                if isinstance(node, ast.Call)
                and context.module.enclosing_function(node) is flow.node
                and source
            ]
            for index, (node, source) in enumerate(writes):
                later = [
                    write
                    for write, other_source in writes[index + 1 :]
                    if other_source == source
                    and write is not node
                    and _block_of(context, write, source) is _block_of(context, node, source)
                ]
                if not later or not isinstance(node, ast.Call) or _is_transaction(node):
                    continue
                if _ends_a_read(context, flow.node, node):
                    continue
                if any("commit" in (keyword.arg or "") for keyword in node.keywords):
                    continue  # a parameter decides
                if any(_follows(context, node, write) for write in later):
                    name = context.editor.text(node.func)
                    message = f"`{name}` commits `{source}`, but more writes follow here"
                    advice = f"Flush in `{name}`, and commit here, at the end"
                    yield context.finding(self.code, node, message, advice=advice, whole=False)
                    break


def _is_transaction(node: ast.Call) -> bool:
    """Whether a call is a commit in this function, or a transaction of its block."""
    return isinstance(node.func, ast.Attribute) and node.func.attr in ("commit", "begin")


def _block_of(context: Context, node: ast.AST, source: str) -> ast.AST | None:
    """The ``with`` block that opens the session of a name; None if it is opened elsewhere."""
    return next(
        (
            block
            for block in context.module.ancestors(node)
            if isinstance(block, ast.With | ast.AsyncWith)
            and any(
                item.optional_vars is not None and is_name(item.optional_vars, source)
                for item in block.items
            )
        ),
        None,
    )


def _ends_a_read(context: Context, caller: Function, call: ast.Call) -> bool:
    """Whether nothing was written before the commit of a function that a call runs."""
    inferred = context.value(call.func)
    called = context.project.called_function(inferred.name) if inferred is not None else None
    if called is None:
        return False
    commits = [
        node.lineno
        for node in ast.walk(called[0])
        if isinstance(node, ast.Call) and _is_transaction(node)
    ]
    return (
        bool(commits)
        and not _writes_before(called[0], min(commits))
        and not _writes_before(caller, call.lineno)
    )


def _writes_before(function: Function, line: int) -> bool:
    """Whether a function may write before a line, itself or by a function that it calls."""
    names = {parameter.arg for parameter, _ in parameters(function)}
    for node in ast.walk(function):
        if getattr(node, "lineno", line) >= line:
            continue
        match node:
            case ast.Call(func=ast.Attribute(attr=name)) if name in WRITES:
                return True
            case ast.Call(args=[*arguments]) if any(
                isinstance(argument, ast.Name) and argument.id in names for argument in arguments
            ):
                return True
            case ast.Attribute(ctx=ast.Store()):
                return True
    return False


def _follows(context: Context, first: ast.AST, second: ast.AST) -> bool:
    """Whether a statement follows another one, in its block or in an enclosing block."""
    before = [context.module.enclosing_statement(first), *context.module.ancestors(first)]
    enclosing = {
        ancestor
        for ancestor in (
            context.module.enclosing_statement(second),
            *context.module.ancestors(second),
        )
        if ancestor
    }
    for earlier in before:
        parent = context.module.parent(earlier) if earlier is not None else None
        for name in ("body", "orelse", "finalbody"):
            body = getattr(parent, name, [])
            if isinstance(body, list) and earlier in body:
                later = body[body.index(earlier) + 1 :]
                if any(
                    isinstance(end, ast.Return | ast.Raise) for end in body[body.index(earlier) :]
                ):
                    return False
                if any(statement in enclosing for statement in later):
                    return True
        if isinstance(earlier, (*FUNCTIONS, ast.ExceptHandler)):
            return False
    return False
