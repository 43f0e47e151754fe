"""The generated routes of a Resource: an endpoint for each operation, and its documentation."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Any, Literal

from fastapi import Body as FastAPIBody
from fastapi import Request, Response, params
from fastapi.routing import APIRouter
from starlette.routing import BaseRoute

from colonnade.errors import QueryError, error_entry
from colonnade.models import Idempotency, RelationShape, plural, with_article
from colonnade.query import PageReader, ParentRow, RelationTarget
from colonnade.resources import _scoping
from colonnade.resources._batches import BatchOperations
from colonnade.resources._hooks import Hooks
from colonnade.resources._links import Link
from colonnade.resources._reads import MAX_TREE_DEPTH, ReadOperations, answer_page, requested_page
from colonnade.resources._table_context import TableContext, Views
from colonnade.resources._writes import WriteOperations
from colonnade.resources.routes import _openapi as openapi
from colonnade.resources.routes._idempotency import HEADER
from colonnade.resources.routes._names import snake
from colonnade.resources.routes._request_context import context_of
from colonnade.resources.routes._route import GeneratedRoute

Operation = Literal["list", "read", "create", "update", "delete", "batch", "link"]
Guards = Mapping[Operation, Sequence[params.Depends]]
Endpoint = Callable[..., Any]
Parameters = Callable[[], list[dict[str, Any]]]


@dataclass(frozen=True, slots=True)
class ResourceOptions:
    """The options of a Resource.

    Attributes:
        operations: The enabled operations.
        guards: The dependencies of each operation.
        hooks: The hooks before and after writes.
        max_limit: The maximum number of rows in a page and in a batch.
        scopes: The dependencies that return the scopes.
        idempotency: The table of stored responses; None to ignore ``Idempotency-Key``.
    """

    operations: frozenset[Operation]
    guards: Guards
    hooks: Hooks
    max_limit: int
    scopes: list[params.Depends]
    idempotency: type[Idempotency] | None


class GeneratedRoutes:
    """Builds the generated routes of one Resource.

    Args:
        router: The Resource, for the settings of all its routes.
        table_context: The table of the Resource.
        reads: The read operations.
        options: The options of the Resource.
    """

    def __init__(
        self,
        router: APIRouter,
        table_context: TableContext,
        reads: ReadOperations,
        options: ResourceOptions,
    ) -> None:
        self.router = router
        self.table_context = table_context
        self.reads = reads
        self.options = options
        self.writes = WriteOperations(table_context, options.hooks, options.idempotency)
        self.batches = BatchOperations(self.writes, options.max_limit)
        self.generated: list[BaseRoute] = []
        self.links: list[Link] = []
        self.key = table_context.keys.name
        self.row_path = f"/{{{self.key}}}"
        self.name = snake(table_context.name)
        self.names = plural(self.name)

    def routes(self) -> list[BaseRoute]:
        """Build the routes; call it only once."""
        operations = self.options.operations
        makers: dict[Operation, Callable[[], None]] = {
            "list": self._list,
            "create": self._create,
            "read": self._read,
            "update": self._update,
            "delete": self._delete,
            "batch": self._batch,
        }
        for operation, make in makers.items():
            if operation in operations:
                make()
        for name, target in self._list_relations().items():
            if "list" in operations:
                self._relation(name, target)
            if "link" in operations and Link.is_supported(self.table_context, target.relation):
                self._links(name, Link(self.table_context, target.relation))
        return self.generated

    def _list_relations(self) -> dict[str, RelationTarget]:
        """The to-many relations in ``include``, and those to the table itself."""
        targets = {
            name: target
            for name, target in self.table_context.queryable.relations.items()
            if target.relation.is_list
        }
        for name, relation in self.table_context.shape.relations.items():
            if relation.self_referential and relation.is_list and name not in targets:
                targets[name] = RelationTarget(relation, self.table_context.queryable)
        return targets

    def _add(
        self,
        path: str,
        method: str,
        endpoint: Endpoint,
        operation: Operation | tuple[Operation, ...],
        *,
        name: str,
        summary: str,
        answer: Any,
        responses: dict[int | str, dict[str, Any]],
        parameters: Parameters = list,
        scopes: Sequence[params.Depends] = (),
        status: int = 200,
    ) -> None:
        operations = (operation,) if isinstance(operation, str) else operation
        guards = [guard for name in operations for guard in self.options.guards.get(name, ())]
        needed = [*self.options.scopes, *scopes]
        if needed:
            responses = {403: openapi.responses(403)[403], **responses}
        router = self.router
        route = GeneratedRoute(
            router.prefix + path,
            endpoint,
            response_model=answer,
            status_code=status,
            tags=list(router.tags),
            dependencies=[*router.dependencies, *guards, *needed],
            summary=summary,
            responses={**router.responses, **responses},
            deprecated=router.deprecated,
            methods=[method],
            name=name,
            include_in_schema=router.include_in_schema,
            dependency_overrides_provider=router.dependency_overrides_provider,
            openapi_extra=openapi.LazyParameters(parameters),
            generate_unique_id_function=router.generate_unique_id_function,
        )
        route.db = self.table_context.db
        route.siblings = router.routes
        self.generated.append(route)

    def _key_parameter(self) -> dict[str, Any]:
        return openapi.path_parameter(self.key, self.table_context.shape.primary_key)

    def _key_header(self) -> list[dict[str, Any]]:
        if self.options.idempotency is None:
            return []
        description = "A unique key: a repeated request with the same key gets the same response"
        return [openapi.header_parameter(HEADER, description)]

    def _list(self) -> None:
        reads, table_context = self.reads, self.table_context

        async def list_rows(request: Request) -> Response:
            page = requested_page(reads.reader, table_context, request)
            return await reads.page(context_of(request), page)

        self._add(
            "",
            "GET",
            list_rows,
            "list",
            name=f"list_{self.names}",
            summary=f"List {_words(self.names)}",
            answer=Annotated[Any, openapi.Rows(table_context.queryable, many=True)],
            responses=openapi.responses(
                409, headers=("Link", "X-Total-Count"), description="The rows"
            ),
            parameters=lambda: openapi.page_parameters(reads.reader),
        )

    def _create(self) -> None:
        writes = self.writes

        async def create_row(request: Request, body: Any) -> Response:
            return await writes.create(request)

        self._add(
            "",
            "POST",
            _with_body(create_row, openapi.Body(self.table_context.create.schema)),
            "create",
            name=f"create_{self.name}",
            summary=f"Create {with_article(_words(self.name))}",
            answer=Annotated[Any, openapi.Rows(self.table_context.queryable, selectable=False)],
            responses=openapi.responses(
                409, 413, success=201, headers=("Location", "ETag"), description="The row"
            ),
            parameters=self._key_header,
            status=201,
        )

    def _read(self) -> None:
        reads, table_context, key = self.reads, self.table_context, self.key

        async def read_row(request: Request) -> Response:
            return await reads.row(request, table_context.key(request.path_params[key]))

        responses = openapi.responses(404, 409, headers=("ETag",), description="The row")
        responses[304] = {"description": "The client has the current version"}
        self._add(
            self.row_path,
            "GET",
            read_row,
            "read",
            name=f"read_{self.name}",
            summary=f"Read {with_article(_words(self.name))}",
            answer=Annotated[Any, openapi.Rows(table_context.queryable)],
            responses=responses,
            parameters=lambda: [
                self._key_parameter(),
                *openapi.page_parameters(reads.row_reader),
                openapi.etags_parameter("If-None-Match", "The ETag of an earlier response"),
            ],
        )

    def _update(self) -> None:
        writes, table_context, key = self.writes, self.table_context, self.key

        async def update_row(request: Request, body: Any) -> Response:
            return await writes.update(request, table_context.key(request.path_params[key]))

        self._add(
            self.row_path,
            "PATCH",
            _with_body(update_row, openapi.Body(self.table_context.update.schema)),
            "update",
            name=f"update_{self.name}",
            summary=f"Update {with_article(_words(self.name))}",
            answer=Annotated[Any, openapi.Rows(table_context.queryable, selectable=False)],
            responses=openapi.responses(
                404, 409, 412, 413, headers=("ETag",), description="The row"
            ),
            parameters=lambda: [
                self._key_parameter(),
                openapi.etags_parameter("If-Match", "The ETag of the row when it was read"),
            ],
        )

    def _delete(self) -> None:
        writes, table_context, key = self.writes, self.table_context, self.key

        async def delete_row(request: Request) -> Response:
            return await writes.delete(request, table_context.key(request.path_params[key]))

        self._add(
            self.row_path,
            "DELETE",
            delete_row,
            "delete",
            name=f"delete_{self.name}",
            summary=f"Delete {with_article(_words(self.name))}",
            answer=dict[Literal["ok"], Literal[True]],
            responses=openapi.responses(404, 409, 412),
            parameters=lambda: [
                self._key_parameter(),
                openapi.etags_parameter("If-Match", "The ETag of the row when it was read"),
            ],
        )

    def _batch(self) -> None:
        operations = self.options.operations
        batches, max_rows = self.batches, self.options.max_limit
        rows = Annotated[
            Any, openapi.Rows(self.table_context.queryable, many=True, selectable=False)
        ]
        # If singular and plural are the same, the operations on single rows have the name already.
        names = f"many_{self.name}" if self.names == self.name else self.names
        words = _words(self.names)

        async def create_rows(request: Request, body: Any) -> Response:
            return await batches.create(request)

        async def update_rows(request: Request, body: Any) -> Response:
            return await batches.update(request)

        async def delete_rows(request: Request) -> Response:
            return await batches.delete(request)

        if "create" in operations:
            self._add(
                ":batch",
                "POST",
                _with_body(
                    create_rows, openapi.Body(self.table_context.create.schema, max_items=max_rows)
                ),
                ("batch", "create"),
                name=f"create_{names}",
                summary=f"Create {words}, all or none",
                answer=rows,
                responses=openapi.responses(409, 413, success=201, description="The rows"),
                parameters=self._key_header,
                status=201,
            )
        if "update" in operations:
            table_context = self.table_context
            keys = dict(zip(table_context.key_names, table_context.shape.primary_key, strict=True))
            body = openapi.Body(
                self.table_context.update.schema, extra_columns=keys, max_items=max_rows
            )
            self._add(
                ":batch",
                "PATCH",
                _with_body(update_rows, body),
                ("batch", "update"),
                name=f"update_{names}",
                summary=f"Update {words}, all or none",
                answer=rows,
                responses=openapi.responses(404, 409, 412, 413, description="The rows"),
            )
        if "delete" in operations:
            self._add(
                ":batch",
                "DELETE",
                delete_rows,
                ("batch", "delete"),
                name=f"delete_{names}",
                summary=f"Delete {words}, all or none",
                answer=dict[Literal["ok"], Literal[True]],
                responses=openapi.responses(404, 409),
                parameters=lambda: [
                    openapi.keys_parameter(max_rows, self.table_context.shape.primary_key)
                ],
            )

    def _relation(self, name: str, target: RelationTarget) -> None:
        table_context, reads, key = self.table_context, self.reads, self.key
        reader = PageReader(target.surface, max_limit=self.options.max_limit)
        relation = target.relation
        relation_list = _RelationList(table_context, target, reader)
        is_tree = relation.self_referential and relation.kind == "many"

        async def list_related(request: Request) -> Response:
            identity = table_context.key(request.path_params[key])
            if is_tree and (depth := _depth(request)) is not None:
                return await reads.tree(request, identity, relation, depth)
            return await relation_list.answer(request, identity)

        def parameters() -> list[dict[str, Any]]:
            parameters = [self._key_parameter(), *openapi.page_parameters(reader)]
            return [*parameters, openapi.depth_parameter(MAX_TREE_DEPTH)] if is_tree else parameters

        self._add(
            f"{self.row_path}/{name}",
            "GET",
            list_related,
            "list",
            name=f"list_{self.name}_{name}",
            summary=f"List the {_words(name)} of {with_article(_words(self.name))}",
            answer=Annotated[Any, openapi.Rows(target.surface, many=True)],
            responses=openapi.responses(
                404, 409, headers=("Link", "X-Total-Count"), description="The rows"
            ),
            parameters=parameters,
        )

    def _links(self, name: str, link: Link) -> None:
        table_context, key = self.table_context, self.key
        self.links.append(link)
        known = {scope.dependency for scope in self.options.scopes}
        dependencies = _scoping.dependencies(table_context.db, link.tables())
        scopes = [dependency for dependency in dependencies if dependency.dependency not in known]

        async def put_link(request: Request, body: Any = None) -> Response:
            identity = table_context.key(request.path_params[key])
            return await link.put(request, identity, request.path_params["target"])

        async def delete_link(request: Request) -> Response:
            identity = table_context.key(request.path_params[key])
            return await link.delete(request, identity, request.path_params["target"])

        endpoint: Endpoint = put_link
        answer: Any = dict[Literal["ok"], Literal[True]]
        if link.view is not None:
            answer = Annotated[Any, openapi.Rows(link.view.surface, selectable=False)]
        if link.schema is not None:
            body = openapi.Body(link.schema, exclude=link.key_fields)
            endpoint = _with_body(put_link, body, default=None)
        path = f"{self.row_path}/{name}/{{target}}"

        def parameters() -> list[dict[str, Any]]:
            return [
                self._key_parameter(),
                openapi.path_parameter("target", link.keys.columns),
            ]

        words = f"the {_words(name)} of {with_article(_words(self.name))}"
        self._add(
            path,
            "PUT",
            endpoint,
            "link",
            name=f"link_{self.name}_{name}",
            summary=f"Add to {words}",
            answer=answer,
            responses=openapi.responses(404, 409, 413, description="The link"),
            parameters=parameters,
            scopes=scopes,
        )
        self._add(
            path,
            "DELETE",
            delete_link,
            "link",
            name=f"unlink_{self.name}_{name}",
            summary=f"Remove from {words}",
            answer=dict[Literal["ok"], Literal[True]],
            responses=openapi.responses(404, 409),
            parameters=parameters,
            scopes=scopes,
        )


class _RelationList:
    """The list route of a relation."""

    def __init__(
        self, table_context: TableContext, target: RelationTarget, reader: PageReader
    ) -> None:
        self.table_context = table_context
        self.relation: RelationShape = target.relation
        self.reader = reader
        self.views = Views(reader.surface)

    async def answer(self, request: Request, key: tuple[Any, ...]) -> Response:
        """Respond with the requested page of the relation."""
        within = ParentRow(self.table_context.shape, self.relation, key)
        page = replace(requested_page(self.reader, self.table_context, request), within=within)
        view = self.views.get(page.fields, page.include)
        return await answer_page(context_of(request), self.table_context, page, view)


def _with_body(endpoint: Endpoint, body: openapi.Body, default: Any = ...) -> Endpoint:
    """Document the body of an endpoint, which reads it from the request itself."""
    endpoint.__annotations__["body"] = Annotated[Any, FastAPIBody(), body]
    if default is not ...:
        endpoint.__defaults__ = (default,)
    return endpoint


def _depth(request: Request) -> int | None:
    text = request.query_params.get("depth")
    if text is None:
        return None
    if text == "all":
        return MAX_TREE_DEPTH
    if text.isascii() and text.isdecimal() and len(text) < 5 and 1 <= int(text) <= MAX_TREE_DEPTH:
        return int(text)
    message = f"depth must be all, or 1 to {MAX_TREE_DEPTH}"
    raise QueryError([error_entry("depth", ("query", "depth"), message, text)])


def _words(name: str) -> str:
    return name.replace("_", " ")
