"""``ComputedField``: a value that the database computes for each row of a result."""

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from sqlalchemy import (
    Column,
    ColumnElement,
    FromClause,
    Numeric,
    Table,
    cast,
    func,
    inspect,
    type_coerce,
)
from sqlalchemy.ext.hybrid import HybridExtensionType
from sqlalchemy.sql.visitors import iterate, replacement_traverse
from sqlalchemy.types import NullType

from colonnade._sqlalchemy_compat import deannotated
from colonnade.errors import ModelError
from colonnade.models import Annotation, ColumnShape, Shape, column_type_of, value_shape
from colonnade.query._paths import FieldPath
from colonnade.query._row_sources import RowSource


class ComputedField(FieldPath):
    """A value that is computed for each row: an aggregate of related rows, or an expression.

    Args:
        text: The path with dots, as in ``order_by``.
        shape: The shape of the values.
        public_name: The name in a row; None for the path with underscores.
    """

    def __init__(self, text: str, shape: ColumnShape, public_name: str | None = None) -> None:
        super().__init__(text, shape)
        self.public_name = public_name or text.replace(".", "_")


class SQLExpression(ComputedField):
    """A ``column_property`` or a hybrid property of a table, as a field of a schema.

    Args:
        shape: The table.
        name: The name of the property.
        annotation: The analyzed annotation of the field, which gives the value its type.
        public_name: The name in a row.
        expression: The SQL of the property.
    """

    def __init__(
        self,
        shape: Shape,
        name: str,
        annotation: Annotation,
        public_name: str,
        expression: ColumnElement[Any],
    ) -> None:
        field_path = f"{shape.model.__name__}.{name}"
        column_type = expression.type
        if isinstance(column_type, NullType):
            column_type = column_type_of(annotation, field_path)
        self._places: int | None = None
        if isinstance(annotation.type, type) and issubclass(annotation.type, Decimal):
            self._places = annotation.bounds.decimal_places
            if self._places is None:
                raise ModelError(
                    f"{field_path} is computed, so its decimal places are not known. Write "
                    "Field(decimal_places=2) in the read schema."
                )
            column_type = Numeric(scale=self._places)
        value = value_shape(public_name, annotation, column_type, nullable=annotation.nullable)
        super().__init__(public_name, value, public_name)
        self._table = shape.table
        self._expression: ColumnElement[Any] = deannotated(expression)

    def tables(self) -> Iterator[Table]:
        """The other tables that the expression reads."""
        for element in iterate(self._expression):
            if isinstance(element, Table) and element is not self._table:
                yield element

    def columns(self) -> Iterator[Column[Any]]:
        """The columns of the table that the expression reads."""
        for element in iterate(self._expression):
            if isinstance(element, Column) and element.table is self._table:
                yield element

    def sql(self, rows: RowSource) -> ColumnElement[Any]:
        """The expression for the rows of a source, to which its subqueries are correlated."""
        source = rows.source

        def replace(element: Any, **_: Any) -> Any:
            if isinstance(element, Column) and element.table is self._table:
                return source.c[element.key]
            if element is self._table and isinstance(source, FromClause):
                return source
            return None

        expression: ColumnElement[Any] = replacement_traverse(self._expression, {}, replace)
        if self._places is None:
            return expression
        # SQLite computes with floats, and PostgreSQL rounds only NUMERIC.
        exact = func.round(cast(expression, Numeric), self._places)
        return type_coerce(exact, self.shape.column.type)


def expression_of(shape: Shape, name: str) -> ColumnElement[Any] | None:
    """The SQL of a ``column_property`` or a hybrid property; None if a table has none.

    Args:
        shape: The table.
        name: The name of the property.
    """
    mapper = inspect(shape.model)
    if name in mapper.column_attrs and name not in shape.columns:
        expression: ColumnElement[Any] = mapper.column_attrs[name].expression
        return expression
    descriptor = mapper.all_orm_descriptors.get(name)
    if descriptor is None or descriptor.extension_type is not HybridExtensionType.HYBRID_PROPERTY:
        return None
    value: Any = getattr(shape.model, name)
    value = value.__clause_element__() if hasattr(value, "__clause_element__") else value
    return value if isinstance(value, ColumnElement) else None
