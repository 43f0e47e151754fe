"""The rules of all writes: scopes, foreign keys, and the model's validators."""

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError
from sqlalchemy import ColumnElement, Connection, FromClause, select

from colonnade.database import Plan
from colonnade.errors import QueryError, error_entry
from colonnade.models import Shape, row_validator
from colonnade.query import Scope
from colonnade.rows import BodyReader, error_entries
from colonnade.writes._changes import Values
from colonnade.writes._errors import RejectedError


def apply_scope_values(values: Values, scope: Scope | None) -> None:
    """Set the values that the scope gives a new row; the body may repeat them.

    Raises:
        QueryError: The body has another value for one of the fields.
    """
    refuse_values_outside_scope(values, scope)
    if scope is not None:
        values.update(scope.values)


def refuse_values_outside_scope(values: Mapping[str, Any], scope: Scope | None) -> None:
    """Refuse values that differ from those of the scope.

    Raises:
        QueryError: A value differs.
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


def check_scope(
    connection: Connection,
    scope: Scope | None,
    shape: Shape,
    where: ColumnElement[bool],
    source: FromClause,
    parameters: Values,
) -> None:
    """Roll back a write whose row is outside its scope; a row that no longer exists is not.

    Args:
        connection: The connection of the write.
        scope: The scope of the table.
        shape: The table.
        where: The condition that selects the row in ``source``.
        source: The table, or an alias of it.
        parameters: The parameter values of ``where``.

    Raises:
        RejectedError: 422, the row would be outside the scope.
    """
    if scope is None:
        return
    prefix = "scope_"
    statement = (
        select(scope.clause(source, prefix).label("in_scope")).select_from(source).where(where)
    )
    row = Plan(statement).run(connection, parameters | dict(scope.binds(prefix))).first()
    if row is not None and not row.in_scope:
        raise outside_scope(shape)


def outside_scope(shape: Shape) -> RejectedError:
    """Build the rejection of a written row that does not meet its scope."""
    detail = f"This change would move the {shape.model.__name__} outside your scope."
    return RejectedError(422, detail, kind="scope")


class RowValidator:
    """The model's validators over several fields, for partial updates.

    Args:
        inputs: The schema of the updates.
    """

    def __init__(self, inputs: BodyReader) -> None:
        self._inputs = inputs
        self._schema = row_validator(inputs.shape.model)

    def __bool__(self) -> bool:
        return self._schema is not None

    def changes(self, stored: Values, values: Values) -> Values:
        """Validate a row with its new values, and return the resulting changes.

        Args:
            stored: The stored row, by field.
            values: The new values, by field.

        Raises:
            QueryError: The model does not accept the row.
        """
        if self._schema is None:
            return values
        try:
            row = self._schema.model_validate({**stored, **values})
        except ValidationError as error:
            raise QueryError(error_entries(error, ("body",))) from None
        validated = {name: getattr(row, name) for name in self._inputs.shape.columns}
        changed = {
            name: value
            for name, value in validated.items()
            if name in values or value != stored[name]
        }
        return self._inputs.checked(changed)


def stored_row(
    connection: Connection,
    shape: Shape,
    where: ColumnElement[bool],
    source: FromClause,
    parameters: Values,
) -> Values | None:
    """Return the stored row, by field, and lock it until the transaction ends."""
    columns = [source.c[column.column.key] for column in shape.columns.values()]
    statement = select(*columns).where(where).with_for_update(of=source)
    row = Plan(statement).run(connection, parameters).first()
    return None if row is None else dict(zip(shape.columns, row, strict=True))
