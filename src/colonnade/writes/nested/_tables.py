"""The tables that nested writes reach, and the relations between them."""

from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Any, Literal

from sqlalchemy import Table
from sqlalchemy.orm import RelationshipDirection

from colonnade.errors import ModelError
from colonnade.models import ColumnShape, RelationShape, Shape
from colonnade.query import read_value
from colonnade.rows import BodyReader
from colonnade.writes._table_context import TableContext
from colonnade.writes.execution._hooked_writes import HookedWrites
from colonnade.writes.execution._hooks import Hooks
from colonnade.writes.execution._table_writer import TableWriter
from colonnade.writes.links._sides import joins_by_equality
from colonnade.writes.links._tables import LinkTable

MAX_DEPTH = 4
"""The maximum depth of nested rows: more levels are a mistake, or a cycle."""

Verb = Literal["create", "connect", "disconnect", "set", "update", "upsert", "delete"]
NestedOperation = Literal["create", "update", "delete", "link"]
Side = Literal["parent", "children", "links"]


class WritableTable:
    """The table of a Resource, and what its Resource allows nested writes to do.

    Args:
        table_context: The table.
        writer: The writes of the table.
        hooks: The hooks of the Resource.
        operations: The operations that the Resource has, and that no user endpoint replaces.
        nested: Returns the tables that its relations lead to, by relation.
        replaced_links: Returns the relations whose links a user endpoint makes or removes.
    """

    def __init__(
        self,
        table_context: TableContext,
        writer: TableWriter,
        hooks: Hooks,
        operations: Callable[[], frozenset[str]],
        nested: Callable[[], Mapping[str, "WritableTable"]],
        replaced_links: Callable[[], frozenset[str]] = frozenset,
    ) -> None:
        self.table_context = table_context
        self.writer = writer
        self.hooks = hooks
        self.hooked = HookedWrites(table_context, hooks, writer)
        self._operations = operations
        self._nested = nested
        self._replaced_links = replaced_links
        self._readers: dict[tuple[str, frozenset[str]], BodyReader] = {}

    @property
    def shape(self) -> Shape:
        """The table."""
        return self.table_context.shape

    @cached_property
    def operations(self) -> frozenset[str]:
        """The operations that the Resource has, and that no user endpoint replaces."""
        return self._operations()

    @cached_property
    def replaced_links(self) -> frozenset[str]:
        """The relations whose links a user endpoint makes or removes."""
        return self._replaced_links()

    @cached_property
    def relations(self) -> Mapping[str, "NestedRelation"]:
        """The relations that can be written, by name.

        Raises:
            ModelError: A relation cannot be written.
        """
        return {
            name: NestedRelation(self, self.shape.relations[name], target)
            for name, target in self._nested().items()
        }

    def all_tables(self) -> list["WritableTable"]:
        """Return this table and all that nested writes reach from it."""
        reached: dict[WritableTable, None] = {self: None}
        level = [self]
        for _ in range(MAX_DEPTH):
            level = [
                relation.target
                for table in level
                for relation in table.relations.values()
                if relation.target not in reached
            ]
            reached.update(dict.fromkeys(level))
        return list(reached)

    def all_reached(self) -> list[Table]:
        """Return the database tables that nested writes reach, whose scopes apply."""
        reached = [name for table in self.all_tables()[1:] for name in table.table_context.tables()]
        linked = [name for link in self.nested_links() for name in link.tables()]
        return list(dict.fromkeys([*reached, *linked]))

    def all_written(self) -> list[Table]:
        """Return the database tables that nested writes write, whose write scopes apply."""
        tables = self.all_tables()
        written = [name for table in tables for name in table.table_context.written_tables]
        return list(dict.fromkeys([*written, *(link.table for link in self.nested_links())]))

    def nested_links(self) -> list[LinkTable]:
        """Return the links that nested writes make or remove."""
        return [
            relation.link
            for table in self.all_tables()
            for relation in table.relations.values()
            if relation.link is not None
        ]

    def reader(
        self, kind: Literal["create", "update"], omitted: frozenset[str] = frozenset()
    ) -> BodyReader:
        """Return the reader of bodies without the columns that a relation sets.

        Args:
            kind: ``create`` or ``update``.
            omitted: The fields of these columns.
        """
        known = getattr(self.table_context, kind)
        if not omitted:
            reader: BodyReader = known
            return reader
        if (kind, omitted) not in self._readers:
            self._readers[kind, omitted] = BodyReader(
                self.shape, known.schema, complete=kind == "create", omitted=omitted
            )
        return self._readers[kind, omitted]


class NestedRelation:
    """A relation that requests can write.

    Args:
        source: The table that has the relation.
        relation: The relation.
        target: The table that it leads to.

    Attributes:
        side: ``parent``: the foreign key is in the source. ``children``: it is in the target.
            ``links``: it is in a link table.
        pairs: The joined fields, as (field of the foreign key, referenced field); none of links.
        link: The link table.

    Raises:
        ModelError: The relation cannot be written.
    """

    def __init__(
        self, source: WritableTable, relation: RelationShape, target: WritableTable
    ) -> None:
        self.source = source
        self.relation = relation
        self.target = target
        self.name = relation.name
        self.link: LinkTable | None = None
        self.pairs: tuple[tuple[str, str], ...] = ()
        self.side: Side = _side_of(relation)
        if not joins_by_equality(relation):
            raise self._refusal("its condition is more than the equality of columns")
        if self.side == "links":
            if not LinkTable.is_supported(source.table_context, relation):
                raise self._refusal(
                    "the key of its link table does not consist of the keys of both rows"
                )
            self.link = LinkTable(source.table_context, relation)
            return
        here = {column.column.key: name for name, column in source.shape.columns.items()}
        there = {column.column.key: name for name, column in target.shape.columns.items()}
        pairs = [(here[left], there[right]) for left, right in relation.pairs]
        self.pairs = tuple(pairs if self.side == "parent" else [(b, a) for a, b in pairs])
        for name in self.fields:
            if self.referring.columns[name].readonly:
                raise self._refusal(f"{name} is read-only")

    @cached_property
    def fields(self) -> frozenset[str]:
        """The fields of the foreign key."""
        return frozenset(name for name, _ in self.pairs)

    @property
    def omitted(self) -> frozenset[str]:
        """The fields of the related rows that the relation sets, and that no body has."""
        return self.fields if self.side == "children" else frozenset()

    @property
    def referring(self) -> Shape:
        """The table that has the foreign key."""
        return self.source.shape if self.side == "parent" else self.target.shape

    @cached_property
    def key_columns(self) -> tuple[ColumnShape, ...]:
        """The columns of the target's key that a body names; the relation sets the others."""
        key = self.target.shape.primary_key
        return tuple(column for column in key if column.name not in self.omitted)

    @cached_property
    def key_readers(self) -> tuple[tuple[str, Callable[[Any], Any]], ...]:
        """The names of the key columns in a body, with the functions that read their values."""
        names = self.target.table_context.key_names
        shown = dict(zip(self.target.shape.primary_key, names, strict=True))
        return tuple((shown[column], read_value(column)) for column in self.key_columns)

    @cached_property
    def has_whole_key(self) -> bool:
        """Whether a body names the whole key of the target."""
        return len(self.key_columns) == len(self.target.shape.primary_key)

    @property
    def nullable_fields(self) -> frozenset[str]:
        """The fields of the foreign key that are null in a row that is disconnected.

        One null suffices: a row keeps the tenant that is part of its foreign key.
        """
        columns = self.referring.columns
        return frozenset(name for name in self.movable_fields if columns[name].nullable)

    @property
    def is_nullable(self) -> bool:
        """Whether rows can be disconnected."""
        columns = self.referring.columns
        return any(columns[name].nullable for name in self.movable_fields or self.fields)

    @cached_property
    def movable_fields(self) -> frozenset[str]:
        """The fields of the foreign key that an update may change; others keep their values.

        The Resource of the related rows decides whether they can be moved; a row that has the
        foreign key itself is moved because its own Resource nests the relation.
        """
        columns = [self.referring.columns[name] for name in self.fields]
        fields = self.target.table_context.update.schema.model_fields
        return frozenset(
            column.name
            for column in columns
            if not (column.frozen or column.primary_key)
            and (self.side == "parent" or column.name in fields)
        )

    @property
    def can_move(self) -> bool:
        """Whether an update may change the foreign key."""
        return bool(self.movable_fields)

    @property
    def fixed_fields(self) -> frozenset[str]:
        """The fields of the foreign key that an update cannot change, such as a tenant."""
        return self.fields - self.movable_fields

    def _refusal(self, why: str) -> ModelError:
        return ModelError(
            f"{self.source.table_context.name}.{self.name} cannot be in nested: {why}. Leave it "
            f"out of nested."
        )


def _side_of(relation: RelationShape) -> Side:
    if relation.kind == "many_to_many":
        return "links"
    is_foreign = relation.orm.direction is RelationshipDirection.MANYTOONE
    return "parent" if is_foreign else "children"
