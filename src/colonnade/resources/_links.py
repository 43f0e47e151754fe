"""Links: the rows of a table between two others, put and taken away by their keys."""

from datetime import UTC, datetime
from typing import Any

from fastapi import Request, Response
from pydantic import BaseModel, ValidationError
from pydantic_core import from_json, to_json
from sqlalchemy import (
    Connection,
    Select,
    Table,
    and_,
    bindparam,
    delete,
    exists,
    literal_column,
    select,
)
from sqlalchemy.dialects import postgresql, sqlite

from colonnade.errors import QueryError
from colonnade.models import ColumnShape, RelationShape, Shape, schemas
from colonnade.query import Scopes, Surface, read_includes
from colonnade.resources import _scoping
from colonnade.resources._keys import Keys
from colonnade.resources._plans import Plan
from colonnade.resources._reads import JSON_TYPE
from colonnade.resources._subject import Subject, rendered
from colonnade.resources._writes import DONE, json_body, refuse_leaving
from colonnade.rows import Inputs, Inserted, View


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
            bindparam(f"{self.prefix}{index}", type_=column.type)
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
        relation: The relation, through a link table.
    """

    def __init__(self, subject: Subject, relation: RelationShape) -> None:
        self.subject = subject
        self.relation = relation
        link = relation.link
        if link is None:
            raise ValueError(relation.name)
        self.table = link.table
        near, far = _sides(subject.shape, relation, link.table)
        self.near, self.far = near, far
        self.shape = None if link.model is None else Shape.of(link.model)
        self.keys = Keys(_key_columns(relation, self.far, self.shape))
        self.target_name = relation.target.__name__
        self.inputs: Inputs | None = None
        self.view: View | None = None
        if self.shape is not None:
            self.inputs = Inputs(self.shape, schemas(self.shape.model).create, whole=True)
            surface = Surface.of(self.shape.model)
            self.view = View(surface, None, read_includes(None, surface))

    @classmethod
    def fits(cls, subject: Subject, relation: RelationShape) -> bool:
        """Whether a relation's links can be put and taken away by the keys of both rows."""
        if relation.link is None:
            return False
        near, far = _sides(subject.shape, relation, relation.link.table)
        own = {column.key for column in subject.shape.table.primary_key}
        return (
            {column.key for column in near.targets} == own
            and bool(far.columns)
            and {column.key for column in far.targets}
            == {column.key for column in far.table.primary_key}
        )

    def tables(self) -> tuple[Table, ...]:
        """The tables whose scopes a link has to keep."""
        return (*self.subject.tables(), self.table, self.far.table)

    @property
    def schema(self) -> type[BaseModel] | None:
        """What a body says of the link; None if it has no fields of its own."""
        return None if self.inputs is None else self.inputs.schema

    @property
    def key_fields(self) -> frozenset[str]:
        """The fields of the link that the path says."""
        keys = {column.key for column in (*self.near.columns, *self.far.columns)}
        if self.shape is None:
            return frozenset()
        return frozenset(one.name for one in self.shape.columns.values() if one.column.key in keys)

    async def put(self, request: Request, key: tuple[Any, ...], segment: str) -> Response:
        """Link two rows; said again, it changes what the body names."""
        scopes = self._scopes(request)
        there = self._key(segment)
        values, given = self._read(await json_body(request), key, there)
        own = scopes.get(self.table)
        refuse_leaving(values, own)
        if own is not None and self.shape is not None:
            values.update(own.values)
        plan = Plan(self._upsert(values, given, scopes))
        parameters = {f"new_{name}": value for name, value in values.items()}
        parameters |= {**self.near.parameters(key), **self.far.parameters(there)}
        parameters.update(scopes.binds())

        def work(connection: Connection) -> Any:
            row = plan.run(connection, parameters).first()
            if row is None:
                self._explain(connection, parameters, scopes)
            return row

        row = await self.subject.run(work)
        if self.view is None or row is None:
            return Response(DONE, 200, media_type=JSON_TYPE)
        return Response(rendered(self.view, row.body), 200, media_type=JSON_TYPE)

    async def delete(self, request: Request, key: tuple[Any, ...], segment: str) -> Response:
        """Unlink two rows, whether or not they were linked."""
        scopes = self._scopes(request)
        there = self._key(segment)
        columns = [*self.near.columns, *self.far.columns]
        binds = [*self.near.binds(), *self.far.binds()]
        same = [column == bind for column, bind in zip(columns, binds, strict=True)]
        sides = [self.near.is_there(scopes), self.far.is_there(scopes)]
        statement: Any = (
            delete(self.table)
            .where(*same, *sides, *scopes.clauses(self.table, self.table))
            .returning(literal_column("1"))
        )
        parameters = {**self.near.parameters(key), **self.far.parameters(there)}
        parameters.update(scopes.binds())

        def work(connection: Connection) -> None:
            if Plan(statement).run(connection, parameters).first() is None:
                self._explain(connection, parameters, scopes)

        await self.subject.run(work, deleting=True)
        return Response(DONE, 200, media_type=JSON_TYPE)

    def _scopes(self, request: Request) -> Scopes:
        self.subject.scopes(request)
        return _scoping.scopes_of(request, self.subject.db, self.tables())

    def _key(self, segment: str) -> tuple[Any, ...]:
        try:
            key = self.keys.read(segment)
        except ValidationError as error:
            raise QueryError(self.keys.errors(error, ("path", "target"))) from None
        if key is None:
            raise self._no_target()
        return key

    def _no_target(self) -> Exception:
        problem = self.subject.not_found()
        problem.detail = f"There is no such {self.target_name}."
        return problem

    def _read(
        self, body: bytes, key: tuple[Any, ...], there: tuple[Any, ...]
    ) -> tuple[dict[str, Any], frozenset[str]]:
        """The values of the link row by field, and the names of those the body gives."""
        if self.inputs is None or self.shape is None:
            if body.strip() not in (b"", b"{}"):
                raise QueryError([_wrong(("body",), "This link has no fields of its own")])
            return {}, frozenset()
        given = _object(body or b"{}")
        taken = self.key_fields & given.keys()
        if taken:
            raise QueryError([_wrong(("body", name), f"{name} is in the path") for name in taken])
        by_key = {one.column.key: one.name for one in self.shape.columns.values()}
        columns = [*self.near.columns, *self.far.columns]
        keys = dict(zip((by_key[column.key] for column in columns), (*key, *there), strict=True))
        made = self.inputs.parse(to_json({**given, **keys}))
        names = frozenset(made.model_fields_set) - keys.keys()
        values = self.inputs.values(made)
        return {name: value for name, value in values.items() if name not in keys}, names

    def _upsert(self, values: dict[str, Any], given: frozenset[str], scopes: Scopes) -> Any:
        postgres = self.subject.backend == "postgresql"
        make: Any = postgresql.insert if postgres else sqlite.insert
        columns = [*self.near.columns, *self.far.columns]
        binds = [*self.near.binds(), *self.far.binds()]
        changes: dict[Any, Any] = {}
        for name in values:
            column = self._column(name)
            bind = bindparam(f"new_{name}", type_=column.column.type)
            columns.append(column.column)
            binds.append(bind)
            if name in given:
                changes[column.column.key] = bind
        if changes and self.shape is not None:
            changes |= _kept(self.shape)
        # An update of nothing, so that a link which is there is returned as well.
        first = self.near.columns[0]
        changes = changes or {first.key: self.near.binds()[0]}
        chosen = select(*binds).where(self.near.is_there(scopes), self.far.is_there(scopes))
        statement = make(self.table).from_select(columns, chosen)
        key = [column.name for column in self.table.primary_key]
        statement = statement.on_conflict_do_update(
            index_elements=key,
            set_=changes,
            where=next(scopes.clauses(self.table, self.table), None),
        )
        if self.view is None:
            return statement.returning(literal_column("1"))
        text = self.view.text(Inserted(self.table), scopes, self.subject.backend)
        return statement.returning(text.label("body"))

    def _column(self, name: str) -> ColumnShape:
        if self.shape is None:
            raise KeyError(name)
        return self.shape.columns[name]

    def _explain(self, connection: Connection, parameters: dict[str, Any], scopes: Scopes) -> None:
        """Raise for the row that is not there, if one is not."""
        found = connection.execute(
            select(
                self.near.is_there(scopes).label("near"), self.far.is_there(scopes).label("far")
            ),
            parameters,
        ).one()
        if not found.near:
            raise self.subject.not_found()
        if not found.far:
            raise self._no_target()


def _sides(shape: Shape, relation: RelationShape, table: Table) -> tuple[Side, Side]:
    orm = relation.orm
    if relation.kind == "many_to_many":
        near = [(there, here) for here, there in orm.synchronize_pairs]
        far = [(there, here) for here, there in orm.secondary_synchronize_pairs or ()]
        target = Shape.of(relation.target).table
    else:
        near = [(there, here) for here, there in orm.synchronize_pairs]
        taken = {column.key for column, _ in near}
        keys = [
            next(iter(column.foreign_keys))
            for column in table.primary_key
            if column.key not in taken and column.foreign_keys
        ]
        far = [(key.parent, key.column) for key in keys]
        target = keys[0].column.table if keys else shape.table
    return (
        Side([one for one, _ in near], shape.table, [two for _, two in near], "key_"),
        Side([one for one, _ in far], target, [two for _, two in far], "target_"),
    )


def _key_columns(relation: RelationShape, far: Side, link: Shape | None) -> tuple[ColumnShape, ...]:
    """The columns that the far key in the path is read as."""
    if relation.kind == "many_to_many" or link is None:
        columns = Shape.of(relation.target).columns.values()
        wanted = [column.key for column in far.targets]
    else:
        columns = link.columns.values()
        wanted = [column.key for column in far.columns]
    by_key = {one.column.key: one for one in columns}
    return tuple(by_key[key] for key in wanted)


def _kept(shape: Shape) -> dict[str, Any]:
    """What the database keeps, which an ON CONFLICT has to be told."""
    kept: dict[str, Any] = {}
    for one in shape.columns.values():
        if one.role == "updated_at":
            kept[one.column.key] = datetime.now(UTC)
        elif one.role == "version":
            kept[one.column.key] = one.column + 1
    return kept


def _object(body: bytes) -> dict[str, Any]:
    try:
        given = from_json(body, allow_inf_nan=False)
    except ValueError as error:
        raise QueryError([_wrong(("body",), f"This is no JSON: {error}")]) from None
    if not isinstance(given, dict):
        raise QueryError([_wrong(("body",), "The body is a JSON object")])
    return given


def _wrong(loc: tuple[Any, ...], message: str) -> dict[str, Any]:
    return {"type": "link", "loc": loc, "msg": message, "input": None}
