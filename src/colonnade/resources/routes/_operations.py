"""The generated routes of a Resource: an endpoint for each operation, and its documentation."""

from collections.abc import Callable
from typing import Annotated, Any

from fastapi import Request, Response
from starlette.routing import BaseRoute

from colonnade.models import plural, with_article
from colonnade.resources import openapi
from colonnade.resources._reads import ReadOperations
from colonnade.resources.openapi._nested_bodies import (
    plain_body,
    row_body,
    statuses_of,
    written_rows,
)
from colonnade.resources.routes._idempotency import HEADER
from colonnade.resources.routes._relation_routes import RelationRoutes
from colonnade.resources.routes._request_context import context_of
from colonnade.resources.routes._route_builder import (
    Operation,
    RouteBuilder,
    with_body,
    words_of,
)
from colonnade.resources.routes._upsert_routes import UpsertRoutes
from colonnade.resources.writes._operations import WriteOperations
from colonnade.writes import LinkTable


class GeneratedRoutes:
    """The generated routes of one Resource.

    Args:
        builder: The builder of the routes.
        reads: The read operations.
    """

    def __init__(self, builder: RouteBuilder, reads: ReadOperations) -> None:
        self.builder = builder
        self.table_context = builder.table_context
        self.reads = reads
        options = builder.options
        self.contract = options.contract
        self.writes = WriteOperations(options.table, options.idempotency, self.contract)
        self.upserts = UpsertRoutes(self.builder, self.writes)
        self.relations = RelationRoutes(self.builder, reads)
        self.names = plural(self.builder.name)

    def routes(self) -> list[BaseRoute]:
        """Build the routes; call it only once."""
        add_operation: dict[Operation, Callable[[], None]] = {
            "upsert": self.upserts.add_upsert,  # before the creates, whose paths it has
            "list": self._add_list,
            "create": self._add_create,
            "read": self._add_read,
            "update": self._add_update,
            "replace": self.upserts.add_replace,
            "delete": self._add_delete,
            "batch": self._add_batch,
            "aggregate": self._add_aggregate,
        }
        for operation, add in add_operation.items():
            if operation in self.builder.options.operations:
                add()
        self.relations.add_all()
        return self.builder.routes

    @property
    def links(self) -> list[LinkTable]:
        """The relations that can be linked; complete after ``routes``."""
        return self.relations.links

    def _key_header(self) -> list[dict[str, Any]]:
        if self.builder.options.idempotency is None:
            return []
        description = "A unique key: a repeated request with the same key gets the same response"
        return [openapi.header_parameter(HEADER, description)]

    def _create_parameters(self) -> list[dict[str, Any]]:
        parameters = self._key_header()
        if "upsert" in self.builder.options.operations:
            parameters += self.upserts.parameters()
        return parameters

    def _upsert_responses(self, rows: Any, *, many: bool = False) -> dict[int | str, Any]:
        """The responses of a create with ``on_conflict``, besides those of others."""
        if "upsert" not in self.builder.options.operations:
            return {}
        return openapi.changed_response(rows, many=many)

    def _add_list(self) -> None:
        reads, table_context = self.reads, self.table_context
        component = self.builder.component_name()

        async def list_rows(request: Request) -> Response:
            return await reads.page(context_of(request), reads.requested_page(request))

        self.builder.add(
            "",
            "GET",
            list_rows,
            "list",
            name=f"list_{self.names}",
            summary=f"List {words_of(self.names)}",
            response_model=openapi.listed_rows(
                self.contract.envelope, table_context.queryable, component
            ),
            responses=openapi.responses(
                409, headers=("Link", self.contract.count_header), description="The rows"
            ),
            parameters=lambda: openapi.page_parameters(reads.reader, component),
        )

    def _add_aggregate(self) -> None:
        # Here, since most applications have no aggregates, and the import takes milliseconds.
        from colonnade.resources.routes._aggregate_routes import add_aggregate

        add_aggregate(self.builder)

    def _add_create(self) -> None:
        writes, status = self.writes, self.contract.status_of("create")
        row = Annotated[Any, openapi.Rows(self.table_context.queryable)]

        async def create_row(request: Request, body: Any) -> Response:
            return await writes.create(request)

        self.builder.add(
            "",
            "POST",
            with_body(
                create_row,
                row_body(
                    self.builder.options.table,
                    "create",
                    mentioned=self.upserts.mentioned_types(),
                ),
            ),
            "create",
            name=f"create_{self.builder.name}",
            summary=f"Create {with_article(words_of(self.builder.name))}",
            response_model=Annotated[Any, written_rows(self.builder.options.table)],
            responses=openapi.responses(
                *statuses_of(self.builder.options.table),
                409,
                413,
                success=status,
                headers=("Location", "ETag"),
                description="The row",
            )
            | self._upsert_responses(row),
            parameters=self._create_parameters,
            scopes=self.builder.options.nested_scopes,
            status=status,
        )

    def _add_read(self) -> None:
        reads, table_context = self.reads, self.table_context
        component = self.builder.component_name()

        async def read_row(request: Request) -> Response:
            return await reads.row(request, table_context.key_of(request))

        responses = openapi.responses(404, 409, headers=("ETag",), description="The row")
        responses[304] = {"description": "The client has the current version"}
        self.builder.add(
            self.builder.row_path,
            "GET",
            read_row,
            "read",
            name=f"read_{self.builder.name}",
            summary=f"Read {with_article(words_of(self.builder.name))}",
            response_model=Annotated[Any, openapi.Rows(table_context.queryable, name=component)],
            responses=responses,
            parameters=lambda: [
                self.builder.key_parameter(),
                *openapi.page_parameters(reads.row_reader, component),
                openapi.etags_parameter("If-None-Match", "The ETag of an earlier response"),
            ],
        )

    def _add_update(self) -> None:
        writes, table_context = self.writes, self.table_context
        status = self.contract.status_of("update")

        async def update_row(request: Request, body: Any) -> Response:
            return await writes.update(request, table_context.key_of(request))

        self.builder.add(
            self.builder.row_path,
            "PATCH",
            with_body(update_row, row_body(self.builder.options.table, "update")),
            "update",
            name=f"update_{self.builder.name}",
            summary=f"Update {with_article(words_of(self.builder.name))}",
            response_model=Annotated[Any, written_rows(self.builder.options.table)],
            responses=openapi.responses(
                404, 409, 412, 413, success=status, headers=("ETag",), description="The row"
            ),
            scopes=self.builder.options.nested_scopes,
            parameters=lambda: [
                self.builder.key_parameter(),
                openapi.etags_parameter("If-Match", "The ETag of the row when it was read"),
            ],
            status=status,
        )

    def _add_delete(self) -> None:
        writes, table_context = self.writes, self.table_context
        status = self.contract.status_of("delete")

        async def delete_row(request: Request) -> Response:
            return await writes.delete(request, table_context.key_of(request))

        self.builder.add(
            self.builder.row_path,
            "DELETE",
            delete_row,
            "delete",
            name=f"delete_{self.builder.name}",
            summary=f"Delete {with_article(words_of(self.builder.name))}",
            response_model=openapi.Deleted,
            responses=openapi.responses(404, 409, 412, success=status),
            parameters=lambda: [
                self.builder.key_parameter(),
                openapi.etags_parameter("If-Match", "The ETag of the row when it was read"),
            ],
            status=status,
        )

    def _add_batch(self) -> None:
        operations = self.builder.options.operations
        writes, max_rows = self.writes, self.contract.max_limit
        rows = Annotated[Any, openapi.Rows(self.table_context.queryable, many=True)]
        # If singular and plural are the same, the operations on single rows have the name already.
        names = f"many_{self.builder.name}" if self.names == self.builder.name else self.names
        words = words_of(self.names)

        async def create_rows(request: Request, body: Any) -> Response:
            return await writes.create_many(request)

        async def update_rows(request: Request, body: Any) -> Response:
            return await writes.update_many(request)

        async def delete_rows(request: Request) -> Response:
            return await writes.delete_many(request)

        status_of = self.contract.status_of

        if "create" in operations:
            table = self.builder.options.table
            self.builder.add(
                ":batch",
                "POST",
                with_body(
                    create_rows,
                    row_body(
                        table,
                        "create",
                        max_items=max_rows,
                        mentioned=self.upserts.mentioned_types(),
                    ),
                ),
                ("batch", "create"),
                name=f"create_{names}",
                summary=f"Create {words}, all or none",
                response_model=Annotated[Any, written_rows(table, many=True)],
                responses=openapi.responses(
                    *statuses_of(table),
                    409,
                    413,
                    success=status_of("create"),
                    description="The rows",
                )
                | self._upsert_responses(rows, many=True),
                parameters=self._create_parameters,
                scopes=self.builder.options.nested_scopes,
                status=status_of("create"),
            )
        if "update" in operations:
            table_context = self.table_context
            pairs = zip(table_context.key_names, table_context.shape.primary_key, strict=True)
            keys = {name: each for name, each in pairs if each in table_context.keys.columns}
            table = self.builder.options.table
            body = plain_body(table, "update", extra_columns=keys, max_items=max_rows)
            self.builder.add(
                ":batch",
                "PATCH",
                with_body(update_rows, body),
                ("batch", "update"),
                name=f"update_{names}",
                summary=f"Update {words}, all or none",
                response_model=rows,
                responses=openapi.responses(
                    404, 409, 412, 413, success=status_of("update"), description="The rows"
                ),
                status=status_of("update"),
            )
        if "delete" in operations:
            self.builder.add(
                ":batch",
                "DELETE",
                delete_rows,
                ("batch", "delete"),
                name=f"delete_{names}",
                summary=f"Delete {words}, all or none",
                response_model=openapi.Deleted,
                responses=openapi.responses(404, 409, success=status_of("delete")),
                status=status_of("delete"),
                parameters=lambda: [
                    openapi.keys_parameter(max_rows, self.table_context.keys.columns)
                ],
            )
