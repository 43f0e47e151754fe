"""Links: rows of a link table, created and deleted by the keys of the two rows they connect."""

from datetime import UTC, datetime
from typing import Any

from fastapi import Request, Response
from pydantic import BaseModel, ValidationError
from pydantic_core import from_json, to_json
from sqlalchemy import Connection, Select, Table, and_, bindparam, delete, literal_column, select

from colonnade.database import Plan
from colonnade.errors import QueryError, error_entry
from colonnade.models import ColumnShape, RelationShape, Shape, schemas
from colonnade.query import VALUE_PREFIX, QueryableTable, Scopes, read_includes, value_parameter
from colonnade.resources import _scoping
from colonnade.resources._reads import refuse_query_parameters
from colonnade.resources._table_context import TableContext, render_row
from colonnade.resources.responses._bodies import OK_BODY, JSONBody, json_body
from colonnade.resources.responses._failures import missing_row
from colonnade.resources.responses._problems import Problem
from colonnade.resources.routes._keys import OUT_OF_RANGE, Keys
from colonnade.resources.routes._request_context import context_of
from colonnade.resources.writes._foreign_keys import ForeignKeys
from colonnade.resources.writes._link_sides import (
    column_keys,
    joins_by_equality,
    sides_of,
    target_key_columns,
)
from colonnade.resources.writes._rules import (
    RowValidator,
    Values,
    check_scope,
    name_foreign_key,
    refuse_values_outside_scope,
    stored_row,
)
from colonnade.resources.writes._upserts import upsert
from colonnade.rows import BodyReader, ReturnedRow, View


class Link:
    """The link and unlink operations of one relation.

    Args:
        table_context: The table that has the relation.
        relation: The relation, through a link table: see ``is_supported``.
    """

    def __init__(self, table_context: TableContext, relation: RelationShape) -> None:
        self.table_context = table_context
        self.relation = relation
        link, sides = relation.link, sides_of(table_context.shape, relation)
        if link is None or sides is None:
            raise ValueError(relation.name)
        self.table = link.table
        self.source_side, self.target_side = sides
        self.shape = None if link.model is None else Shape.of(link.model)
        self.keys = Keys(target_key_columns(relation, self.target_side, self.shape))
        self.target_name = relation.target.__name__
        self.inputs: BodyReader | None = None
        self.view: View | None = None
        self._row_validator: RowValidator | None = None
        self._foreign_keys: ForeignKeys | None = None
        if self.shape is not None:
            self.inputs = BodyReader(self.shape, schemas(self.shape.model).create, complete=True)
            queryable = QueryableTable.of(self.shape.model)
            self.view = View(queryable, None, read_includes(None, queryable))
            self._row_validator = RowValidator(self.inputs)
            self._foreign_keys = ForeignKeys(self.shape)

    @classmethod
    def is_supported(cls, table_context: TableContext, relation: RelationShape) -> bool:
        """Whether the links of a relation can be created and deleted by the keys of both rows.

        The key of the link table must consist of the keys of the two rows, and the relation may
        have no condition except their equality.
        """
        if relation.link is None or not joins_by_equality(relation):
            return False
        sides = sides_of(table_context.shape, relation)
        if sides is None:
            return False
        source_side, target_side = sides
        key = {column.key for column in relation.link.table.primary_key}
        return (
            column_keys(source_side.targets) == column_keys(table_context.shape.table.primary_key)
            and column_keys(target_side.targets) == column_keys(target_side.table.primary_key)
            and key == column_keys(source_side.columns) | column_keys(target_side.columns)
        )

    def tables(self) -> tuple[Table, ...]:
        """Return the tables whose scopes apply to a link."""
        referred = () if self._foreign_keys is None else self._foreign_keys.targets()
        return tuple(
            dict.fromkeys(
                (*self.table_context.tables(), self.table, self.target_side.table, *referred)
            )
        )

    @property
    def schema(self) -> type[BaseModel] | None:
        """The schema of the request body; None if the link table has no fields besides its keys."""
        return None if self.inputs is None else self.inputs.schema

    @property
    def key_fields(self) -> frozenset[str]:
        """The fields of the link whose values are in the path."""
        keys = column_keys((*self.source_side.columns, *self.target_side.columns))
        if self.shape is None:
            return frozenset()
        return frozenset(
            column.name for column in self.shape.columns.values() if column.column.key in keys
        )

    async def put(self, request: Request, key: tuple[Any, ...], segment: str) -> Response:
        """Link two rows; an existing link is updated with the fields in the body."""
        context, scopes = context_of(request), self._route_scopes(request)
        target_key = self._key(segment)
        self._refuse_conflicting_keys(key, target_key)
        keys = {**self.source_side.parameters(key), **self.target_side.parameters(target_key)}
        path_values = self.path_values(key, target_key)
        values, body_fields = self.read(await json_body(request), path_values, scopes)
        scope = scopes.written(self.table)
        validates_row = bool(self._row_validator) and bool(body_fields)
        needs_transaction = validates_row or (scope is not None and scope.condition is not None)
        work = self.table_context.run(
            context,
            lambda connection: self._put(
                connection, dict(values), body_fields, path_values, keys, scopes
            ),
            begin=needs_transaction,
            shape=self.shape,
        )
        if self._foreign_keys is not None:
            row = await name_foreign_key(
                context,
                self.table_context,
                work,
                self._foreign_keys,
                lambda: [{**values, **path_values}],
            )
        else:
            row = await work
        if self.view is None:
            return JSONBody(OK_BODY)
        return JSONBody(render_row(self.view, row.body))

    def _put(
        self,
        connection: Connection,
        values: Values,
        body_fields: frozenset[str],
        path_values: Values,
        keys: Values,
        scopes: Scopes,
    ) -> Any:
        if self.shape is not None and self._row_validator and body_fields:
            stored = stored_row(connection, self.shape, self._link_clause(), self.table, keys)
            if stored is not None:
                changed_fields = {name: values[name] for name in body_fields if name in values}
                changes = self._row_validator.changes(stored, changed_fields)
                values, body_fields = {**values, **changes}, body_fields | changes.keys()
        parameters = {
            value_parameter(self._column(name).column): value for name, value in values.items()
        } | keys
        parameters.update(scopes.binds())
        row = (
            Plan(self._upsert(values, body_fields, path_values, scopes))
            .run(connection, parameters)
            .first()
        )
        if row is None:
            raise self._cause(connection, {**values, **path_values}, parameters, scopes)
        if self.shape is not None:
            scope = scopes.written(self.table)
            if scope is not None and scope.condition is not None:
                check_scope(connection, scope, self.shape, self._link_clause(), self.table, keys)
        return row

    async def delete(self, request: Request, key: tuple[Any, ...], segment: str) -> Response:
        """Unlink two rows; succeeds if they are not linked."""
        context, scopes = context_of(request), self._route_scopes(request)
        target_key = self._key(segment)
        both_exist = [
            self.source_side.exists_clause(scopes),
            self.target_side.exists_clause(scopes),
        ]
        statement: Any = (
            delete(self.table)
            .where(self._link_clause(), *both_exist, *scopes.write_clauses(self.table, self.table))
            .returning(literal_column("1"))
        )
        parameters = {**self.source_side.parameters(key), **self.target_side.parameters(target_key)}
        parameters.update(scopes.binds())

        def work(connection: Connection) -> None:
            if Plan(statement).run(connection, parameters).first() is None:
                self._require_both(connection, parameters, scopes)
                if self._may_only_be_read(connection, parameters, scopes):
                    raise self._not_writable()

        await self.table_context.run(context, work, deleting=True, shape=self.shape)
        return JSONBody(OK_BODY)

    def scopes(self, request: Request) -> Scopes:
        """Return the scopes of a request that links or unlinks rows.

        Raises:
            HTTPException: 401 or 403, the scope of the rows or of the links denies access.
        """
        self.table_context.scopes(request)
        scopes = _scoping.scopes_of(request, self.table_context.db, self.tables, (self.table,))
        errors = scopes.errors()
        for table in (self.table, self.target_side.table):
            if table in errors:
                raise errors[table]
        scope = scopes.get(self.table)
        if scope is not None and scope.refused:
            raise Problem(403, "Your scope does not allow access to these links.", kind="scope")
        scope = scopes.written(self.table)
        if scope is not None and scope.refused:
            raise Problem(403, "Your scope does not allow changes to these links.", kind="scope")
        return scopes

    def _route_scopes(self, request: Request) -> Scopes:
        scopes = self.scopes(request)
        refuse_query_parameters(request)
        return scopes

    def _key(self, segment: str) -> tuple[Any, ...]:
        try:
            key = self.keys.read(segment)
        except ValidationError as error:
            if self.keys.is_out_of_range(error):
                raise self._target_not_found() from None
            raise QueryError(self.keys.errors(error, ("path", "target"))) from None
        if key is None:
            raise self._target_not_found()
        return key

    def _refuse_conflicting_keys(self, key: tuple[Any, ...], target_key: tuple[Any, ...]) -> None:
        """Refuse two rows with different values of a column that both keys share, such as a tenant.

        Raises:
            Problem: 409, the values differ.
        """
        source = dict(zip((column.key for column in self.source_side.columns), key, strict=True))
        target = dict(
            zip((column.key for column in self.target_side.columns), target_key, strict=True)
        )
        conflicting = [
            name for name in source.keys() & target.keys() if source[name] != target[name]
        ]
        if conflicting:
            names = " and ".join(sorted(conflicting))
            detail = (
                f"This {self.table_context.name} and this {self.target_name} cannot be linked: "
                f"linked rows must have the same {names}."
            )
            raise Problem(409, detail, kind="foreign_key")

    def path_values(self, key: tuple[Any, ...], target_key: tuple[Any, ...]) -> Values:
        """The values of the link's fields that are in the path, by field."""
        if self.shape is None:
            return {}
        by_key = {column.column.key: column.name for column in self.shape.columns.values()}
        columns = [*self.source_side.columns, *self.target_side.columns]
        return dict(
            zip((by_key[column.key] for column in columns), (*key, *target_key), strict=True)
        )

    def _target_not_found(self) -> Exception:
        problem = self.table_context.not_found()
        problem.detail = f"{self.target_name} not found."
        return problem

    def _link_clause(self) -> Any:
        """Build the condition that selects the link of the two rows."""
        columns = [*self.source_side.columns, *self.target_side.columns]
        binds = [*self.source_side.binds(), *self.target_side.binds()]
        return and_(*(column == bind for column, bind in zip(columns, binds, strict=True)))

    def read(
        self, body: bytes, path_values: Values, scopes: Scopes
    ) -> tuple[Values, frozenset[str]]:
        """Return the values of the link by field, and the names of the fields in the body."""
        if self.inputs is None:
            if body.strip() not in (b"", b"{}"):
                raise QueryError(
                    [
                        error_entry(
                            "link", ("body",), "This link has no fields: leave the body empty"
                        )
                    ]
                )
            return {}, frozenset()
        payload = _json_object(body or b"{}")
        in_path = self.key_fields & payload.keys()
        if in_path:
            raise QueryError(
                [
                    error_entry(
                        "link", ("body", name), f"{name} is in the path: leave it out of the body"
                    )
                    for name in in_path
                ]
            )
        scope = scopes.written(self.table)
        refuse_values_outside_scope(path_values, scope)
        scope_values = {} if scope is None else {**scope.values}
        try:
            link = self.inputs.parse(to_json({**payload, **path_values}), scope_values=scope_values)
        except QueryError as error:
            self._refuse_out_of_range(error, path_values)
            raise
        values = self.inputs.values(link, scope_values=scope_values)
        refuse_values_outside_scope(values, scope)
        values = {
            name: value
            for name, value in {**values, **scope_values}.items()
            if name not in path_values
        }
        return values, frozenset(link.model_fields_set) - path_values.keys() - scope_values.keys()

    def _refuse_out_of_range(self, error: QueryError, path_values: Values) -> None:
        """Refuse a number in the path that is out of range for its column.

        Raises:
            Problem: 404, no row can have the key.
        """
        source_length = len(self.source_side.columns)
        for index, name in enumerate(path_values):
            if any(
                entry["loc"][-1] == name and entry["type"] in OUT_OF_RANGE for entry in error.errors
            ):
                if index < source_length:
                    raise self.table_context.not_found()
                raise self._target_not_found()

    def _upsert(
        self, values: Values, body_fields: frozenset[str], path_values: Values, scopes: Scopes
    ) -> Any:
        # A column that both keys share is inserted once: see ``_refuse_conflicting_keys``.
        pairs = dict(zip(self.source_side.columns, self.source_side.binds(), strict=True))
        for column, bind in zip(self.target_side.columns, self.target_side.binds(), strict=True):
            pairs.setdefault(column, bind)
        columns, binds = list(pairs), list(pairs.values())
        changes: dict[Any, Any] = {}
        for name in values:
            field = self._column(name)
            value = bindparam(value_parameter(field.column), type_=field.column.type)
            columns.append(field.column)
            binds.append(value)
            if name in body_fields and not field.frozen:
                changes[field.column.key] = value
        if changes and self.shape is not None:
            changes = {**_automatic_updates(self.shape), **changes}
        # A no-op update, so that RETURNING includes an existing link.
        first = self.source_side.columns[0]
        changes = changes or {first.key: self.source_side.binds()[0]}
        reachable_clauses = [
            self.source_side.exists_clause(scopes),
            self.target_side.exists_clause(scopes),
        ]
        if self._foreign_keys is not None:
            references = self._foreign_keys.to_check(
                {**values, **path_values}, scopes, creating=True, already_checked=self.key_fields
            )
            reachable_clauses += self._foreign_keys.reachable_clauses(
                references, values, scopes, VALUE_PREFIX
            )
        statement = upsert(self.table, self.table_context.backend).from_select(
            columns, select(*binds).where(*reachable_clauses)
        )
        statement = statement.on_conflict_do_update(
            index_elements=[column.name for column in self.table.primary_key],
            set_=changes,
            where=next(scopes.write_clauses(self.table, self.table), None),
        )
        if self.view is None:
            return statement.returning(literal_column("1"))
        text = self.view.text(ReturnedRow(self.table), scopes, self.table_context.backend)
        return statement.returning(text.label("body"))

    def _column(self, name: str) -> ColumnShape:
        if self.shape is None:
            raise KeyError(name)
        return self.shape.columns[name]

    def _cause(
        self, connection: Connection, values: Values, parameters: Values, scopes: Scopes
    ) -> Problem:
        """Find out why the upsert returned no row, and return the problem."""
        self._require_both(connection, parameters, scopes)
        if self._foreign_keys is not None:
            references = self._foreign_keys.to_check(
                values, scopes, creating=True, already_checked=self.key_fields
            )
            for reference in references:
                is_reachable = select(
                    *self._foreign_keys.reachable_clauses([reference], values, scopes, VALUE_PREFIX)
                )
                if not connection.execute(is_reachable, parameters).scalar_one():
                    return missing_row(reference.body_names, None)
        if self._may_only_be_read(connection, parameters, scopes):
            return self._not_writable()
        return Problem(409, "The link exists but is outside your scope.", kind="scope")

    def _may_only_be_read(self, connection: Connection, parameters: Values, scopes: Scopes) -> bool:
        """Whether a link that a write did not find exists inside its scope."""
        if not scopes.narrows_writes(self.table):
            return False
        link: Select[Any] = select(literal_column("1")).select_from(self.table)
        link = link.where(self._link_clause(), *scopes.clauses(self.table, self.table))
        return connection.execute(link, parameters).first() is not None

    def _not_writable(self) -> Problem:
        return Problem(403, "You may read this link, but not change it.", kind="scope")

    def _require_both(self, connection: Connection, parameters: Values, scopes: Scopes) -> None:
        """Raise a 404 if one of the two rows does not exist."""
        existing = connection.execute(
            select(
                self.source_side.exists_clause(scopes).label("source_exists"),
                self.target_side.exists_clause(scopes).label("target_exists"),
            ),
            parameters,
        ).one()
        if not existing.source_exists:
            raise self.table_context.not_found()
        if not existing.target_exists:
            raise self._target_not_found()


def _automatic_updates(shape: Shape) -> dict[str, Any]:
    """The values that SQLAlchemy sets in an UPDATE, but not in ON CONFLICT DO UPDATE."""
    updates: dict[str, Any] = {}
    for column in shape.columns.values():
        default: Any = column.column.onupdate
        if column.role == "updated_at":
            updates[column.column.key] = datetime.now(UTC)
        elif column.role == "version":
            updates[column.column.key] = column.column + 1
        elif default is not None and hasattr(default, "arg"):
            # SQLAlchemy passes the execution context, which does not exist here.
            updates[column.column.key] = default.arg(None) if default.is_callable else default.arg
    return updates


def _json_object(body: bytes) -> dict[str, Any]:
    try:
        payload = from_json(body, allow_inf_nan=False)
    except ValueError as error:
        raise QueryError(
            [error_entry("link", ("body",), f"The body is not valid JSON: {error}")]
        ) from None
    if not isinstance(payload, dict):
        raise QueryError([error_entry("link", ("body",), "The body must be a JSON object")])
    return payload
