"""The documentation of endpoints that depend on ``Resource.query``."""

from typing import Annotated, Any

from colonnade.resources import openapi
from colonnade.resources._resource_schemas import ResourceSchemas
from colonnade.resources.routes._route import ResourceRoute


def document_query(route: ResourceRoute, schemas: ResourceSchemas) -> None:
    """Document the query parameters of an endpoint with ``Depends(resource.query)``.

    Args:
        route: The route of the endpoint; one that documents its parameters itself stays as it is.
        schemas: The schemas of the Resource.
    """
    if route.openapi_extra:
        return
    read = schemas.choices.get("read")
    readers = [
        (
            reads.reader,
            schemas.component({} if read is None or schema is None else {read: schema}),
        )
        for schema, reads in schemas.reads_by_schema.items()
    ]
    route.openapi_extra = openapi.LazyParameters(
        lambda: openapi.merged_parameters([
            ((reader.queryable.read.__name__,), openapi.page_parameters(reader, component))
            for reader, component in readers
        ])
    )  # fmt: skip
    if route.responses[422] != openapi.responses()[422]:
        return  # the endpoint documents another one
    problem = openapi.one_of_annotations([
        Annotated[Any, openapi.ParameterProblem(openapi.Rows(reader.queryable, name=component))]
        for reader, component in readers
    ])  # fmt: skip
    route.responses = {**route.responses, 422: {**route.responses[422], "model": problem}}
