"""The generated routes of relations: a list of each, and its links."""

from collections.abc import Callable
from dataclasses import replace
from typing import Annotated, Any

from fastapi import Request, Response, params

from colonnade.errors import QueryError, error_entry
from colonnade.models import RelationShape, singular, with_article
from colonnade.query import ParentRow, RelationTarget
from colonnade.resources import _scoping, openapi
from colonnade.resources._hook_parameters import hook_dependencies
from colonnade.resources._reads import (
    MAX_TREE_DEPTH,
    ReadOperations,
    requested_page,
    respond_with_page,
)
from colonnade.resources._table_context import ResourceContext
from colonnade.resources.contract._contract import Contract
from colonnade.resources.openapi._nested_bodies import related_body, written_rows
from colonnade.resources.routes._request_context import context_of
from colonnade.resources.routes._route_builder import RouteBuilder, with_body, words_of
from colonnade.resources.writes._link_operations import LinkOperations
from colonnade.resources.writes._resource_tables import resource_table
from colonnade.resources.writes.nested._relation_create import RelationCreate
from colonnade.writes import LinkTable, NestedRelation, Views, WritableTable


class RelationRoutes:
    """Adds the routes of the relations of one table.

    Args:
        builder: The builder of the routes.
        reads: The read operations of the table.

    Attributes:
        links: The relations that can be linked.
    """

    def __init__(self, builder: RouteBuilder, reads: ReadOperations) -> None:
        self.builder = builder
        self.table_context = builder.table_context
        self.reads = reads
        self.contract = builder.options.contract
        self.links: list[LinkTable] = []

    def add_all(self) -> None:
        """Add the routes of all relations."""
        operations = self.builder.options.operations
        listed = self._list_relations()
        # A relation that is also nested is listed with the schema and the scopes of this table.
        nested_only = {
            name: target for name, target in self._nested_relations().items() if name not in listed
        }
        for name, target in {**listed, **nested_only}.items():
            if "list" in operations and name in listed:
                self._add_list(name, target)
            if (nested := self.builder.options.table.relations.get(name)) is not None:
                self._add_create(nested)
            if "link" in operations and LinkTable.is_supported(self.table_context, target.relation):
                self._add_links(name, self._link_operations(target.relation))

    def _link_operations(self, relation: RelationShape) -> LinkOperations:
        return LinkOperations(self.table_context, relation, self.contract.status_of("link"))

    def _nested_relations(self) -> dict[str, RelationTarget]:
        """The to-many relations in ``nested``."""
        return {
            name: RelationTarget(nested.relation, nested.target.table_context.queryable)
            for name, nested in self.builder.options.table.relations.items()
            if nested.relation.is_list
        }

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

    def _add_list(self, name: str, target: RelationTarget) -> None:
        table_context, reads = self.table_context, self.reads
        relation = target.relation
        relation_list = _RelationList(table_context, target, self.contract)
        reader = relation_list.reader
        is_tree = relation.self_referential and relation.kind == "many"
        component = self.builder.component_name(name)

        async def list_related(request: Request) -> Response:
            row_key = table_context.key_of(request)
            if is_tree and (depth := _depth(request)) is not None:
                return await reads.tree(request, row_key, relation, depth)
            return await relation_list.respond(request, row_key)

        def parameters() -> list[dict[str, Any]]:
            depth = [openapi.depth_parameter(MAX_TREE_DEPTH)] if is_tree else []
            return [
                self.builder.key_parameter(),
                *openapi.page_parameters(reader, component),
                *depth,
            ]

        self.builder.add(
            f"{self.builder.row_path}/{name}",
            "GET",
            list_related,
            "list",
            name=f"list_{self.builder.name}_{name}",
            summary=f"List the {words_of(name)} of {with_article(words_of(self.builder.name))}",
            response_model=openapi.listed_rows(
                self.contract.envelope, target.queryable, component, is_relation=True
            ),
            responses=openapi.responses(
                404, 409, headers=("Link", self.contract.count_header), description="The rows"
            ),
            parameters=parameters,
        )

    def _add_create(self, nested: NestedRelation) -> None:
        """Add the route that creates a row in a relation, if its Resource creates rows."""
        target, options = resource_table(nested.target), self.builder.options
        needs_link = nested.side == "links"
        if "create" not in target.enabled or (needs_link and "link" not in options.operations):
            return
        create = RelationCreate(nested, options.idempotency, self.contract)
        status = self.contract.status_of("create")
        name, words = nested.name, words_of(self.builder.name)

        async def create_related(request: Request, body: Any) -> Response:
            row_key = self.table_context.key_of(request)
            return await create.respond(request, row_key)

        self.builder.add(
            f"{self.builder.row_path}/{name}",
            "POST",
            with_body(create_related, related_body(nested)),
            ("link",) if needs_link else (),
            name=f"create_{self.builder.name}_{singular(name)}",
            summary=f"Create one of the {words_of(name)} of {with_article(words)}",
            response_model=Annotated[Any, written_rows(target)],
            responses=openapi.responses(
                404, 409, 413, success=status, headers=("Location", "ETag"), description="The row"
            ),
            parameters=lambda: [self.builder.key_parameter()],
            scopes=[*options.nested_scopes, *self._write_scopes(target)],
            dependencies=[
                *target.guards.get("create", ()),
                *hook_dependencies(target.hooks.of_kinds(("create",))),
            ],
            status=status,
        )

    def _write_scopes(self, target: WritableTable) -> list[params.Depends]:
        """The write scope of this table, if a body in a relation may write its rows: a tree."""
        written = set(target.all_written())
        tables = [table for table in self.table_context.written_tables if table in written]
        return _scoping.write_dependencies(self.table_context.db, tables, optional=True)

    def _add_links(self, name: str, operations: LinkOperations) -> None:
        table_context, link = self.table_context, operations.table
        self.links.append(link)
        known = {scope.dependency for scope in self.builder.options.scopes}
        own_table = table_context.shape.table
        dependencies = _scoping.dependencies(table_context.db, link.tables(), own_table)
        scopes = [dependency for dependency in dependencies if dependency.dependency not in known]
        scopes += _scoping.write_dependencies(table_context.db, (link.table,))
        status = operations.status

        async def put_link(request: Request, body: Any = None) -> Response:
            row_key = table_context.key_of(request)
            return await operations.put(request, row_key, request.path_params["target"])

        async def delete_link(request: Request) -> Response:
            row_key = table_context.key_of(request)
            return await operations.delete(request, row_key, request.path_params["target"])

        endpoint: Callable[..., Any] = put_link
        response_model: Any = openapi.Deleted
        if link.view is not None:
            response_model = Annotated[Any, openapi.Rows(link.view.queryable)]
        if link.schema is not None:
            body = openapi.Body(link.schema, exclude=link.key_fields)
            endpoint = with_body(put_link, body, default=None)
        path = f"{self.builder.row_path}/{name}/{{target}}"

        def parameters() -> list[dict[str, Any]]:
            return [
                self.builder.key_parameter(),
                openapi.path_parameter("target", link.keys.columns),
            ]

        words = f"the {words_of(name)} of {with_article(words_of(self.builder.name))}"
        self.builder.add(
            path,
            "PUT",
            endpoint,
            "link",
            name=f"link_{self.builder.name}_{singular(name)}",
            summary=f"Add to {words}",
            response_model=response_model,
            responses=openapi.responses(404, 409, 413, success=status, description="The link"),
            parameters=parameters,
            scopes=scopes,
            status=status,
        )
        self.builder.add(
            path,
            "DELETE",
            delete_link,
            "link",
            name=f"unlink_{self.builder.name}_{singular(name)}",
            summary=f"Remove from {words}",
            response_model=openapi.Deleted,
            responses=openapi.responses(404, 409, success=status),
            parameters=parameters,
            scopes=scopes,
            status=status,
        )


class _RelationList:
    """The list route of a relation."""

    def __init__(
        self, table_context: ResourceContext, target: RelationTarget, contract: Contract
    ) -> None:
        self.table_context = table_context
        self.relation: RelationShape = target.relation
        self.contract = contract
        self.reader = contract.reader(target.queryable)
        self.views = Views(target.queryable)

    async def respond(self, request: Request, key: tuple[Any, ...]) -> Response:
        """Respond with the requested page of the relation."""
        parent = ParentRow(self.table_context.shape, self.relation, key)
        page = requested_page(
            self.reader,
            self.table_context,
            request,
            self.relation,
            has_absolute_links=self.contract.has_absolute_links,
        )
        page = replace(page, parent=parent)
        view = self.views.get(page.fields, page.include)
        return await respond_with_page(
            context_of(request), self.table_context, page, view, self.contract
        )


def _depth(request: Request) -> int | None:
    texts = request.query_params.getlist("depth")
    if not texts:
        return None
    if len(texts) > 1:
        entry = error_entry("repeated", ("query", "depth"), "depth can be used only once", texts[1])
        raise QueryError([entry])
    text = texts[0]
    if text == "all":
        return MAX_TREE_DEPTH
    if text.isascii() and text.isdecimal() and len(text) < 5 and 1 <= int(text) <= MAX_TREE_DEPTH:
        return int(text)
    message = f"depth must be all, or 1 to {MAX_TREE_DEPTH}"
    raise QueryError([error_entry("depth", ("query", "depth"), message, text)])
