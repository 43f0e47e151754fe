"""The routes of a Resource with schemas by role.

Each combination of schemas has its endpoints, as if it were the only one. A route calls those of
the schemas that its dependencies chose, and documents all of them.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from inspect import Signature, signature
from typing import Annotated, Any, get_args, get_origin

from fastapi import Body as FastAPIBody
from fastapi import Depends, Request, Response
from fastapi.responses import JSONResponse
from pydantic import BaseModel
from starlette.routing import BaseRoute

from colonnade.resources._reads import ReadOperations
from colonnade.resources._resource_checks import (
    refuse_protected_fields,
    refuse_unserved_columns,
    refuse_unset_columns,
)
from colonnade.resources._schema_choices import SchemaChoice, Selection
from colonnade.resources.contract._contract import Contract
from colonnade.resources.openapi._one_of import merged_parameters, one_of_annotations
from colonnade.resources.routes._operations import GeneratedRoutes
from colonnade.resources.routes._route import GeneratedRoute
from colonnade.resources.routes._route_builder import (
    Endpoint,
    Operation,
    Parameters,
    RouteBuilder,
)
from colonnade.resources.writes._resource_tables import ResourceTable
from colonnade.writes import LinkTable

Responses = dict[int | str, dict[str, Any]]


@dataclass(frozen=True, slots=True, eq=False)
class ResourceVariant:
    """A Resource with one schema of each choice.

    Attributes:
        table: The table as writes reach it, with these schemas.
        reads: The read operations.
    """

    table: ResourceTable
    reads: ReadOperations

    def refuse_bad_schemas(self, operations: frozenset[Operation], contract: Contract) -> None:
        """Refuse schemas that the routes could not serve.

        Args:
            operations: The enabled operations.
            contract: How the Resource answers.

        Raises:
            ModelError: A schema writes protected fields, no row could be created with it, it has
                columns that requests cannot read or write, or the envelope lists other rows.
        """
        context = self.table.table_context
        create, update = context.create.schema, context.update.schema
        refuse_protected_fields(context.shape, create, update)
        if operations & {"create", "batch", "upsert", "replace"}:
            refuse_unset_columns(context, self.table.hooks)
        refuse_unserved_columns(context, operations, create, update)
        if contract.envelope is not None:
            contract.envelope.refuse_other_rows(context.queryable.read)


@dataclass(slots=True)
class _Recorded:
    """The arguments of a route, before the routes of all combinations are merged."""

    selection: Selection
    path: str
    method: str
    endpoint: Endpoint
    operation: Any
    options: dict[str, Any]
    replaced_with: frozenset[tuple[str, str]] = frozenset()

    @property
    def key(self) -> tuple[Any, ...]:
        """What routes of different combinations share."""
        return self.path, self.method, self.options.get("route_class", GeneratedRoute)


class _RouteRecorder(RouteBuilder):
    """Records the routes of one combination of schemas."""

    routes: list[Any]

    def add(
        self, path: str, method: str, endpoint: Endpoint, operation: Any, **options: Any
    ) -> None:
        selection = self.options.table.selection
        self.routes.append(_Recorded(selection, path, method, endpoint, operation, options))


Combination = tuple[type[BaseModel], ...]
"""The schemas of the choices that a route depends on."""


def generated_routes(
    builder: RouteBuilder, variants: Sequence[ResourceVariant]
) -> tuple[list[BaseRoute], list[LinkTable]]:
    """Build the generated routes of a Resource, with all combinations of its schemas.

    Args:
        builder: The builder of the routes.
        variants: The combinations; a single one if requests choose no schemas.

    Returns:
        The routes, and the relations that can be linked.
    """
    if not variants[0].table.selection:
        generated = GeneratedRoutes(builder, variants[0].reads)
        return generated.routes(), generated.links
    links: list[LinkTable] = []
    routes: dict[tuple[Any, ...], list[_Recorded]] = {}
    for variant in variants:
        options = replace(builder.options, table=variant.table)
        recorder = _RouteRecorder(builder.router, variant.table.table_context, options)
        generated = GeneratedRoutes(recorder, variant.reads)
        generated.routes()
        links += generated.links
        for recorded in recorder.routes:
            routes.setdefault(recorded.key, []).append(recorded)
    for forms in routes.values():
        _add(builder, forms)
    return builder.routes, links


def _add(builder: RouteBuilder, forms: Sequence[_Recorded]) -> None:
    """Add the route of several combinations of schemas."""
    first = forms[0]
    required = _required_choices(builder, first)
    nested = {dependency.dependency for dependency in first.options.get("scopes", ())}
    choices = [each for each in first.selection if each in required or each.optional in nested]
    by_schemas = {
        tuple(form.selection[choice] for choice in choices): form
        for form in forms
        if _is_relevant(form.selection, choices)
    }
    options = [form.options for form in by_schemas.values()]
    merged = first.options | {
        "response_model": one_of_annotations([each["response_model"] for each in options]),
        "responses": _merged_responses([each["responses"] for each in options]),
        "parameters": _merged_parameters(by_schemas),
        "scopes": [
            *(Depends(choice.required) for choice in required),
            *first.options.get("scopes", ()),
        ],
    }
    endpoint = _endpoint(choices, by_schemas)
    builder.add(first.path, first.method, endpoint, first.operation, **merged)
    route: Any = builder.routes[-1]
    route.replaced_with = first.replaced_with


def _required_choices(builder: RouteBuilder, form: _Recorded) -> list[SchemaChoice]:
    """The choices of the Resource that every request of a route needs."""
    operations = {form.operation} if isinstance(form.operation, str) else set(form.operation)
    choices = builder.options.table.choices
    return [choice for kind, choice in choices.items() if kind in {"read", *operations}]


def _is_relevant(selection: Selection, choices: Collection[SchemaChoice]) -> bool:
    """Whether a combination has the first schema of each choice that a route does not need."""
    return all(
        choice in choices or schema is choice.schemas[0] for choice, schema in selection.items()
    )


def _endpoint(
    choices: Sequence[SchemaChoice], by_schemas: Mapping[Combination, _Recorded]
) -> Endpoint:
    """An endpoint that calls that of the chosen schemas."""
    endpoints = {chosen: form.endpoint for chosen, form in by_schemas.items()}

    async def respond(request: Request, **body: Any) -> Response:
        endpoint = endpoints.get(tuple(choice.schema_of(request) for choice in choices))
        if endpoint is None:  # the relation in the path is not in the chosen schema
            # The response of a path that does not exist, but not for other roles.
            return JSONResponse({"detail": "Not Found"}, 404)
        response: Response = await endpoint(request, **body)
        return response

    declared = [signature(endpoint) for endpoint in endpoints.values()]
    parameters = dict(declared[0].parameters)
    if (body := parameters.get("body")) is not None and get_origin(body.annotation) is Annotated:
        annotations = [other.parameters["body"].annotation for other in declared]
        merged = one_of_annotations(annotations)
        annotation = Annotated[Any, FastAPIBody(), get_args(merged)[-1]]
        parameters["body"] = body.replace(annotation=annotation)
    respond.__signature__ = Signature(list(parameters.values()))  # type: ignore[attr-defined]  # FastAPI reads it
    return respond


def _merged_responses(documented: Sequence[Responses]) -> Responses:
    """The responses of a route, each with the rows of all schemas."""
    merged: Responses = {}
    for status in dict.fromkeys(status for responses in documented for status in responses):
        same = [responses[status] for responses in documented if status in responses]
        merged[status] = dict(same[0])
        if "model" in same[0]:
            merged[status]["model"] = one_of_annotations([response["model"] for response in same])
    return merged


def _merged_parameters(by_schemas: Mapping[Combination, _Recorded]) -> Parameters:
    def parameters() -> list[dict[str, Any]]:
        return merged_parameters([
            (tuple(schema.__name__ for schema in chosen), form.options["parameters"]())
            for chosen, form in by_schemas.items()
            if "parameters" in form.options
        ])  # fmt: skip

    return parameters
