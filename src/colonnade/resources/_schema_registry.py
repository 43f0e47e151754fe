"""Which tables have schemas by role, and which Resources rely on their derived schemas.

A derived schema has all fields of its table. Where a Resource has schemas by role, the others must
name theirs, so that no field is served or written by accident.
"""

from collections.abc import Collection, Iterator, Mapping

from sqlalchemy import Table

from colonnade._owner_caches import cached_by_owner
from colonnade.database import Database
from colonnade.errors import ModelError
from colonnade.models import RelationShape, Shape, schemas
from colonnade.query import QueryableTable, RelatedAggregate
from colonnade.resources._schema_choices import SchemaChoice, SchemaKind
from colonnade.writes import LinkTable

Field = tuple[Table, SchemaKind]


class _Registry:
    """The tables of a database whose schemas are chosen, and those whose schemas are derived."""

    def __init__(self) -> None:
        self.chosen: dict[Field, str] = {}
        self.derived: dict[Field, str] = {}


@cached_by_owner
def _schema_registry(db: Database) -> _Registry:
    return _Registry()


def declare_choice(db: Database, shape: Shape, choice: SchemaChoice) -> None:
    """Register that the schemas of a table are chosen for each request.

    Args:
        db: The database.
        shape: The table.
        choice: The choice.

    Raises:
        ModelError: A Resource that was built uses the derived schema of the table.
    """
    registry = _schema_registry(db)
    use = registry.derived.get((shape.table, choice.kind))
    if use is not None:
        raise _conflict(choice.label, use)
    registry.chosen.setdefault((shape.table, choice.kind), choice.label)


def mark_derived(db: Database, table: Table, kind: SchemaKind, use: str) -> None:
    """Record that a Resource uses the derived schema of a table.

    Args:
        db: The database.
        table: The table.
        kind: The kind of the schema.
        use: Where it is used, and what to write instead, as two sentences.

    Raises:
        ModelError: The schemas of the table are chosen for each request.
    """
    registry = _schema_registry(db)
    label = registry.chosen.get((table, kind))
    if label is not None:
        raise _conflict(label, use)
    registry.derived.setdefault((table, kind), use)


def mark_schemas(
    db: Database,
    queryable: QueryableTable,
    options: Mapping[SchemaKind, object],
    operations: Collection[str],
    *,
    is_chosen: bool,
) -> None:
    """Record the derived schemas that a Resource uses, of its table and of its relations.

    Args:
        db: The database.
        queryable: What requests of the Resource may read.
        options: The schemas in its arguments; None for the derived ones.
        operations: The operations of the Resource.
        is_chosen: Whether requests choose the read schema, also for its rows in relations.

    Raises:
        ModelError: A Resource has schemas by role for the same rows.
    """
    shape = queryable.shape
    name = shape.model.__name__
    for kind, option in options.items():
        if option is None and _needs(kind, operations):
            use = (
                f"Another Resource of {name} has the derived schema, with all fields. Pass the "
                f"schema that it should have: {kind}=."
            )
            mark_derived(db, shape.table, kind, use)
    for path, relation, target in _related(queryable):
        is_own = is_chosen and target.shape.table is shape.table
        if is_own or target.read is not schemas(target.shape.model).read:
            continue
        related = target.shape.model.__name__
        rows = f"list[{related}Public]" if relation.is_list else f"{related}Public | None"
        use = (
            f"The Resource of {name} serves the relation {path} with all fields of {related}. Name "
            f"a schema with the fields that everyone may read in the read schema of "
            f"{relation.orm.parent.class_.__name__}, such as {relation.name}: {rows}, or leave the "
            f"relation out of include."
        )
        mark_derived(db, target.shape.table, "read", use)
    for path, aggregate in _aggregated(queryable):
        target_model = aggregate.relations[-1].target
        if is_chosen and target_model is shape.model:
            continue
        use = (
            f"The Resource of {name} serves {path}, an aggregate of a field of "
            f"{target_model.__name__} that not everyone may read. Leave it out of include and of "
            f"the read schema; a count of rows may stay."
        )
        mark_derived(db, Shape.of(target_model).table, "read", use)


def _needs(kind: SchemaKind, operations: Collection[str]) -> bool:
    """Whether a Resource with these operations uses a schema of its table."""
    return kind == "read" or not {kind, "upsert", "replace"}.isdisjoint(operations)


def mark_links(db: Database, link: LinkTable) -> None:
    """Record that links write and serve the rows of a link table with its derived schemas.

    Args:
        db: The database.
        link: The links of a relation.

    Raises:
        ModelError: The link table has schemas by role.
    """
    if link.shape is None:
        return
    name = link.table_context.name
    kinds: tuple[SchemaKind, ...] = ("create", "read")
    for kind in kinds:
        use = (
            f"The links in {link.relation.name} of the Resource of {name} write and serve all "
            f'fields of {link.shape.model.__name__}. Leave "link" out of the operations of '
            f"{name}, and the relation out of nested."
        )
        mark_derived(db, link.table, kind, use)


def _related(
    queryable: QueryableTable, prefix: str = ""
) -> Iterator[tuple[str, RelationShape, QueryableTable]]:
    """The relations that requests may read, with their paths and rows."""
    for name, target in queryable.relations.items():
        yield f"{prefix}{name}", target.relation, target.queryable
        yield from _related(target.queryable, f"{prefix}{name}.")


def _aggregated(
    queryable: QueryableTable, prefix: str = ""
) -> Iterator[tuple[str, RelatedAggregate]]:
    """The aggregates of fields of related rows that requests may read, with their paths."""
    for path, aggregate in queryable.aggregates.items():
        if isinstance(aggregate, RelatedAggregate) and aggregate.field is not None:
            yield f"{prefix}{path}", aggregate
    for name, target in queryable.relations.items():
        yield from _aggregated(target.queryable, f"{prefix}{name}.")


def _conflict(label: str, use: str) -> ModelError:
    return ModelError(f"{label} chooses the fields of each request. {use}")
