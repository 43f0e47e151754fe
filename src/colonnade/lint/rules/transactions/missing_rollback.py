"""The rule CLN214, missing-rollback."""

import ast
from collections.abc import Iterator

from colonnade.lint._context import Context
from colonnade.lint._findings import Finding
from colonnade.lint._rule import Rule
from colonnade.lint.inference._paths import dotted_name
from colonnade.lint.project._modules import FUNCTIONS, parameters
from colonnade.lint.rules._examples import models
from colonnade.lint.rules._syntax import assigns

WRITES = frozenset({"commit", "flush"})


class MissingRollback(Rule):
    """A failed write is caught, and the session is used again without a rollback.

    After an error in a flush or a commit, the session refuses all operations ("This Session's
    transaction has been rolled back due to a previous exception during flush") until `rollback()`
    is called. Call it first in the handler.
    """

    code = "CLN214"
    name = "missing-rollback"
    in_tests = False
    source = "https://docs.sqlalchemy.org/en/21/faq/sessions.html#this-session-s-transaction-has-been-rolled-back-due-to-a-previous-exception-during-flush-or-similar"
    bad = f"""{models(before="from sqlalchemy.exc import IntegrityError")}

def add(session: Session, titles: list[str]) -> list[str]:
    refused = []
    for title in titles:
        session.add(Task(title=title))
        try:
            session.flush()
        except IntegrityError:  # CLN214
            refused.append(title)
    return refused
"""
    good = f"""{models(before="from sqlalchemy.exc import IntegrityError")}

def add(session: Session, titles: list[str]) -> list[str]:
    refused = []
    for title in titles:
        try:
            with session.begin_nested():
                session.add(Task(title=title))
        except IntegrityError:
            refused.append(title)
    return refused
"""

    def check(self, context: Context) -> Iterator[Finding]:
        for call in context.module.calls_named(*WRITES):
            if context.session_of(call) is None or not isinstance(call.func, ast.Attribute):
                continue
            source = dotted_name(call.func.value)
            try_statement = _enclosing_try(context, call)
            if try_statement is None or not source or assigns(try_statement, source):
                continue
            for handler in try_statement.handlers:
                if not _swallows(handler):
                    continue
                if self._used_again(context, try_statement, handler, source):
                    problem = "is used again after this error without a rollback"
                elif (
                    _belongs_to_caller(context, call, source)
                    and not _raises_after(context, try_statement)
                    and not _callers_close(context, call)
                ):
                    problem = "returns to the caller after this error without a rollback"
                else:
                    continue
                advice = f"Call `{source}.rollback()` first, or write in `begin_nested()`"
                message = f"`{source}` {problem}"
                yield context.finding(self.code, handler, message, advice=advice, whole=False)

    def _used_again(
        self, context: Context, try_statement: ast.Try, handler: ast.ExceptHandler, source: str
    ) -> bool:
        if any(
            isinstance(loop, ast.For | ast.AsyncFor | ast.While)
            for loop in context.enclosing_loops(try_statement)
        ):
            loop = next(loop for loop in context.enclosing_loops(try_statement))
            return not assigns(loop, source)
        if _uses(handler.body, source):
            return True
        parent = context.module.parent(try_statement)
        body = getattr(parent, "body", [])
        after = body[body.index(try_statement) + 1 :] if try_statement in body else []
        exits = any(isinstance(statement, ast.Return | ast.Raise) for statement in handler.body)
        return not exits and _uses(after, source)


def _enclosing_try(context: Context, call: ast.Call) -> ast.Try | None:
    """The innermost ``try`` whose handlers catch the errors of a call, or None."""
    inner: ast.AST = call
    for ancestor in context.module.ancestors(call):
        if isinstance(ancestor, (*FUNCTIONS, ast.Lambda)):
            return None
        if isinstance(ancestor, ast.With | ast.AsyncWith):
            if any("begin" in ast.unparse(item.context_expr) for item in ancestor.items):
                return None
        if isinstance(ancestor, ast.Try) and inner in ancestor.body and ancestor.handlers:
            return ancestor
        inner = ancestor
    return None


def _swallows(handler: ast.ExceptHandler) -> bool:
    """Whether a handler catches database errors without a rollback, a close or a new error."""
    if _caught(handler).isdisjoint(
        {"Exception", "BaseException", "IntegrityError", "SQLAlchemyError", "DBAPIError",
         "OperationalError", "DataError", "StatementError", ""}
    ):  # fmt: skip
        return False
    for statement in handler.body:
        for node in ast.walk(statement):
            if isinstance(node, ast.Raise):
                return False
            if isinstance(node, ast.Attribute) and node.attr == "is_active":
                return False  # it checks whether the session can be used
            if isinstance(node, ast.Call):
                name = ast.unparse(node.func).lower()
                if any(
                    word in name
                    for word in ("rollback", "close", "exit", "fail", "abort", "expunge")
                ):
                    return False
    return True


def _caught(handler: ast.ExceptHandler) -> set[str]:
    kind = handler.type
    kinds = kind.elts if isinstance(kind, ast.Tuple) else [kind]
    return {ast.unparse(kind).rpartition(".")[2] if kind is not None else "" for kind in kinds}


def _uses(body: list[ast.stmt], source: str) -> bool:
    """Whether statements use the session, and not first to roll it back or close it."""
    for statement in body:
        for node in ast.walk(statement):
            if isinstance(node, ast.Attribute) and dotted_name(node.value) == source:
                return node.attr not in ("rollback", "close")
    return False


def _belongs_to_caller(context: Context, call: ast.Call, source: str) -> bool:
    """Whether a session is a parameter whose caller, unlike FastAPI, may continue to use it."""
    function = context.module.enclosing_function(call)
    if function is None or function in context.request_functions or function.decorator_list:
        return False  # a decorator may end the transaction
    return any(parameter.arg == source for parameter, _ in parameters(function))


def _raises_after(context: Context, try_statement: ast.Try) -> bool:
    """Whether a ``raise`` follows in any case, so that the caller sees an error."""
    body = getattr(context.module.parent(try_statement), "body", [])
    after = body[body.index(try_statement) + 1 :] if try_statement in body else []
    return any(isinstance(statement, ast.Raise) for statement in after)


def _callers_close(context: Context, call: ast.Call) -> bool:
    """Whether all callers of the function end their session after it without another use."""
    function = context.module.enclosing_function(call)
    if function is None or context.module.name in context.project.names.imported_modules:
        return False
    callers = list(context.module.calls_named(function.name))
    return bool(callers) and all(_is_last_use(context, caller) for caller in callers)


def _is_last_use(context: Context, call: ast.Call) -> bool:
    """Whether a call is the last statement of the block that opens its session."""
    statement = context.module.enclosing_statement(call)
    block = context.module.parent(statement) if statement is not None else None
    if not isinstance(block, ast.With | ast.AsyncWith) or block.body[-1] is not statement:
        return False
    opened = {
        item.optional_vars.id for item in block.items if isinstance(item.optional_vars, ast.Name)
    }
    return any(isinstance(argument, ast.Name) and argument.id in opened for argument in call.args)
