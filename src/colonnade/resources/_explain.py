"""``EXPLAIN`` as a statement: for estimated counts, and to show how a list is read."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.base import Executable
from sqlalchemy.sql.elements import ClauseElement


class Explain(Executable, ClauseElement):
    """PostgreSQL's EXPLAIN of a SELECT, as JSON."""

    inherit_cache = False

    def __init__(self, statement: ClauseElement) -> None:
        self.statement = statement


@compiles(Explain)
def _explain(element: Explain, compiler: Any, **kwargs: Any) -> str:
    return f"EXPLAIN (FORMAT JSON) {compiler.process(element.statement, **kwargs)}"


class ExplainText(Explain):
    """EXPLAIN of a SELECT as lines of text, on PostgreSQL and SQLite."""

    inherit_cache = False


@compiles(ExplainText)
def _explain_text(element: ExplainText, compiler: Any, **kwargs: Any) -> str:
    return f"EXPLAIN {compiler.process(element.statement, **kwargs)}"


@compiles(ExplainText, "sqlite")
def _explain_text_on_sqlite(element: ExplainText, compiler: Any, **kwargs: Any) -> str:
    return f"EXPLAIN QUERY PLAN {compiler.process(element.statement, **kwargs)}"


@dataclass(frozen=True, slots=True)
class Explanation:
    """How the database reads the rows of a list.

    Attributes:
        sql: The statement, with names for its values.
        parameters: The values by name, as text.
        plan: The lines of the database's plan.
    """

    sql: str
    parameters: Mapping[str, str]
    plan: tuple[str, ...]


def explain(connection: Connection, statement: Any, values: Mapping[str, Any]) -> Explanation:
    """Ask the database for its plan of a statement, without running it.

    Args:
        connection: The database.
        statement: The statement.
        values: The values of its parameters.
    """
    compiled = statement.compile(dialect=connection.dialect)
    rows = connection.execute(ExplainText(statement), dict(values)).all()
    used = {name: values.get(name, value) for name, value in compiled.params.items()}
    return Explanation(
        sql=str(compiled),
        parameters={name: str(value) for name, value in used.items()},
        plan=tuple(str(row[-1]) for row in rows),
    )
