"""Bounds of fields as CHECK constraints, and a name for every constraint.

Names follow SQLAlchemy's customary convention (``pk_``, ``fk_``, ``uq_``, ``ck_``), or the
``naming_convention`` of the metadata if it has one.
"""

import hashlib
from collections.abc import Iterator
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any, Literal, get_args, get_origin

from sqlalchemy import (
    CheckConstraint,
    Column,
    ColumnElement,
    Date,
    DateTime,
    Float,
    ForeignKeyConstraint,
    Index,
    Integer,
    LargeBinary,
    Numeric,
    PrimaryKeyConstraint,
    String,
    Table,
    Text,
    Time,
    UniqueConstraint,
    func,
    literal,
    literal_column,
)
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.elements import conv
from sqlalchemy.sql.functions import GenericFunction
from sqlmodel import AutoString

from colonnade.models._annotations import Annotation
from colonnade.models._json_types import JSONValue
from colonnade.models._types import EnumInteger, EnumText, ExactDecimal, UTCDateTime

MAX_NAME_BYTES = 63
"""Bytes in a PostgreSQL identifier (NAMEDATALEN - 1), which silently truncates longer names."""

_COMPARISONS: dict[str, Any] = {
    "ge": lambda column, bound: column >= bound,
    "gt": lambda column, bound: column > bound,
    "le": lambda column, bound: column <= bound,
    "lt": lambda column, bound: column < bound,
}
_LENGTH_COMPARISONS = {"min_length": "ge", "max_length": "le"}


class json_length(GenericFunction[int]):  # noqa: N801 - the name of an SQL function
    """The number of items in a JSON array."""

    type = Integer()
    inherit_cache = True


@compiles(json_length, "postgresql")
def _json_length_postgresql(element: Any, compiler: Any, **kwargs: Any) -> str:
    return f"jsonb_array_length({compiler.process(element.clauses, **kwargs)})"


@compiles(json_length)
def _json_length(element: Any, compiler: Any, **kwargs: Any) -> str:
    return f"json_array_length({compiler.process(element.clauses, **kwargs)})"


def add_checks(table: Table, column: Column[Any], annotation: Annotation) -> None:
    """Add the CHECK constraints for the values and bounds of a field to its column."""
    for kind, condition in _check_conditions(column, annotation):
        name = check_name(table.name, column.name, kind)
        table.append_constraint(CheckConstraint(condition, name=name))


def set_message(table: Table, column: Column[Any], message: str) -> None:
    """Set the error message of the constraints that concern only this column."""
    constraints: list[Any] = [*table.constraints, *table.indexes]
    for constraint in constraints:
        of_column = isinstance(constraint, CheckConstraint | UniqueConstraint | Index)
        columns = [each for each in getattr(constraint, "columns", ()) if isinstance(each, Column)]
        if of_column and columns == [column]:  # a CHECK has its literals among them
            constraint.info.setdefault("message", message)


def _check_conditions(
    column: Column[Any], annotation: Annotation
) -> Iterator[tuple[str, ColumnElement[bool]]]:
    choices = choices_of(column, annotation)
    if choices is not None:
        kind: Any = Integer() if isinstance(choices[0], int) else Text()
        yield "values", column.in_([literal(choice, kind) for choice in choices])
    for name, bound in annotation.bounds.items():
        if name in _LENGTH_COMPARISONS:
            length = _length_of(column, annotation)
            if length is not None:
                yield (
                    name,
                    _COMPARISONS[_LENGTH_COMPARISONS[name]](length, literal(bound, Integer())),
                )
        elif name in _COMPARISONS:
            limit = _bound_as_sql(column, bound)
            if limit is not None:
                yield name, _COMPARISONS[name](column, limit)


def choices_of(column: Column[Any], annotation: Annotation) -> tuple[str | int, ...] | None:
    """The allowed values of a ``Literal`` or ``Enum`` column; None for any other column."""
    if isinstance(column.type, EnumText):
        allowed = column.type.choices
        if get_origin(annotation.type) is Literal:  # of some members of an enum
            return tuple(column.type._stored(member) for member in get_args(annotation.type))
        return allowed
    if get_origin(annotation.type) is Literal and isinstance(
        column.type, AutoString | String | Integer
    ):
        return get_args(annotation.type)
    return None


def _length_of(column: Column[Any], annotation: Annotation) -> ColumnElement[int] | None:
    if isinstance(column.type, AutoString | String | LargeBinary):
        return func.length(column)
    if isinstance(column.type, JSONValue) and (get_origin(annotation.type) or annotation.type) in (
        list,
        set,
        frozenset,
        tuple,
    ):
        return json_length(column)
    return None


def _bound_as_sql(column: Column[Any], bound: Any) -> ColumnElement[Any] | None:
    """A bound as SQL; None if the stored value may be another one, as in an encrypted column."""
    if isinstance(column.type, Integer | Numeric | Float | ExactDecimal | EnumInteger):
        number = Decimal(repr(bound)) if isinstance(bound, float) else bound
        if isinstance(number, Decimal) and not number.is_finite():
            return None
        return literal_column(f"{number:f}" if isinstance(number, Decimal) else str(number))
    if isinstance(column.type, UTCDateTime) and isinstance(bound, datetime):
        return literal(bound, column.type)
    if isinstance(column.type, DateTime | Date | Time) and isinstance(bound, date | time):
        return literal(bound, column.type)
    return None


def name_constraints(table: Table) -> None:
    """Name the constraints that have no name yet."""
    for constraint in table.constraints:
        if constraint.name is not None:
            continue
        columns = [column.name for column in getattr(constraint, "columns", ())]
        if isinstance(constraint, PrimaryKeyConstraint):
            constraint.name = constraint_name("pk", table.name)
        elif isinstance(constraint, UniqueConstraint):
            constraint.name = constraint_name("uq", table.name, *columns)
        elif isinstance(constraint, ForeignKeyConstraint):
            target = constraint.elements[0].target_fullname.rsplit(".", 1)[0].rsplit(".", 1)[-1]
            constraint.name = constraint_name("fk", table.name, *columns, target)
        elif isinstance(constraint, CheckConstraint) and not constraint._type_bound:
            digest = hashlib.sha256(str(constraint.sqltext).encode()).hexdigest()[:8]
            constraint.name = constraint_name("ck", table.name, digest)


def check_name(table: str, column: str, kind: str) -> conv:
    """The name of the CHECK constraint for the values or a bound of a field.

    Args:
        table: The name of the table.
        column: The name of the column.
        kind: ``values``, or the name of the bound, such as ``max_length``.
    """
    return constraint_name("ck", table, column, kind)


def constraint_name(*parts: str) -> conv:
    """Join the parts of a name; a hash shortens names that PostgreSQL would truncate."""
    name = "_".join(parts)
    if len(name.encode()) > MAX_NAME_BYTES:
        digest = hashlib.sha256(name.encode()).hexdigest()[:8]
        name = name.encode()[: MAX_NAME_BYTES - 9].decode(errors="ignore") + "_" + digest
    return conv(name)
