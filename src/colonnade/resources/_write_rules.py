"""What every write keeps, whichever route it comes by: scope, foreign keys, the model's rules."""

from collections.abc import Awaitable, Mapping
from typing import Any, TypeVar

from pydantic import ValidationError
from sqlalchemy import ColumnElement, Connection, FromClause, func, select

from colonnade.database import Plan
from colonnade.errors import QueryError, error_entry
from colonnade.models import Shape, row_validator
from colonnade.query import Scope
from colonnade.resources._foreign_keys import ForeignKeys
from colonnade.resources._table_context import TableContext
from colonnade.resources.answers._failures import referenced
from colonnade.resources.answers._problems import Problem
from colonnade.resources.routes._request_context import RequestContext
from colonnade.rows import BodyReader, error_entries

Values = dict[str, Any]
T = TypeVar("T")


def set_scope(values: Values, scope: Scope | None) -> None:
    """Give a row that is created what its scope says, which the body may say too.

    Raises:
        QueryError: The body says otherwise.
    """
    refuse_leaving(values, scope)
    if scope is not None:
        values.update(scope.values)


def refuse_leaving(values: Mapping[str, Any], scope: Scope | None) -> None:
    """Refuse values that are outside of the scope.

    Raises:
        QueryError: One is.
    """
    if scope is None:
        return
    errors = [
        error_entry("scope", ("body", name), f"The scope sets {name}: leave it out of the body")
        for name, value in scope.values.items()
        if name in values and values[name] != value
    ]
    if errors:
        raise QueryError(errors)


def stay_inside(
    connection: Connection,
    scope: Scope | None,
    shape: Shape,
    where: ColumnElement[bool],
    source: FromClause,
    parameters: Values,
) -> None:
    """Undo a write whose row its scope's condition does not hold of.

    Args:
        connection: The write's.
        own: The scope of the row's table.
        shape: The table.
        where: The condition on the row, in ``source``.
        source: The rows of the table.
        parameters: The values of the parameters in ``where``.

    Raises:
        Problem: It does not hold: 422.
    """
    if scope is None or scope.condition is None:
        return
    statement = select(func.count()).select_from(source).where(where, scope.clause(source))
    if not Plan(statement).run(connection, parameters).scalar_one():
        raise Problem(422, f"This {shape.model.__name__} would leave your scope.", kind="scope")


class RowValidator:
    """The model's rules over more than one field, for a row that is changed in part.

    Args:
        inputs: What reads the changes.
    """

    def __init__(self, inputs: BodyReader) -> None:
        self._inputs = inputs
        self._schema = row_validator(inputs.shape.model)

    def __bool__(self) -> bool:
        return self._schema is not None

    def changes(self, stored: Values, values: Values) -> Values:
        """The changes that the model makes of a row with these values.

        Args:
            stored: The row as it is, by field.
            values: What is to change.

        Raises:
            QueryError: A rule does not hold of the row.
        """
        if self._schema is None:
            return values
        try:
            validated = self._schema.model_validate({**stored, **values})
        except ValidationError as error:
            raise QueryError(error_entries(error, ("body",))) from None
        whole = {name: getattr(validated, name) for name in self._inputs.shape.columns}
        changed = {
            name: value for name, value in whole.items() if name in values or value != stored[name]
        }
        return self._inputs.checked(changed)


def stored_row(
    connection: Connection,
    shape: Shape,
    where: ColumnElement[bool],
    source: FromClause,
    parameters: Values,
) -> Values | None:
    """A row as it is, by field; locked until the transaction ends."""
    columns = [source.c[column.column.key] for column in shape.columns.values()]
    statement = select(*columns).where(where).with_for_update(of=source)
    row = Plan(statement).run(connection, parameters).first()
    return None if row is None else dict(zip(shape.columns, row, strict=True))


async def explained(
    context: RequestContext,
    subject: TableContext,
    work: Awaitable[T],
    foreign: ForeignKeys,
    rows: list[Values],
) -> T:
    """``work``, with the foreign key named that SQLite refused without saying which."""
    try:
        return await work
    except Problem as problem:
        if problem.kind != "foreign_key" or problem.errors:
            raise
        missing = await subject.run(
            context, lambda connection: foreign.missing(connection, rows), idempotent=True
        )
        # Every row it refers to is there: then it is itself one that others refer to.
        raise missing or referenced(foreign.shape, None, None) from problem
