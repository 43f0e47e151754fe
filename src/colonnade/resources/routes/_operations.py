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
from colonnade.resources._batches import Batches
from colonnade.resources._hooks import Hooks
from colonnade.resources._links import Link
from colonnade.resources._reads import DEEPEST_TREE, Reads, answer_page, asked_page
from colonnade.resources._table_context import TableContext, Views
from colonnade.resources._writes import Writes
from colonnade.resources.routes import _openapi as documents
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
    """What a Resource offers of its table.

    Attributes:
        operations: Which operations there are.
        guards: The dependencies of each.
        hooks: What the program does before and after writes.
        max_limit: Rows in a page, and in a batch, at most.
        scopes: The dependencies that answer scopes.
        idempotency: Where answers are kept for requests that come twice.
    """

    operations: frozenset[Operation]
    guards: Guards
    hooks: Hooks
    max_limit: int
    scopes: list[params.Depends]
    idempotency: type[Idempotency] | None


class Operations:
    """Makes the generated routes of one Resource.

    Args:
        router: The Resource, for the settings of all its routes.
        subject: Its table.
        reads: The reading operations.
        offer: What it offers.
    """

    def __init__(
        self, router: APIRouter, subject: TableContext, reads: Reads, offer: ResourceOptions
    ) -> None:
        self.router = router
        self.subject = subject
        self.reads = reads
        self.offer = offer
        self.writes = Writes(subject, offer.hooks, offer.idempotency)
        self.batches = Batches(self.writes, offer.max_limit)
        self.made: list[BaseRoute] = []
        self.links: list[Link] = []
        self.key = subject.keys.name
        self.one = f"/{{{self.key}}}"
        self.name = snake(subject.name)
        self.names = plural(self.name)

    def routes(self) -> list[BaseRoute]:
        """The routes, for this once."""
        operations = self.offer.operations
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
        for name, reached in self._related().items():
            if "list" in operations:
                self._relation(name, reached)
            if "link" in operations and Link.fits(self.subject, reached.relation):
                self._links(name, Link(self.subject, reached.relation))
        return self.made

    def _related(self) -> dict[str, RelationTarget]:
        """The relations that are lists: those in ``include``, and those to the table itself."""
        relations = {
            name: reached
            for name, reached in self.subject.surface.relations.items()
            if reached.relation.is_list
        }
        for name, relation in self.subject.shape.relations.items():
            if relation.self_referential and relation.is_list and name not in relations:
                relations[name] = RelationTarget(relation, self.subject.surface)
        return relations

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
        guards = [guard for name in operations for guard in self.offer.guards.get(name, ())]
        needed = [*self.offer.scopes, *scopes]
        if needed:
            responses = {403: documents.responses(403)[403], **responses}
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
            openapi_extra=documents.Operation(parameters),
            generate_unique_id_function=router.generate_unique_id_function,
        )
        route.db = self.subject.db
        route.siblings = router.routes
        self.made.append(route)

    def _key_parameter(self) -> dict[str, Any]:
        return documents.path_parameter(self.key, self.subject.shape.primary_key)

    def _key_header(self) -> list[dict[str, Any]]:
        if self.offer.idempotency is None:
            return []
        says = "A key of the request: a retry with the same key gets the same response"
        return [documents.header_parameter(HEADER, says)]

    def _list(self) -> None:
        reads, subject = self.reads, self.subject

        async def list_rows(request: Request) -> Response:
            page = asked_page(reads.reader, subject, request)
            return await reads.page(context_of(request), page)

        self._add(
            "",
            "GET",
            list_rows,
            "list",
            name=f"list_{self.names}",
            summary=f"List {_words(self.names)}",
            answer=Annotated[Any, documents.Rows(subject.surface, several=True)],
            responses=documents.responses(409, headers=("Link", "X-Total-Count"), says="The rows"),
            parameters=lambda: documents.page_parameters(reads.reader),
        )

    def _create(self) -> None:
        writes = self.writes

        async def create_row(request: Request, body: Any) -> Response:
            return await writes.create(request)

        self._add(
            "",
            "POST",
            _taking(create_row, documents.Body(self.subject.create.schema)),
            "create",
            name=f"create_{self.name}",
            summary=f"Create {with_article(_words(self.name))}",
            answer=Annotated[Any, documents.Rows(self.subject.surface, chosen=False)],
            responses=documents.responses(
                409, 413, success=201, headers=("Location", "ETag"), says="The row"
            ),
            parameters=self._key_header,
            status=201,
        )

    def _read(self) -> None:
        reads, subject, key = self.reads, self.subject, self.key

        async def read_row(request: Request) -> Response:
            return await reads.row(request, subject.key(request.path_params[key]))

        responses = documents.responses(404, 409, headers=("ETag",), says="The row")
        responses[304] = {"description": "The client already has it"}
        self._add(
            self.one,
            "GET",
            read_row,
            "read",
            name=f"read_{self.name}",
            summary=f"Read {with_article(_words(self.name))}",
            answer=Annotated[Any, documents.Rows(subject.surface)],
            responses=responses,
            parameters=lambda: [
                self._key_parameter(),
                *documents.page_parameters(reads.row_reader),
                documents.tags_parameter("If-None-Match", "The ETag of an earlier response"),
            ],
        )

    def _update(self) -> None:
        writes, subject, key = self.writes, self.subject, self.key

        async def update_row(request: Request, body: Any) -> Response:
            return await writes.update(request, subject.key(request.path_params[key]))

        self._add(
            self.one,
            "PATCH",
            _taking(update_row, documents.Body(self.subject.update.schema)),
            "update",
            name=f"update_{self.name}",
            summary=f"Change {with_article(_words(self.name))}",
            answer=Annotated[Any, documents.Rows(subject.surface, chosen=False)],
            responses=documents.responses(404, 409, 412, 413, headers=("ETag",), says="The row"),
            parameters=lambda: [
                self._key_parameter(),
                documents.tags_parameter("If-Match", "The ETag of the row as it was read"),
            ],
        )

    def _delete(self) -> None:
        writes, subject, key = self.writes, self.subject, self.key

        async def delete_row(request: Request) -> Response:
            return await writes.delete(request, subject.key(request.path_params[key]))

        self._add(
            self.one,
            "DELETE",
            delete_row,
            "delete",
            name=f"delete_{self.name}",
            summary=f"Delete {with_article(_words(self.name))}",
            answer=dict[Literal["ok"], Literal[True]],
            responses=documents.responses(404, 409, 412),
            parameters=lambda: [
                self._key_parameter(),
                documents.tags_parameter("If-Match", "The ETag of the row as it was read"),
            ],
        )

    def _batch(self) -> None:
        operations = self.offer.operations
        batches, most = self.batches, self.offer.max_limit
        rows = Annotated[Any, documents.Rows(self.subject.surface, several=True, chosen=False)]
        # A name that is a plural, or has none, is that of a single row's operations already.
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
                _taking(create_rows, documents.Body(self.subject.create.schema, several=most)),
                ("batch", "create"),
                name=f"create_{names}",
                summary=f"Create {words}, all or none",
                answer=rows,
                responses=documents.responses(409, 413, success=201, says="The rows"),
                parameters=self._key_header,
                status=201,
            )
        if "update" in operations:
            subject = self.subject
            keys = dict(zip(subject.key_names, subject.shape.primary_key, strict=True))
            body = documents.Body(self.subject.update.schema, also=keys, several=most)
            self._add(
                ":batch",
                "PATCH",
                _taking(update_rows, body),
                ("batch", "update"),
                name=f"update_{names}",
                summary=f"Change {words}, all or none",
                answer=rows,
                responses=documents.responses(404, 409, 412, 413, says="The rows"),
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
                responses=documents.responses(404, 409),
                parameters=lambda: [documents.keys_parameter(most, self.subject.shape.primary_key)],
            )

    def _relation(self, name: str, reached: RelationTarget) -> None:
        subject, reads, key = self.subject, self.reads, self.key
        reader = PageReader(reached.queryable, max_limit=self.offer.max_limit)
        relation = reached.relation
        lister = _Related(subject, reached, reader)
        is_tree = relation.self_referential and relation.kind == "many"

        async def list_related(request: Request) -> Response:
            identity = subject.key(request.path_params[key])
            if is_tree and (depth := _depth(request)) is not None:
                return await reads.tree(request, identity, relation, depth)
            return await lister.answer(request, identity)

        def parameters() -> list[dict[str, Any]]:
            depth = [documents.depth_parameter(DEEPEST_TREE)] if is_tree else []
            return [self._key_parameter(), *documents.page_parameters(reader), *depth]

        self._add(
            f"{self.one}/{name}",
            "GET",
            list_related,
            "list",
            name=f"list_{self.name}_{name}",
            summary=f"List the {_words(name)} of {with_article(_words(self.name))}",
            answer=Annotated[Any, documents.Rows(reached.queryable, several=True)],
            responses=documents.responses(
                404, 409, headers=("Link", "X-Total-Count"), says="The rows"
            ),
            parameters=parameters,
        )

    def _links(self, name: str, link: Link) -> None:
        subject, key = self.subject, self.key
        self.links.append(link)
        known = {scope.dependency for scope in self.offer.scopes}
        dependencies = _scoping.dependencies(subject.db, link.tables())
        scopes = [dependency for dependency in dependencies if dependency.dependency not in known]

        async def put_link(request: Request, body: Any = None) -> Response:
            identity = subject.key(request.path_params[key])
            return await link.put(request, identity, request.path_params["target"])

        async def delete_link(request: Request) -> Response:
            identity = subject.key(request.path_params[key])
            return await link.delete(request, identity, request.path_params["target"])

        endpoint: Endpoint = put_link
        answer: Any = dict[Literal["ok"], Literal[True]]
        if link.view is not None:
            answer = Annotated[Any, documents.Rows(link.view.queryable, chosen=False)]
        if link.schema is not None:
            body = documents.Body(link.schema, without=link.key_fields)
            endpoint = _taking(put_link, body, default=None)
        path = f"{self.one}/{name}/{{target}}"

        def parameters() -> list[dict[str, Any]]:
            return [
                self._key_parameter(),
                documents.path_parameter("target", link.keys.columns),
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
            responses=documents.responses(404, 409, 413, says="The link"),
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
            responses=documents.responses(404, 409),
            parameters=parameters,
            scopes=scopes,
        )


class _Related:
    """A relation of a row, as its own list."""

    def __init__(self, subject: TableContext, reached: RelationTarget, reader: PageReader) -> None:
        self.subject = subject
        self.relation: RelationShape = reached.relation
        self.reader = reader
        self.views = Views(reader.queryable)

    async def answer(self, request: Request, key: tuple[Any, ...]) -> Response:
        """The page of it that a request asks for."""
        within = ParentRow(self.subject.shape, self.relation, key)
        page = replace(asked_page(self.reader, self.subject, request), parent=within)
        view = self.views.get(page.fields, page.include)
        return await answer_page(context_of(request), self.subject, page, view)


def _taking(endpoint: Endpoint, body: documents.Body, default: Any = ...) -> Endpoint:
    """The endpoint, with a body that is documented and that it reads itself."""
    endpoint.__annotations__["body"] = Annotated[Any, FastAPIBody(), body]
    if default is not ...:
        endpoint.__defaults__ = (default,)
    return endpoint


def _depth(request: Request) -> int | None:
    text = request.query_params.get("depth")
    if text is None:
        return None
    if text == "all":
        return DEEPEST_TREE
    if text.isascii() and text.isdecimal() and len(text) < 5 and 1 <= int(text) <= DEEPEST_TREE:
        return int(text)
    message = f"depth must be all, or 1 to {DEEPEST_TREE}"
    raise QueryError([error_entry("depth", ("query", "depth"), message, text)])


def _words(name: str) -> str:
    return name.replace("_", " ")
