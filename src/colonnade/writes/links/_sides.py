"""The two sides of a link table: which foreign key refers to which table."""

from collections.abc import Iterable
from typing import Any

from sqlalchemy import (
    BigInteger,
    ForeignKeyConstraint,
    Integer,
    Select,
    Table,
    and_,
    bindparam,
    exists,
    literal_column,
    select,
)
from sqlalchemy.sql import operators, visitors

from colonnade.models import ColumnShape, RelationShape, Shape
from colonnade.query import Scopes


class LinkSide:
    """One side of a link: a foreign key of the link table.

    Attributes:
        columns: The referring columns of the link table.
        table: The referenced table.
        targets: The referenced columns, in the same order as ``columns``.
        prefix: The prefix of the parameters for the key.
    """

    def __init__(self, columns: list[Any], table: Table, targets: list[Any], prefix: str) -> None:
        self.columns = columns
        self.table = table
        self.targets = targets
        self.prefix = prefix

    def binds(self) -> list[Any]:
        """Build the parameters for the key."""
        return [
            bindparam(f"{self.prefix}{index}", type_=_key_type(column.type))
            for index, column in enumerate(self.columns)
        ]

    def exists_clause(self, scopes: Scopes) -> Any:
        """Build the condition that the row exists inside its scope."""
        row = self.table.alias()
        same = [
            row.c[target.key] == bind
            for target, bind in zip(self.targets, self.binds(), strict=True)
        ]
        inner: Select[Any] = select(literal_column("1")).select_from(row)
        return exists(inner.where(and_(*same, *scopes.clauses(self.table, row))))

    def parameters(self, key: tuple[Any, ...]) -> dict[str, Any]:
        """Return the values of the parameters for a key."""
        return {f"{self.prefix}{index}": value for index, value in enumerate(key)}


def _key_type(kind: Any) -> Any:
    """The type to compare a key as: an integer too large for its column must match no row."""
    return BigInteger() if isinstance(kind, Integer) else kind


def column_keys(columns: Iterable[Any]) -> set[str]:
    """Return the keys of columns."""
    return {column.key for column in columns}


def joins_by_equality(relation: RelationShape) -> bool:
    """Whether equality of columns is the only condition of a relation."""
    orm = relation.orm
    for condition in (orm.primaryjoin, orm.secondaryjoin):
        for part in visitors.iterate(condition) if condition is not None else ():
            if part.__visit_name__ == "bindparam":
                return False
            operator = getattr(part, "operator", operators.eq)
            if part.__visit_name__ == "binary" and operator is not operators.eq:
                return False
    return True


def sides_of(shape: Shape, relation: RelationShape) -> tuple[LinkSide, LinkSide] | None:
    """Return the two sides of a relation's link table; None if they are not unambiguous."""
    orm, link = relation.orm, relation.link
    if link is None:
        return None
    source_pairs = [(link_column, column) for column, link_column in orm.synchronize_pairs]
    if relation.kind == "many_to_many":
        target_pairs = [
            (link_column, column) for column, link_column in orm.secondary_synchronize_pairs or ()
        ]
        target = Shape.of(relation.target).table
    else:
        source_keys = column_keys(column for column, _ in source_pairs)
        rest = {column.key for column in link.table.primary_key} - source_keys
        key = column_keys(link.table.primary_key)
        keys = [
            constraint
            for constraint in link.table.constraints
            if isinstance(constraint, ForeignKeyConstraint)
            and rest
            and rest <= column_keys(constraint.columns) <= key
        ]
        if len(keys) != 1:
            return None
        target_pairs = [(element.parent, element.column) for element in keys[0].elements]
        target = keys[0].referred_table
    if not source_pairs or not target_pairs:
        return None
    return (
        LinkSide(
            [link_column for link_column, _ in source_pairs],
            shape.table,
            [target_column for _, target_column in source_pairs],
            "source_",
        ),
        LinkSide(
            [link_column for link_column, _ in target_pairs],
            target,
            [target_column for _, target_column in target_pairs],
            "target_",
        ),
    )


def target_key_columns(
    relation: RelationShape, target_side: LinkSide, link: Shape | None
) -> tuple[ColumnShape, ...]:
    """Return the columns that define the types of the target's key in the path."""
    if relation.kind == "many_to_many" or link is None:
        columns = Shape.of(relation.target).columns.values()
        wanted = [column.key for column in target_side.targets]
    else:
        columns = link.columns.values()
        wanted = [column.key for column in target_side.columns]
    by_key = {column.column.key: column for column in columns}
    return tuple(by_key[key] for key in wanted)
