"""Trees: rows that refer to a parent in the same table, without cycles."""

from collections.abc import Callable, Sequence
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Select,
    and_,
    exists,
    func,
    literal_column,
    or_,
    select,
)

from colonnade.models import Shape
from colonnade.query import VALUE_PREFIX, key_clause, key_parameters, value_parameter
from colonnade.writes._errors import RejectedError, field_error
from colonnade.writes.rules._foreign_keys import ForeignKeys, Reference, Values

ChosenRows = Callable[[Sequence[Any]], ColumnElement[bool]]


class Trees:
    """The self-referential foreign keys of a table.

    Args:
        foreign_keys: The foreign keys of the table.
    """

    def __init__(self, foreign_keys: ForeignKeys) -> None:
        self.shape: Shape = foreign_keys.shape
        self.references = foreign_keys.self_references

    def __bool__(self) -> bool:
        return bool(self.references)

    def new_parents(self, values: Values) -> list[Reference]:
        """Return the foreign keys whose parent a write sets."""
        return [reference for reference in self.references if reference.is_set(values)]

    def refuse_self(self, values: Values) -> None:
        """Refuse a new row that refers to itself, where the client chooses the key.

        Raises:
            RejectedError: 409, the row would be its own parent.
        """
        for reference in self.references:
            key_names = [self._field(column) for column in reference.columns]
            row_key = [values.get(name) for name in key_names if name is not None]
            if reference.is_complete(values) and row_key == [
                values[name] for name in reference.names
            ]:
                raise self._cycle(reference)

    def lock(self, connection: Connection, references: list[Reference]) -> None:
        """Lock out other moves until the transaction ends: two concurrent moves could make a cycle.

        On SQLite, the transaction holds the only write lock already.
        """
        if connection.dialect.name != "postgresql":
            return
        for reference in references:
            name = f"{self.shape.table.fullname}.{','.join(reference.names)}"
            connection.execute(select(func.pg_advisory_xact_lock(func.hashtextextended(name, 0))))

    def refuse_cycle(
        self,
        connection: Connection,
        key: tuple[Any, ...],
        values: Values,
        references: list[Reference],
    ) -> None:
        """Refuse a new parent that is the row itself or one of its descendants; requires ``lock``.

        Raises:
            RejectedError: 409, the parent would create a cycle.
        """
        parameters = key_parameters(key)
        columns = self.shape.columns
        parameters |= {
            value_parameter(columns[name].column): value for name, value in values.items()
        }
        for reference in references:
            if connection.execute(
                self._is_below_itself(reference, values), parameters
            ).scalar_one():
                raise self._cycle(reference)

    def refuse_cycles(
        self, connection: Connection, chosen: ChosenRows, references: list[Reference]
    ) -> None:
        """Refuse new parents of many rows that were written already; requires ``lock``.

        Args:
            connection: The connection of the transaction.
            chosen: Builds the condition that selects the rows by the columns of their key.
            references: The foreign keys to their parents.

        Raises:
            RejectedError: 409, one of the rows is its own ancestor.
        """
        for reference in references:
            if connection.execute(self._count_own_ancestors(chosen, reference)).scalar_one():
                raise self._cycle(reference)

    def _count_own_ancestors(self, chosen: ChosenRows, reference: Reference) -> Select[Any]:
        """Build the SELECT that counts those of several rows that are their own ancestors."""
        start, step = self.shape.table.alias(), self.shape.table.alias()
        key_names = [column.key for column in reference.columns]
        parent_names = [field.column.key for field in reference.fields]
        primary_key = [start.c[column.column.key] for column in self.shape.primary_key]
        above = (
            select(
                *(start.c[name].label(f"key{index}") for index, name in enumerate(key_names)),
                *(start.c[name].label(f"parent{index}") for index, name in enumerate(parent_names)),
            )
            .where(chosen(primary_key))
            .cte("above", recursive=True)
        )
        origins = [above.c[f"key{index}"] for index in range(len(key_names))]
        parents = [above.c[f"parent{index}"] for index in range(len(parent_names))]
        above = above.union(
            select(*origins, *(step.c[name] for name in parent_names))
            .select_from(step, above)
            .where(_same([step.c[name] for name in key_names], parents))
        )
        origins = [above.c[f"key{index}"] for index in range(len(key_names))]
        parents = [above.c[f"parent{index}"] for index in range(len(parent_names))]
        return select(func.count()).select_from(above).where(_same(origins, parents))

    def _is_below_itself(self, reference: Reference, values: Values) -> Any:
        """Build the SELECT that counts the row among its future ancestors."""
        table = self.shape.table
        row, start, step = table.alias(), table.alias(), table.alias()
        parent_names = [field.column.key for field in reference.fields]
        key_names = [column.key for column in reference.columns]
        parent = [
            reference.bind(field, VALUE_PREFIX) if field.name in values else row.c[field.column.key]
            for field in reference.fields
        ]
        first = select(
            *(start.c[name].label(f"key{index}") for index, name in enumerate(key_names)),
            *(start.c[name].label(f"parent{index}") for index, name in enumerate(parent_names)),
        ).where(_same([start.c[name] for name in key_names], parent))
        if not reference.is_complete(values):
            first = first.where(key_clause(self.shape, row))
        above = first.cte("above", recursive=True)
        parents = [above.c[f"parent{index}"] for index in range(len(parent_names))]
        above = above.union(
            select(*(step.c[name] for name in key_names), *(step.c[name] for name in parent_names))
            .select_from(step, above)
            .where(_same([step.c[name] for name in key_names], parents))
        )
        row_key = []
        for column in reference.columns:
            field = self._shape_of(column)
            is_written = field is not None and field.name in values
            row_key.append(
                reference.bind(field, VALUE_PREFIX) if is_written and field else row.c[column.key]
            )
        keys = [above.c[f"key{index}"] for index in range(len(key_names))]
        is_ancestor = exists(
            select(literal_column("1")).select_from(above).where(_same(keys, row_key))
        )
        return (
            select(func.count())
            .select_from(row)
            .where(key_clause(self.shape, row), or_(is_ancestor, _same(parent, row_key)))
        )

    def _shape_of(self, column: Any) -> Any:
        return next(
            (
                column_shape
                for column_shape in self.shape.columns.values()
                if column_shape.column is column
            ),
            None,
        )

    def _field(self, column: Any) -> str | None:
        column_shape = self._shape_of(column)
        return None if column_shape is None else str(column_shape.name)

    def _cycle(self, reference: Reference) -> RejectedError:
        field = reference.body_names[-1]
        detail = (
            f"{field} would create a cycle: this {self.shape.model.__name__} cannot be its own "
            f"ancestor."
        )
        error = field_error(("body", field), field, "cycle", detail)
        return RejectedError(409, detail, kind="cycle", errors=[error])


def _same(left: list[Any], right: list[Any]) -> ColumnElement[bool]:
    return and_(*(column == other for column, other in zip(left, right, strict=True)))
