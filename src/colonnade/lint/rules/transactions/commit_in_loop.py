"""The rule CLN212, commit-in-loop."""

import ast
import re
from collections.abc import Iterator

from colonnade.lint._context import Context
from colonnade.lint._findings import Finding
from colonnade.lint._rule import Rule
from colonnade.lint.inference._paths import dotted_name
from colonnade.lint.project._modules import Function
from colonnade.lint.rules._examples import SYNC
from colonnade.lint.rules._loops import exits_after
from colonnade.lint.rules._syntax import assigns, last_name

OUTSIDE = re.compile(r"^(send|publish|notify|deliver|dispatch|charge|upload|emit|post)(_|$)|mail")
"""Names of functions whose effect no rollback takes back."""


class CommitInLoop(Rule):
    """A loop commits a transaction in each iteration.

    Each commit waits for the disk: a thousand rows take a thousand times as long as one commit
    after the loop. If an iteration fails, the rows before it stay stored. The rule does not report
    loops that create their own session, run forever, commit in batches, or send something whose
    record must stay.
    """

    code = "CLN212"
    name = "commit-in-loop"
    in_tests = False
    in_migrations = False
    bad = f"""{SYNC}

def add(titles: list[str]) -> None:
    with Session(engine) as session:
        for title in titles:
            session.add(Task(title=title))
            session.commit()  # CLN212
"""
    good = f"""{SYNC}

def add(titles: list[str]) -> None:
    with Session(engine) as session:
        for title in titles:
            session.add(Task(title=title))
        session.commit()
"""

    def check(self, context: Context) -> Iterator[Finding]:
        yield from self._check_functions(context)
        for call, source in _commits(context):
            loop = next(iter(context.enclosing_loops(call)), None)
            if not isinstance(loop, ast.For | ast.AsyncFor) or not source:
                continue
            if (
                assigns(loop, source)
                or _commits_in_batches(context, call, loop)
                or exits_after(context, call)
                or _acts_outside(loop)
            ):
                continue
            message = f"`{source}` is committed in each iteration of the loop"
            yield context.finding(self.code, call, message, advice="Commit once, after the loop")

    def _check_functions(self, context: Context) -> Iterator[Finding]:
        """Check calls of functions that add a row and commit, such as those of a repository."""
        for call in context.module.calls:
            loop = next(iter(context.enclosing_loops(call)), None)
            if not isinstance(loop, ast.For | ast.AsyncFor):
                continue
            inferred = context.value(call.func)
            called = context.project.called_function(inferred.name) if inferred else None
            if called is None or not _adds_and_commits(called[0]):
                continue
            receiver = call.func.value if isinstance(call.func, ast.Attribute) else None
            if receiver is not None and assigns(loop, dotted_name(receiver)):
                continue
            if (
                _commits_in_batches(context, call, loop)
                or exits_after(context, call)
                or _acts_outside(loop)
            ):
                continue
            name = context.editor.text(call.func)
            message = f"`{name}` commits in each iteration of the loop"
            advice = "Add all rows, and commit once"
            yield context.finding(self.code, call, message, advice=advice, whole=False)


def _adds_and_commits(function: Function) -> bool:
    """Whether a function does no more than to add a row, to commit, and to return it."""
    names = [
        last_name(node.func)
        for node in ast.walk(function)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)
    ]
    simple = (ast.Assign, ast.AnnAssign, ast.Expr, ast.Return)
    return (
        {"add", "commit"} <= set(names)
        and all(isinstance(statement, simple) for statement in function.body)
        and not set(names) - {"add", "commit", "refresh", "flush", "model_validate", "model_dump"}
    )


def _commits(context: Context) -> Iterator[tuple[ast.Call, str]]:
    """Yield each commit with the name of its session."""
    for call in context.module.calls_named("commit"):
        if context.session_of(call) is not None and isinstance(call.func, ast.Attribute):
            yield call, dotted_name(call.func.value)


def _commits_in_batches(context: Context, call: ast.Call, loop: ast.For | ast.AsyncFor) -> bool:
    """Whether a loop commits in batches, or handles the failure of a commit."""
    for ancestor in context.module.ancestors(call):
        if ancestor is loop:
            break
        if isinstance(ancestor, ast.If | ast.Try | ast.ExceptHandler | ast.Match):
            return True
    steps = loop.iter
    if isinstance(steps, ast.Call) and ast.unparse(steps.func) == "range" and len(steps.args) == 3:
        return True  # one step per batch
    loop_text = f"{ast.unparse(loop.target)} {ast.unparse(steps)}".lower()
    return any(word in loop_text for word in ("batch", "chunk", "page", "attempt", "retr"))


def _acts_outside(loop: ast.For | ast.AsyncFor) -> bool:
    """Whether an iteration has an effect outside of the database, which the commit records."""
    return any(
        isinstance(node, ast.Call) and OUTSIDE.search(last_name(node.func))
        for statement in loop.body
        for node in ast.walk(statement)
    )
