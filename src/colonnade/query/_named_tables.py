"""The tables that a query string names besides its own: in includes and across relations."""

from collections.abc import Iterator, Sequence

from sqlalchemy import Table

from colonnade.models import RelationShape, Shape
from colonnade.query._filters import All, AnyOf, Compare, Node, Not, Related
from colonnade.query._ordering import Ordering
from colonnade.query._queryable_tables import QueryableTable


def named_tables(
    queryable: QueryableTable,
    query: Sequence[tuple[str, str]],
    conditions: Node,
    ordering: Ordering = (),
) -> Iterator[Table]:
    """The tables of the relations that a request names.

    Relations that are part of every response are not among them, unless it names them too.

    Args:
        queryable: The table of the request.
        query: The valid query parameters, in order.
        conditions: Its filters.
        ordering: Its ordering.
    """
    for name, text in query:
        if name == "include":
            yield from _included(queryable, text)
    for sort_column in ordering:
        yield from sort_column.path.tables()
    yield from _filtered(queryable, conditions)


def tables_of(relation: RelationShape) -> Iterator[Table]:
    """The tables of the rows and of the links of a relation."""
    yield Shape.of(relation.target).table
    if relation.link is not None:
        yield relation.link.table


def _included(queryable: QueryableTable, text: str) -> Iterator[Table]:
    for path in text.split(","):
        step = queryable
        parts = path.strip().split(".")
        for index, part in enumerate(parts):
            aggregate = step.aggregates.get(".".join(parts[index:]))
            if aggregate is not None:
                yield from aggregate.tables()
                break
            target = step.relations[part.partition(":")[0]]
            yield from tables_of(target.relation)
            step = target.queryable


def _filtered(queryable: QueryableTable, node: Node) -> Iterator[Table]:
    if isinstance(node, Related):
        target = queryable.relations[node.relation]
        yield from tables_of(target.relation)
        yield from _filtered(target.queryable, node.condition)
    elif isinstance(node, Compare):
        yield from node.path.tables()
    elif isinstance(node, Not):
        yield from _filtered(queryable, node.negated)
    elif isinstance(node, All | AnyOf):
        for condition in node.all if isinstance(node, All) else node.any:
            yield from _filtered(queryable, condition)
