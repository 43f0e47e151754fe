"""The rule CLN309, lazy-load-in-loop."""

import ast
from collections.abc import Iterator

from colonnade.lint._context import Context
from colonnade.lint._findings import Finding
from colonnade.lint._rule import Rule
from colonnade.lint.rules._examples import SYNC, models
from colonnade.lint.rules._lazy_reads import first_reads
from colonnade.lint.rules._loops import has_few_iterations, loop_names


class LazyLoadInLoop(Rule):
    """A relation is read in a loop over rows that were loaded without it (N+1).

    Each row runs another query: a page of a hundred rows takes a hundred and one queries. Load the
    relation with the statement: `select(Task).options(selectinload(Task.project))`.
    """

    code = "CLN309"
    name = "lazy-load-in-loop"
    in_tests = False
    in_migrations = False
    source = "https://docs.sqlalchemy.org/en/21/orm/queryguide/relationships.html"
    bad = f"""{SYNC}

def lines(session: Session) -> list[str]:
    tasks = session.exec(select(Task)).all()
    return [f"{{task.title}} ({{task.project.name}})" for task in tasks]  # CLN309
"""
    good = f"""{models(before="from sqlalchemy.orm import selectinload")}

def lines(session: Session) -> list[str]:
    tasks = session.exec(select(Task).options(selectinload(Task.project))).all()
    return [f"{{task.title}} ({{task.project.name}})" for task in tasks]
"""

    def check(self, context: Context) -> Iterator[Finding]:
        for read in first_reads(context):
            if not read.lazy or read.row.name != "sync" or not isinstance(read.node, ast.Attribute):
                continue
            row = read.node.value
            loops = [
                loop
                for loop in context.enclosing_loops(read.node)
                if not isinstance(loop, ast.While)
                and isinstance(row, ast.Name)
                and row.id in loop_names(loop)
                and not has_few_iterations(context, loop)
            ]
            if loops and read.row.model is not None:
                class_name = read.row.model.class_name
                message = (
                    f"`{class_name}.{read.name}` is loaded with a query for each row of the loop"
                )
                option = f".options(selectinload({class_name}.{read.name}))"
                advice = f"Load it with the statement: `{option}`"
                yield context.finding(self.code, read.node, message, advice=advice)
