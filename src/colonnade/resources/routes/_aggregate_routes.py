"""The route of aggregates. Only a Resource that has them imports this module."""

from typing import Annotated, Any

from fastapi import Request, Response

from colonnade.models import plural
from colonnade.resources import openapi
from colonnade.resources._aggregates import AggregateOperations
from colonnade.resources.openapi._groups import Groups, group_parameters
from colonnade.resources.routes._route import without_names
from colonnade.resources.routes._route_builder import RouteBuilder, words_of


def add_aggregate(builder: RouteBuilder) -> None:
    """Add the route of aggregates.

    Args:
        builder: The builder of the routes.
    """
    options = builder.options
    aggregates = AggregateOperations(
        builder.table_context, options.contract.max_limit, options.aggregate_exclude
    )
    component = builder.component_name()
    names = plural(builder.name)

    async def aggregate_rows(request: Request) -> Response:
        return await aggregates.respond(request)

    builder.add(
        ":aggregate",
        "GET",
        aggregate_rows,
        ("list", "aggregate"),
        name=f"aggregate_{names}",
        summary=f"Group, count and sum {words_of(names)}",
        response_model=Annotated[Any, Groups(aggregates.reader, component)],
        responses=openapi.responses(409, headers=("Link",), description="The groups"),
        parameters=lambda: group_parameters(aggregates.reader, component),
    )
    # Who replaces the list restricts its rows, and groups would count the others.
    route: Any = builder.routes[-1]
    route.replaced_with = frozenset({(without_names(builder.router.prefix), "GET")})
