"""``LinkTable``: the link table of a relation, and the two rows that each link connects."""

from functools import cached_property
from typing import Any

from pydantic import BaseModel
from sqlalchemy import ColumnElement, Table, and_

from colonnade.models import ColumnShape, RelationShape, Shape, schemas
from colonnade.query import QueryableTable, read_includes
from colonnade.rows import BodyReader, View
from colonnade.writes._changes import Key, Values
from colonnade.writes._errors import RejectedError
from colonnade.writes._keys import Keys
from colonnade.writes._table_context import TableContext
from colonnade.writes.links._sides import (
    column_keys,
    joins_by_equality,
    sides_of,
    target_key_columns,
)
from colonnade.writes.rules._foreign_keys import ForeignKeys
from colonnade.writes.rules._rules import RowValidator


class LinkTable:
    """The link table of a relation.

    Args:
        table_context: The table that has the relation.
        relation: The relation, through a link table: see ``is_supported``.

    Attributes:
        table: The link table.
        source_side: Its foreign key to the table that has the relation.
        target_side: Its foreign key to the related table.
        shape: The model of the link table; None if it has none.
        keys: The keys of related rows in paths.
        target_name: The name of the related model.
        inputs: The reader of a link's fields; None without a model.
        view: A link in a response; None without a model.
        row_validator: The validators of the model; None without one.
        foreign_keys: All foreign keys of the model; None without one.
    """

    def __init__(self, table_context: TableContext, relation: RelationShape) -> None:
        self.table_context = table_context
        self.relation = relation
        link, sides = relation.link, sides_of(table_context.shape, relation)
        if link is None or sides is None:
            raise ValueError(relation.name)
        self.table = link.table
        self.source_side, self.target_side = sides
        self.shape = None if link.model is None else Shape.of(link.model)
        self.keys = Keys(target_key_columns(relation, self.target_side, self.shape))
        self.target_name = relation.target.__name__
        self.inputs: BodyReader | None = None
        self.view: View | None = None
        self.row_validator: RowValidator | None = None
        self.foreign_keys: ForeignKeys | None = None
        if self.shape is not None:
            self.inputs = BodyReader(self.shape, schemas(self.shape.model).create, complete=True)
            queryable = QueryableTable.of(self.shape.model)
            self.view = View(queryable, None, read_includes(None, queryable))
            self.row_validator = RowValidator(self.inputs)
            self.foreign_keys = ForeignKeys(self.shape)

    @classmethod
    def is_supported(cls, table_context: TableContext, relation: RelationShape) -> bool:
        """Whether the links of a relation can be created and deleted by the keys of both rows.

        The key of the link table must consist of the keys of the two rows, and the relation may
        have no condition except their equality.
        """
        if relation.link is None or not joins_by_equality(relation):
            return False
        sides = sides_of(table_context.shape, relation)
        if sides is None:
            return False
        source_side, target_side = sides
        key = {column.key for column in relation.link.table.primary_key}
        return (
            column_keys(source_side.targets) == column_keys(table_context.shape.table.primary_key)
            and column_keys(target_side.targets) == column_keys(target_side.table.primary_key)
            and key == column_keys(source_side.columns) | column_keys(target_side.columns)
        )

    def tables(self) -> tuple[Table, ...]:
        """Return the tables whose scopes apply to a link."""
        referred = () if self.foreign_keys is None else self.foreign_keys.targets()
        return tuple(
            dict.fromkeys(
                (*self.table_context.tables(), self.table, self.target_side.table, *referred)
            )
        )

    @property
    def schema(self) -> type[BaseModel] | None:
        """The schema of the request body; None if the link table has no fields besides its keys."""
        return None if self.inputs is None else self.inputs.schema

    @cached_property
    def columns(self) -> list[Any]:
        """The columns of both foreign keys; the two may share one, such as a tenant."""
        return [*self.source_side.columns, *self.target_side.columns]

    @cached_property
    def key_fields(self) -> frozenset[str]:
        """The fields of the link whose values are the keys of the two rows."""
        keys = column_keys(self.columns)
        if self.shape is None:
            return frozenset()
        return frozenset(
            column.name for column in self.shape.columns.values() if column.column.key in keys
        )

    def column(self, name: str) -> ColumnShape:
        """Return the column of a field."""
        if self.shape is None:
            raise KeyError(name)
        return self.shape.columns[name]

    def key_values(self, source: Key, target: Key) -> Values:
        """The values of the link's fields that are the keys of the two rows, by field."""
        if self.shape is None:
            return {}
        by_key = {column.column.key: column.name for column in self.shape.columns.values()}
        names = (by_key[column.key] for column in self.columns)
        return dict(zip(names, (*source, *target), strict=True))

    def parameters(self, source: Key, target: Key) -> Values:
        """The values of the parameters for the two keys in statements."""
        return {**self.source_side.parameters(source), **self.target_side.parameters(target)}

    def clause(self) -> ColumnElement[bool]:
        """Build the condition that selects the link of the two rows."""
        binds = [*self.source_side.binds(), *self.target_side.binds()]
        return and_(*(column == bind for column, bind in zip(self.columns, binds, strict=True)))

    def target_not_found(self) -> RejectedError:
        """Build the 404 for a key that no related row in scope has."""
        return RejectedError(404, f"{self.target_name} not found.", kind="not_found")


def unwritable_link() -> RejectedError:
    """Build the 403 of a link that the request may read, but not write."""
    return RejectedError(403, "You may read this link, but not change it.", kind="scope")


def hidden_link() -> RejectedError:
    """Build the 409 of a link that exists outside the scope."""
    return RejectedError(409, "The link exists but is outside your scope.", kind="scope")
