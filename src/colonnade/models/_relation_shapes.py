"""``RelationShape``: the kind of a relation and the columns that join it."""

from dataclasses import dataclass
from typing import Any, Literal

from sqlalchemy import ForeignKeyConstraint, Table
from sqlalchemy.orm import RelationshipDirection, RelationshipProperty

RelationKind = Literal["one", "many", "many_to_many", "association"]


@dataclass(frozen=True, slots=True)
class LinkShape:
    """The table between two others.

    Attributes:
        table: The link table.
        model: The model of the link table, if it has one.
        fields: The columns of the link table, besides its foreign keys.

    Examples:
        ```python
        from colonnade import Field, Relationship, Shape, SQLModel


        class TaskLabel(SQLModel, table=True):
            task_id: int = Field(foreign_key="task.id", primary_key=True)
            label_id: int = Field(foreign_key="label.id", primary_key=True)
            note: str = ""


        class Label(SQLModel, table=True):
            id: int | None = Field(default=None, primary_key=True)


        class Task(SQLModel, table=True):
            id: int | None = Field(default=None, primary_key=True)
            labels: list[Label] = Relationship(link_model=TaskLabel)


        link = Shape.of(Task).relations["labels"].link
        print(link.table.name, link.fields)  # tasklabel ('note',)
        ```
    """

    table: Table
    model: type[Any] | None
    fields: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class RelationShape:
    """A relation of a table to another, or to itself.

    Attributes:
        name: The attribute's name.
        kind: ``one``: a foreign key in this table, or a unique one in the target. ``many``: a
            foreign key in the target. ``many_to_many``: through a link table. ``association``: to
            the rows of a link table with additional fields, which lead to a third table.
        target: The related model.
        nullable: Whether a ``one`` may be None.
        self_referential: Whether it leads to the same table.
        link: The link table of a ``many_to_many`` or ``association``.
        back_populates: The name of the inverse relation.
        pairs: Keys of the joined columns, as (here, there); with a link table, the columns of
            this table and the link table.
        orm: SQLAlchemy's relationship.

    Examples:
        ```python
        from typing import Optional

        from colonnade import Field, Relationship, Shape, SQLModel


        class Project(SQLModel, table=True):
            id: int | None = Field(default=None, primary_key=True)
            tasks: list["Task"] = Relationship(back_populates="project")


        class Task(SQLModel, table=True):
            id: int | None = Field(default=None, primary_key=True)
            project_id: int | None = Field(default=None, foreign_key="project.id")
            project: Optional["Project"] = Relationship(back_populates="tasks")


        project = Shape.of(Task).relations["project"]
        tasks = Shape.of(Project).relations["tasks"]
        print(project.kind, tasks.kind)  # one many
        print(project.pairs)  # (('project_id', 'id'),)
        ```
    """

    name: str
    kind: RelationKind
    target: type[Any]
    nullable: bool
    self_referential: bool
    link: LinkShape | None
    back_populates: str | None
    pairs: tuple[tuple[str, str], ...]
    orm: RelationshipProperty[Any]

    @property
    def is_list(self) -> bool:
        """Whether the relation is a list of rows."""
        return self.kind != "one"


def relation_shape(relation: RelationshipProperty[Any]) -> RelationShape:
    """The shape of a configured SQLAlchemy relationship."""
    target = relation.mapper.class_
    kind: RelationKind = "many" if relation.uselist else "one"
    link: LinkShape | None = None
    if isinstance(relation.secondary, Table):
        fields = link_fields(relation.secondary) or ()
        kind = "many_to_many"
        link = LinkShape(relation.secondary, _model_of(relation.secondary, relation), fields)
    elif relation.uselist and isinstance(relation.mapper.local_table, Table):
        fields = link_fields(relation.mapper.local_table) or ()
        if fields:
            kind = "association"
            link = LinkShape(relation.mapper.local_table, target, fields)
    local = [column for column, _ in relation.local_remote_pairs]
    is_foreign = relation.direction is RelationshipDirection.MANYTOONE
    return RelationShape(
        name=relation.key,
        kind=kind,
        target=target,
        nullable=kind == "one" and (not is_foreign or any(c.nullable for c in local)),
        self_referential=relation.mapper is relation.parent,
        link=link,
        back_populates=relation.back_populates,
        pairs=tuple((here.key, there.key) for here, there in _pairs(relation)),
        orm=relation,
    )


def _pairs(relation: RelationshipProperty[Any]) -> list[tuple[Any, Any]]:
    """The joined columns as (here, there); ``synchronize_pairs`` has the referenced one first."""
    pairs = list(relation.synchronize_pairs)
    is_foreign = relation.direction is RelationshipDirection.MANYTOONE
    return [(there, here) for here, there in pairs] if is_foreign else pairs


def _model_of(table: Table, relation: RelationshipProperty[Any]) -> type[Any] | None:
    for mapper in relation.parent.registry.mappers:
        if mapper.local_table is table:
            return mapper.class_
    return None


def link_fields(table: Table) -> tuple[str, ...] | None:
    """The columns of a link table besides its keys; None if it is not a link table."""
    key = set(table.primary_key.columns)
    constraints = [
        constraint
        for constraint in table.constraints
        if isinstance(constraint, ForeignKeyConstraint) and set(constraint.columns) <= key
    ]
    covered = {column for constraint in constraints for column in constraint.columns}
    if len(constraints) < 2 or covered != key:
        return None
    return tuple(column.name for column in table.columns if column not in key)
