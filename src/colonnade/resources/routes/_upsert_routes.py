"""The generated routes of upserts and replacements."""

from collections.abc import Collection
from typing import Annotated, Any
from urllib.parse import parse_qsl

from fastapi import Request, Response
from starlette.routing import Match
from starlette.types import Scope

from colonnade.errors import ModelError, QueryError, error_entry
from colonnade.models import with_article
from colonnade.resources import openapi
from colonnade.resources._reads import MAX_PARAMETERS
from colonnade.resources.openapi._named_values import named_upsert_options
from colonnade.resources.responses._problems import Problem
from colonnade.resources.routes._route import GeneratedRoute, without_names
from colonnade.resources.routes._route_builder import Operation, RouteBuilder, with_body, words_of
from colonnade.resources.writes._operations import WriteOperations
from colonnade.writes import ON_CONFLICT, Key


class UpsertRoute(GeneratedRoute):
    """The part of a POST route that has ``on_conflict``, with other dependencies than the create.

    The dependencies of the update guard it too, and not a plain create.
    """

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Match a request with ``on_conflict``."""
        if not scope.get("query_string") or not _has_on_conflict(scope["query_string"]):
            return Match.NONE, {}
        return super().matches(scope)


class UpsertRoutes:
    """Adds the routes of the upserts and replacements of one table.

    Args:
        builder: The builder of the routes.
        writes: The write operations of the table.
    """

    def __init__(self, builder: RouteBuilder, writes: WriteOperations) -> None:
        self.builder = builder
        self.writes = writes
        self.table_context = builder.table_context
        self._rows = Annotated[Any, openapi.Rows(self.table_context.queryable)]

    def add_upsert(self) -> None:
        """Add the upserts, before the routes of the creates, which document them.

        Raises:
            ModelError: The Resource has no creates, or no unique key whose fields a create has.
        """
        writes, operations = self.writes, self.builder.options.operations
        self._require_create()
        if not writes.upserts.options.keys:
            raise ModelError(
                f'operations names "upsert", but no unique key of {self.table_context.name} '
                f"consists of fields of {self.table_context.create.schema.__name__}. Make a field "
                f'unique (unique=True), or leave "upsert" out.'
            )

        async def upsert_row(request: Request, body: Any) -> Response:
            return await writes.upsert(request)

        async def upsert_rows(request: Request, body: Any) -> Response:
            return await writes.upsert_many(request)

        self._add_upsert("", upsert_row, name=f"upsert_{self.builder.name}")
        if "batch" in operations:
            self._add_upsert(":batch", upsert_rows, name=f"upsert_many_{self.builder.name}")

    def parameters(self) -> list[dict[str, Any]]:
        """Return the query parameters of an upsert, for the document of the create."""
        options = self.writes.upserts.options
        return openapi.upsert_parameters(options.keys, options.changeable, self._named_types())

    def mentioned_types(self) -> list[Any]:
        """Return the types that the parameters refer to."""
        if "upsert" not in self.builder.options.operations:
            return []
        return list(self._named_types().values())

    def _named_types(self) -> dict[str, Any]:
        table_context, options = self.table_context, self.writes.upserts.options
        if not (table_context.create.is_derived and table_context.update.is_derived):
            return {}
        return named_upsert_options(table_context.queryable, options.keys, options.changeable)

    def _require_create(self) -> None:
        if "create" not in self.builder.options.operations:
            raise ModelError(
                f'operations of {self.table_context.name} names "upsert" without "create". An '
                f"upsert is a create with on_conflict: name both."
            )

    def _add_upsert(self, path: str, endpoint: Any, *, name: str) -> None:
        batch: tuple[Any, ...] = ("batch",) if path else ()
        self.builder.add(
            path,
            "POST",
            with_body(endpoint, openapi.Body(self.table_context.create.schema)),
            (*batch, "create", "update", "upsert"),
            name=name,
            summary="",
            response_model=None,
            responses={},
            route_class=UpsertRoute,
            include_in_schema=False,
        )
        self._share_replacement()

    def add_replace(self) -> None:
        """Add the replacement.

        Raises:
            ModelError: The database generates the key, or the create schema lacks a part of it.
        """
        writes, table_context = self.writes, self.table_context
        self._require_key()

        async def replace_row(request: Request, body: Any) -> Response:
            return await writes.replace(request, self._new_key(request))

        key_names = frozenset(column.name for column in table_context.shape.primary_key)
        body = openapi.Body(table_context.create.schema, exclude=key_names, changed_name="Replace")
        responses = openapi.responses(409, 412, 413, headers=("ETag",), description="The row")
        responses |= openapi.created_response(self._rows)
        self.builder.add(
            self.builder.row_path,
            "PUT",
            with_body(replace_row, body),
            ("create", "update", "replace"),
            name=f"replace_{self.builder.name}",
            summary=f"Create or replace {with_article(words_of(self.builder.name))}",
            response_model=self._rows,
            responses=responses,
            parameters=lambda: [
                self.builder.key_parameter(),
                openapi.etags_parameter("If-Match", "The ETag of the row when it was read"),
                openapi.create_only_parameter(),
            ],
        )
        self._share_replacement()

    def _new_key(self, request: Request) -> Key:
        """Parse the key of a row that may not exist yet.

        Raises:
            QueryError: 422, no row can have the key.
        """
        try:
            return self.table_context.key_of(request)
        except Problem:
            message = f"No {self.table_context.name} can have this key"
            raise QueryError([error_entry("key", ("path", self.builder.key), message)]) from None

    def _require_key(self) -> None:
        shape, create = self.table_context.shape, self.table_context.create.schema
        for column in shape.primary_key:
            if column.name in create.model_fields:
                continue
            why = "the database generates it" if column.generated else "no body may have it"
            raise ModelError(
                f'operations names "replace", but {create.__name__} has no {column.name}, which is '
                f"the key of {shape.model.__name__}: {why}, so that a PUT could not create the "
                f'row. Leave "replace" out, or let the client make the key.'
            )

    def _share_replacement(self) -> None:
        """Let an endpoint that is added later and replaces a create replace the last route, too."""
        route: Any = self.builder.routes[-1]
        route.replaced_with = _ruling_keys(self.builder.router.prefix)


def bypassing_operations(taken: Collection[tuple[str, str]], prefix: str) -> frozenset[Operation]:
    """Return the operations that would bypass the rules of endpoints of the user.

    Args:
        taken: The keys of the routes that those endpoints replace.
        prefix: The path of the Resource.
    """
    return frozenset(("upsert", "replace")) if _ruling_keys(prefix) & set(taken) else frozenset()


def _ruling_keys(prefix: str) -> frozenset[tuple[str, str]]:
    """The keys of the create and the update, whose rules apply to upserts and replacements."""
    path = without_names(prefix)
    return frozenset(((path, "POST"), (f"{path}/{{}}", "PATCH")))


def _has_on_conflict(query_string: bytes) -> bool:
    try:
        query = parse_qsl(
            query_string.decode("latin-1"), keep_blank_values=True, max_num_fields=MAX_PARAMETERS
        )
    except ValueError:  # the route of the create refuses it
        return False
    return any(name == ON_CONFLICT for name, _ in query)
