"""Links: the rows of a table between two others, put and taken away by their keys."""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from fastapi import Request, Response
from pydantic import BaseModel, ValidationError
from pydantic_core import from_json, to_json
from sqlalchemy import (
    BigInteger,
    Connection,
    ForeignKeyConstraint,
    Integer,
    Select,
    Table,
    and_,
    bindparam,
    delete,
    exists,
    literal_column,
    select,
)
from sqlalchemy.sql import operators, visitors

from colonnade.database import Plan
from colonnade.errors import QueryError, error_entry
from colonnade.models import ColumnShape, RelationShape, Shape, schemas
from colonnade.query import VALUE_PREFIX, QueryableTable, Scopes, read_includes, value_parameter
from colonnade.resources import _scoping
from colonnade.resources._foreign_keys import ForeignKeys
from colonnade.resources._table_context import TableContext, rendered
from colonnade.resources._upserts import upsert
from colonnade.resources._write_rules import (
    RowValidator,
    Values,
    explained,
    refuse_leaving,
    stay_inside,
    stored_row,
)
from colonnade.resources._writes import DONE
from colonnade.resources.answers._bodies import JSONBody, json_body
from colonnade.resources.answers._failures import missing_row
from colonnade.resources.answers._problems import Problem
from colonnade.resources.routes._keys import BEYOND, Keys
from colonnade.resources.routes._request_context import context_of
from colonnade.rows import BodyReader, ReturnedRow, View


class Side:
    """One side of a link: the columns of the link table, and the row they refer to.

    Attributes:
        columns: The link table's columns.
        table: The table referred to.
        targets: Its columns, in the same order.
        prefix: What the parameters of its key begin with.
    """

    def __init__(self, columns: list[Any], table: Table, targets: list[Any], prefix: str) -> None:
        self.columns = columns
        self.table = table
        self.targets = targets
        self.prefix = prefix

    def binds(self) -> list[Any]:
        """The key as parameters."""
        return [
            bindparam(f"{self.prefix}{index}", type_=_key_type(column.type))
            for index, column in enumerate(self.columns)
        ]

    def is_there(self, scopes: Scopes) -> Any:
        """Whether the row is there, and can be reached."""
        there = self.table.alias()
        same = [
            there.c[target.key] == bind
            for target, bind in zip(self.targets, self.binds(), strict=True)
        ]
        inner: Select[Any] = select(literal_column("1")).select_from(there)
        return exists(inner.where(and_(*same, *scopes.clauses(self.table, there))))

    def parameters(self, key: tuple[Any, ...]) -> dict[str, Any]:
        """The values of the parameters."""
        return {f"{self.prefix}{index}": value for index, value in enumerate(key)}


class Link:
    """The link and unlink operations of one relation.

    Args:
        subject: The table the relation is of.
        relation: The relation, through a link table: see ``fits``.
    """

    def __init__(self, subject: TableContext, relation: RelationShape) -> None:
        self.subject = subject
        self.relation = relation
        link, sides = relation.link, _sides(subject.shape, relation)
        if link is None or sides is None:
            raise ValueError(relation.name)
        self.table = link.table
        self.near, self.far = sides
        self.shape = None if link.model is None else Shape.of(link.model)
        self.keys = Keys(_key_columns(relation, self.far, self.shape))
        self.target_name = relation.target.__name__
        self.inputs: BodyReader | None = None
        self.view: View | None = None
        self._judge: RowValidator | None = None
        self._foreign: ForeignKeys | None = None
        if self.shape is not None:
            self.inputs = BodyReader(self.shape, schemas(self.shape.model).create, complete=True)
            surface = QueryableTable.of(self.shape.model)
            self.view = View(surface, None, read_includes(None, surface))
            self._judge = RowValidator(self.inputs)
            self._foreign = ForeignKeys(self.shape)

    @classmethod
    def fits(cls, subject: TableContext, relation: RelationShape) -> bool:
        """Whether a relation's links can be put and taken away by the keys of both rows.

        It leads through a link table whose key is those of the two rows, on no condition but
        that they are equal.
        """
        if relation.link is None or not _is_plain(relation):
            return False
        sides = _sides(subject.shape, relation)
        if sides is None:
            return False
        near, far = sides
        key = {column.key for column in relation.link.table.primary_key}
        return (
            _keys(near.targets) == _keys(subject.shape.table.primary_key)
            and _keys(far.targets) == _keys(far.table.primary_key)
            and key == _keys(near.columns) | _keys(far.columns)
        )

    def tables(self) -> tuple[Table, ...]:
        """The tables whose scopes a link has to keep."""
        referred = () if self._foreign is None else self._foreign.targets()
        return tuple(dict.fromkeys((*self.subject.tables(), self.table, self.far.table, *referred)))

    @property
    def schema(self) -> type[BaseModel] | None:
        """What a body says of the link; None if it has no fields beyond its keys."""
        return None if self.inputs is None else self.inputs.schema

    @property
    def key_fields(self) -> frozenset[str]:
        """The fields of the link that the path says."""
        keys = _keys((*self.near.columns, *self.far.columns))
        if self.shape is None:
            return frozenset()
        return frozenset(
            column.name for column in self.shape.columns.values() if column.column.key in keys
        )

    async def put(self, request: Request, key: tuple[Any, ...], segment: str) -> Response:
        """Link two rows; said again, it changes what the body names."""
        context, scopes = context_of(request), self._scopes(request)
        there = self._key(segment)
        self._refuse_apart(key, there)
        keys = {**self.near.parameters(key), **self.far.parameters(there)}
        path = self._path(key, there)
        values, names = self._read(await json_body(request), path, scopes)
        scope = scopes.get(self.table)
        judged = bool(self._judge) and bool(names)
        several = judged or (scope is not None and scope.condition is not None)
        work = self.subject.run(
            context,
            lambda connection: self._put(connection, dict(values), names, path, keys, scopes),
            begin=several,
            shape=self.shape,
        )
        if self._foreign is not None:
            row = await explained(context, self.subject, work, self._foreign, [{**values, **path}])
        else:
            row = await work
        if self.view is None:
            return JSONBody(DONE)
        return JSONBody(rendered(self.view, row.body))

    def _put(
        self,
        connection: Connection,
        values: Values,
        names: frozenset[str],
        path: Values,
        keys: Values,
        scopes: Scopes,
    ) -> Any:
        if self.shape is not None and self._judge and names:
            stored = stored_row(connection, self.shape, self._is_link(), self.table, keys)
            if stored is not None:
                body_values = {name: values[name] for name in names if name in values}
                changes = self._judge.changes(stored, body_values)
                values, names = {**values, **changes}, names | changes.keys()
        parameters = {
            value_parameter(self._column(name).column): value for name, value in values.items()
        } | keys
        parameters.update(scopes.binds())
        row = Plan(self._upsert(values, names, path, scopes)).run(connection, parameters).first()
        if row is None:
            raise self._why_not(connection, {**values, **path}, parameters, scopes)
        if self.shape is not None:
            scope = scopes.get(self.table)
            stay_inside(connection, scope, self.shape, self._is_link(), self.table, keys)
        return row

    async def delete(self, request: Request, key: tuple[Any, ...], segment: str) -> Response:
        """Unlink two rows, whether or not they were linked."""
        context, scopes = context_of(request), self._scopes(request)
        there = self._key(segment)
        sides = [self.near.is_there(scopes), self.far.is_there(scopes)]
        statement: Any = (
            delete(self.table)
            .where(self._is_link(), *sides, *scopes.clauses(self.table, self.table))
            .returning(literal_column("1"))
        )
        parameters = {**self.near.parameters(key), **self.far.parameters(there)}
        parameters.update(scopes.binds())

        def work(connection: Connection) -> None:
            if Plan(statement).run(connection, parameters).first() is None:
                self._require_both(connection, parameters, scopes)

        await self.subject.run(context, work, deleting=True, shape=self.shape)
        return JSONBody(DONE)

    def _scopes(self, request: Request) -> Scopes:
        self.subject.scopes(request)
        scopes = _scoping.scopes_of(request, self.subject.db, self.tables)
        scope = scopes.get(self.table)
        if scope is not None and scope.refused:
            raise Problem(403, "Your scope refuses these links.", kind="scope")
        return scopes

    def _key(self, segment: str) -> tuple[Any, ...]:
        try:
            key = self.keys.read(segment)
        except ValidationError as error:
            if self.keys.is_beyond(error):
                raise self._no_target() from None
            raise QueryError(self.keys.errors(error, ("path", "target"))) from None
        if key is None:
            raise self._no_target()
        return key

    def _refuse_apart(self, key: tuple[Any, ...], there: tuple[Any, ...]) -> None:
        """Refuse two rows that differ in a column that their link has once, such as a tenant.

        Raises:
            Problem: 409, they do.
        """
        near = dict(zip((column.key for column in self.near.columns), key, strict=True))
        far = dict(zip((column.key for column in self.far.columns), there, strict=True))
        apart = [name for name in near.keys() & far.keys() if near[name] != far[name]]
        if apart:
            names = " and ".join(sorted(apart))
            detail = (
                f"This {self.subject.name} and this {self.target_name} cannot be linked: "
                f"linked rows must have the same {names}."
            )
            raise Problem(409, detail, kind="foreign_key")

    def _path(self, key: tuple[Any, ...], there: tuple[Any, ...]) -> Values:
        """The fields of the link that the path sets, with their values."""
        if self.shape is None:
            return {}
        by_key = {column.column.key: column.name for column in self.shape.columns.values()}
        columns = [*self.near.columns, *self.far.columns]
        return dict(zip((by_key[column.key] for column in columns), (*key, *there), strict=True))

    def _no_target(self) -> Exception:
        problem = self.subject.not_found()
        problem.detail = f"There is no such {self.target_name}."
        return problem

    def _is_link(self) -> Any:
        """The condition on the link of the two rows."""
        columns = [*self.near.columns, *self.far.columns]
        binds = [*self.near.binds(), *self.far.binds()]
        return and_(*(column == bind for column, bind in zip(columns, binds, strict=True)))

    def _read(self, body: bytes, path: Values, scopes: Scopes) -> tuple[Values, frozenset[str]]:
        """The values of the link row by field, and the names of those in the body."""
        if self.inputs is None:
            if body.strip() not in (b"", b"{}"):
                raise QueryError(
                    [error_entry("link", ("body",), "The link has no fields: leave the body out")]
                )
            return {}, frozenset()
        fields = _object(body or b"{}")
        taken = self.key_fields & fields.keys()
        if taken:
            raise QueryError(
                [
                    error_entry(
                        "link",
                        ("body", name),
                        f"{name} is set by the path: leave it out of the body",
                    )
                    for name in taken
                ]
            )
        scope = scopes.get(self.table)
        refuse_leaving(path, scope)
        scope_values = {} if scope is None else {**scope.values}
        try:
            parsed = self.inputs.parse(to_json({**fields, **path}), scope_values=scope_values)
        except QueryError as error:
            self._refuse_beyond(error, path)
            raise
        values = self.inputs.values(parsed, scope_values=scope_values)
        refuse_leaving(values, scope)
        values = {
            name: value for name, value in {**values, **scope_values}.items() if name not in path
        }
        return values, frozenset(parsed.model_fields_set) - path.keys() - scope_values.keys()

    def _refuse_beyond(self, error: QueryError, path: Values) -> None:
        """Refuse a key of the path that no row can have, as any row that is not there.

        Raises:
            Problem: 404, there is such a key.
        """
        near = len(self.near.columns)
        for place, name in enumerate(path):
            if any(
                detail["loc"][-1] == name and detail["type"] in BEYOND for detail in error.errors
            ):
                raise self.subject.not_found() if place < near else self._no_target()

    def _upsert(self, values: Values, names: frozenset[str], path: Values, scopes: Scopes) -> Any:
        # A column that both keys share is there once: see ``_refuse_apart``.
        pairs = dict(zip(self.near.columns, self.near.binds(), strict=True))
        for column, bind in zip(self.far.columns, self.far.binds(), strict=True):
            pairs.setdefault(column, bind)
        columns, binds = list(pairs), list(pairs.values())
        changes: dict[Any, Any] = {}
        for name in values:
            field = self._column(name)
            value = bindparam(value_parameter(field.column), type_=field.column.type)
            columns.append(field.column)
            binds.append(value)
            if name in names and not field.frozen:
                changes[field.column.key] = value
        if changes and self.shape is not None:
            changes = {**_kept(self.shape), **changes}
        # An update of nothing, so that a link which is there is returned as well.
        first = self.near.columns[0]
        changes = changes or {first.key: self.near.binds()[0]}
        reachable = [self.near.is_there(scopes), self.far.is_there(scopes)]
        if self._foreign is not None:
            references = self._foreign.to_ask(
                {**values, **path}, scopes, creating=True, besides=self.key_fields
            )
            reachable += self._foreign.reachable(references, values, scopes, VALUE_PREFIX)
        statement = upsert(self.table, self.subject.backend).from_select(
            columns, select(*binds).where(*reachable)
        )
        statement = statement.on_conflict_do_update(
            index_elements=[column.name for column in self.table.primary_key],
            set_=changes,
            where=next(scopes.clauses(self.table, self.table), None),
        )
        if self.view is None:
            return statement.returning(literal_column("1"))
        text = self.view.text(ReturnedRow(self.table), scopes, self.subject.backend)
        return statement.returning(text.label("body"))

    def _column(self, name: str) -> ColumnShape:
        if self.shape is None:
            raise KeyError(name)
        return self.shape.columns[name]

    def _why_not(
        self, connection: Connection, values: Values, parameters: Values, scopes: Scopes
    ) -> Problem:
        """Why no link was put: asked after the fact, to answer the error."""
        self._require_both(connection, parameters, scopes)
        if self._foreign is not None:
            references = self._foreign.to_ask(
                values, scopes, creating=True, besides=self.key_fields
            )
            for reference in references:
                here = select(*self._foreign.reachable([reference], values, scopes, VALUE_PREFIX))
                if not connection.execute(here, parameters).scalar_one():
                    return missing_row(reference.body_names, None)
        return Problem(409, "The link exists but is outside your scope.", kind="scope")

    def _require_both(self, connection: Connection, parameters: Values, scopes: Scopes) -> None:
        """Raise for the row that is not there, if one is not."""
        row = connection.execute(
            select(
                self.near.is_there(scopes).label("near"), self.far.is_there(scopes).label("far")
            ),
            parameters,
        ).one()
        if not row.near:
            raise self.subject.not_found()
        if not row.far:
            raise self._no_target()


def _key_type(kind: Any) -> Any:
    """What a key is compared as: an integer that is too wide for its column is not a row's key."""
    return BigInteger() if isinstance(kind, Integer) else kind


def _keys(columns: Iterable[Any]) -> set[str]:
    return {column.key for column in columns}


def _is_plain(relation: RelationShape) -> bool:
    """Whether a relation joins by equal columns, and on no other condition."""
    orm = relation.orm
    for condition in (orm.primaryjoin, orm.secondaryjoin):
        for part in visitors.iterate(condition) if condition is not None else ():
            if part.__visit_name__ == "bindparam":
                return False
            operator = getattr(part, "operator", operators.eq)
            if part.__visit_name__ == "binary" and operator is not operators.eq:
                return False
    return True


def _sides(shape: Shape, relation: RelationShape) -> tuple[Side, Side] | None:
    """The two sides of a relation's link table; None if they are more, or cannot be told."""
    orm, link = relation.orm, relation.link
    if link is None:
        return None
    near = [(there, here) for here, there in orm.synchronize_pairs]
    if relation.kind == "many_to_many":
        far = [(there, here) for here, there in orm.secondary_synchronize_pairs or ()]
        target = Shape.of(relation.target).table
    else:
        taken = _keys(column for column, _ in near)
        rest = {column.key for column in link.table.primary_key} - taken
        whole = _keys(link.table.primary_key)
        keys = [
            constraint
            for constraint in link.table.constraints
            if isinstance(constraint, ForeignKeyConstraint)
            and rest
            and rest <= _keys(constraint.columns) <= whole
        ]
        if len(keys) != 1:
            return None
        far = [(element.parent, element.column) for element in keys[0].elements]
        target = keys[0].referred_table
    if not near or not far:
        return None
    return (
        Side([column for column, _ in near], shape.table, [two for _, two in near], "near_"),
        Side([column for column, _ in far], target, [two for _, two in far], "far_"),
    )


def _key_columns(relation: RelationShape, far: Side, link: Shape | None) -> tuple[ColumnShape, ...]:
    """The columns that the far key in the path is read as."""
    if relation.kind == "many_to_many" or link is None:
        columns = Shape.of(relation.target).columns.values()
        wanted = [column.key for column in far.targets]
    else:
        columns = link.columns.values()
        wanted = [column.key for column in far.columns]
    by_key = {column.column.key: column for column in columns}
    return tuple(by_key[key] for key in wanted)


def _kept(shape: Shape) -> dict[str, Any]:
    """The values of columns that update themselves, which an ON CONFLICT must set."""
    kept: dict[str, Any] = {}
    for column in shape.columns.values():
        default: Any = column.column.onupdate
        if column.role == "updated_at":
            kept[column.column.key] = datetime.now(UTC)
        elif column.role == "version":
            kept[column.column.key] = column.column + 1
        elif default is not None and hasattr(default, "arg"):
            # SQLAlchemy calls it with the context of a statement, and here is none.
            kept[column.column.key] = default.arg(None) if default.is_callable else default.arg
    return kept


def _object(body: bytes) -> dict[str, Any]:
    try:
        parsed = from_json(body, allow_inf_nan=False)
    except ValueError as error:
        raise QueryError(
            [error_entry("link", ("body",), f"The body is not valid JSON: {error}")]
        ) from None
    if not isinstance(parsed, dict):
        raise QueryError([error_entry("link", ("body",), "The body must be a JSON object")])
    return parsed
