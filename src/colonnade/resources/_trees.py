"""Trees: rows of a table that refer to rows of the same table, and never to themselves."""

from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, exists, func, literal_column, or_, select

from colonnade.models import Shape
from colonnade.query import VALUE_PREFIX, key_clause, key_parameters, value_parameter
from colonnade.resources._foreign_keys import ForeignKeys, Reference, Values
from colonnade.resources.answers._problems import Problem, field_error


class Trees:
    """The foreign keys of a table into itself.

    Args:
        foreign: The table's foreign keys.
    """

    def __init__(self, foreign: ForeignKeys) -> None:
        self.shape: Shape = foreign.shape
        self.references = foreign.to_itself

    def __bool__(self) -> bool:
        return bool(self.references)

    def new_parents(self, values: Values) -> list[Reference]:
        """Those whose parent a write says."""
        return [reference for reference in self.references if reference.is_given(values)]

    def refuse_self(self, values: Values) -> None:
        """A row whose key the client chooses may name itself as its parent.

        Raises:
            Problem: It does: 409.
        """
        for reference in self.references:
            there = [self._field(column) for column in reference.columns]
            key = [values.get(name) for name in there if name is not None]
            if reference.is_whole(values) and key == [values[name] for name in reference.names]:
                raise self._cycle(reference)

    def lock(self, connection: Connection, references: list[Reference]) -> None:
        """Keep others from moving rows until the transaction ends, or two could make a cycle.

        SQLite's transaction has locked everybody out already.
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
        """A row cannot be below itself; ask under ``lock``.

        Raises:
            Problem: It would be: 409.
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

    def _is_below_itself(self, reference: Reference, values: Values) -> Any:
        """Whether the row, with the values it is to have, is among those above it."""
        table = self.shape.table
        mine, start, step = table.alias(), table.alias(), table.alias()
        here = [field.column.key for field in reference.fields]
        there = [column.key for column in reference.columns]
        parent = [
            reference.bind(field, VALUE_PREFIX)
            if field.name in values
            else mine.c[field.column.key]
            for field in reference.fields
        ]
        first = select(
            *(start.c[name].label(f"key{index}") for index, name in enumerate(there)),
            *(start.c[name].label(f"parent{index}") for index, name in enumerate(here)),
        ).where(_same([start.c[name] for name in there], parent))
        if not reference.is_whole(values):
            first = first.where(key_clause(self.shape, mine))
        above = first.cte("above", recursive=True)
        parents = [above.c[f"parent{index}"] for index in range(len(here))]
        above = above.union(
            select(*(step.c[name] for name in there), *(step.c[name] for name in here))
            .select_from(step, above)
            .where(_same([step.c[name] for name in there], parents))
        )
        new_parent = []
        for column in reference.columns:
            field = self._shape_of(column)
            is_in_body = field is not None and field.name in values
            new_parent.append(
                reference.bind(field, VALUE_PREFIX) if is_in_body and field else mine.c[column.key]
            )
        keys = [above.c[f"key{index}"] for index in range(len(there))]
        among = exists(
            select(literal_column("1")).select_from(above).where(_same(keys, new_parent))
        )
        return (
            select(func.count())
            .select_from(mine)
            .where(key_clause(self.shape, mine), or_(among, _same(parent, new_parent)))
        )

    def _shape_of(self, column: Any) -> Any:
        return next(
            (candidate for candidate in self.shape.columns.values() if candidate.column is column),
            None,
        )

    def _field(self, column: Any) -> str | None:
        shape = self._shape_of(column)
        return None if shape is None else str(shape.name)

    def _cycle(self, reference: Reference) -> Problem:
        field = reference.body_names[-1]
        detail = (
            f"This {self.shape.model.__name__} cannot be below itself: {field} would make a cycle."
        )
        error = field_error(("body", field), field, "cycle", detail)
        return Problem(409, detail, kind="cycle", errors=[error])


def _same(left: list[Any], right: list[Any]) -> ColumnElement[bool]:
    return and_(*(value == other for value, other in zip(left, right, strict=True)))
