"""``SchemaGraph``: the tables of a diagram and the relations between them."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from sqlalchemy import Column, ForeignKeyConstraint, Table, UniqueConstraint

from colonnade.models import Shape

Cardinality = Literal["one", "zero_or_one", "many"]
"""How many rows of a table one row at the other end of a relation has."""


@dataclass(frozen=True, slots=True)
class DiagramColumn:
    """A column of a table.

    Attributes:
        name: Its name in the database.
        type: The kind of its values, such as ``text``; a type of the database if it has no model.
        primary_key: Whether it is part of the primary key.
        foreign_key: Whether it is part of a foreign key.
        unique: Whether its values are unique, apart from the primary key.
        nullable: Whether it may be NULL.
    """

    name: str
    type: str
    primary_key: bool
    foreign_key: bool
    unique: bool
    nullable: bool


@dataclass(frozen=True, slots=True)
class DiagramTable:
    """A table.

    Attributes:
        name: Its name, with its schema unless that is the default one.
        columns: Its columns, in their order.
    """

    name: str
    columns: tuple[DiagramColumn, ...]


@dataclass(frozen=True, slots=True)
class DiagramRelation:
    """A foreign key; or a link table without other columns, as one relation of many to many.

    Attributes:
        table: The table with the foreign key; the first table of a link.
        target: The referenced table; the second table of a link.
        columns: The columns of the foreign key; none of a link.
        target_columns: The referenced columns, in the same order.
        cardinality: How many rows of ``table`` refer to one of ``target``.
        target_cardinality: How many rows of ``target`` one of ``table`` refers to.
        link: The link table; None for a foreign key.
    """

    table: str
    target: str
    columns: tuple[str, ...]
    target_columns: tuple[str, ...]
    cardinality: Cardinality
    target_cardinality: Cardinality
    link: str | None = None

    @property
    def label(self) -> str:
        """What is written beside the relation: the link table, or the columns."""
        return self.link or ", ".join(self.columns)

    @property
    def description(self) -> str:
        """What the relation is, in words."""
        if self.link is not None:
            return f"{self.table} and {self.target}, linked by {self.link}"
        return f"{self.table}.{self.label} refers to {self.target}"


@dataclass(frozen=True, slots=True)
class SchemaGraph:
    """The tables of a diagram and the relations between them, ordered by name.

    Attributes:
        tables: The tables.
        relations: The relations, whose tables are all in the graph.
    """

    tables: tuple[DiagramTable, ...]
    relations: tuple[DiagramRelation, ...]

    @property
    def summary(self) -> str:
        """How much it shows, such as ``2 tables and 1 relation``."""
        counts = ((len(self.tables), "table"), (len(self.relations), "relation"))
        return " and ".join(f"{count} {noun}{'' if count == 1 else 's'}" for count, noun in counts)

    @classmethod
    def of(cls, models: Iterable[type[Any]], hidden: Collection[Column[Any]] = ()) -> "SchemaGraph":
        """The graph of tables, and of the link tables between them.

        Args:
            models: The models of the tables.
            hidden: The columns to leave out.
        """
        shapes = _with_links({shape.table: shape for shape in map(Shape.of, models)})
        tables = {_name(table): table for table in shapes}
        links = {name: relation for name in sorted(tables) if (relation := _link(tables[name]))}
        relations = [
            relation
            for name in sorted(tables.keys() - links.keys())
            for relation in _foreign_keys(tables[name], hidden)
        ]
        relations += links.values()
        return cls(
            tuple(
                _diagram_table(tables[name], shapes.get(tables[name]), hidden)
                for name in sorted(tables.keys() - links.keys())
            ),
            tuple(
                relation
                for relation in sorted(relations, key=lambda each: (each.table, each.label))
                if {relation.table, relation.target} <= tables.keys() - links.keys()
            ),
        )


def _with_links(shapes: Mapping[Table, Shape]) -> dict[Table, Shape | None]:
    """The tables, and the link tables between them, of which some have no model."""
    known = {_name(table) for table in shapes}
    links = [
        relation.link
        for shape in shapes.values()
        for relation in shape.relations.values()
        if relation.link is not None
        and known.issuperset(map(_target, relation.link.table.foreign_key_constraints))
    ]
    with_links: dict[Table, Shape | None] = {
        link.table: None if link.model is None else Shape.of(link.model) for link in links
    }
    return {**with_links, **shapes}


def _name(table: Table) -> str:
    return table.name if table.schema is None else f"{table.schema}.{table.name}"


def _target(constraint: ForeignKeyConstraint) -> str:
    """The name of the referenced table, which need not be known."""
    return constraint.elements[0].target_fullname.rsplit(".", 1)[0]


def _diagram_table(
    table: Table, shape: Shape | None, hidden: Collection[Column[Any]]
) -> DiagramTable:
    kinds: dict[Any, str] = (
        {} if shape is None else {each.column: each.kind for each in shape.columns.values()}
    )
    unique = {columns[0] for columns in _unique_columns(table) if len(columns) == 1}
    return DiagramTable(
        _name(table),
        tuple(
            DiagramColumn(
                column.name,
                kinds.get(column) or type(column.type).__name__.lower(),
                primary_key=column.primary_key,
                foreign_key=bool(column.foreign_keys),
                unique=column.name in unique and not column.primary_key,
                nullable=bool(column.nullable),
            )
            for column in table.columns
            if column not in set(hidden)
        ),
    )


def _unique_columns(table: Table) -> list[tuple[str, ...]]:
    """The columns of the primary key and of each other unique key."""
    constraints = [each for each in table.constraints if isinstance(each, UniqueConstraint)]
    keys = [
        tuple(table.primary_key.columns.keys()),
        *(tuple(constraint.columns.keys()) for constraint in constraints),
        *(
            tuple(column.name for column in index.columns)
            for index in table.indexes
            if index.unique and not any(index.dialect_kwargs.values())
        ),
    ]
    return [key for key in keys if key]


def _foreign_keys(table: Table, hidden: Collection[Column[Any]]) -> list[DiagramRelation]:
    keys = _unique_columns(table)
    relations = []
    for constraint in table.foreign_key_constraints:
        if not set(hidden).isdisjoint(constraint.columns):
            continue
        columns = tuple(constraint.column_keys)
        is_unique = any(set(key) <= set(columns) for key in keys)
        is_optional = any(column.nullable for column in constraint.columns)
        relations.append(
            DiagramRelation(
                _name(table),
                _target(constraint),
                columns,
                tuple(element.target_fullname.rsplit(".", 1)[1] for element in constraint.elements),
                "zero_or_one" if is_unique else "many",
                "zero_or_one" if is_optional else "one",
            )
        )
    return sorted(relations, key=lambda relation: relation.columns)


def _link(table: Table) -> DiagramRelation | None:
    """The relation that a table without other columns than two foreign keys stands for."""
    constraints: list[ForeignKeyConstraint] = sorted(
        table.foreign_key_constraints, key=lambda each: tuple(each.column_keys)
    )
    keys = [column for constraint in constraints for column in constraint.column_keys]
    if len(constraints) != 2 or sorted(keys) != sorted(table.primary_key.columns.keys()):
        return None
    if len(table.columns) > len(keys):
        return None
    first, second = map(_target, constraints)
    return DiagramRelation(first, second, (), (), "many", "many", _name(table))
