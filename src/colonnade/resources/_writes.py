"""Writing: one statement with RETURNING where it can be, one transaction where it cannot."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeVar

from fastapi import Request, Response
from pydantic_core import from_json, to_json
from sqlalchemy import (
    Connection,
    Table,
    and_,
    bindparam,
    delete,
    exists,
    func,
    insert,
    literal_column,
    select,
    update,
)
from sqlmodel.ext.asyncio.session import AsyncSession

from colonnade.errors import QueryError
from colonnade.models import ForeignKeyShape, RelationShape, Shape
from colonnade.query import Scope, Scopes, key_clause
from colonnade.resources._failures import missing_row
from colonnade.resources._hooks import Hooks, Written, in_session
from colonnade.resources._plans import Plan
from colonnade.resources._problems import Problem
from colonnade.resources._reads import JSON_TYPE
from colonnade.resources._subject import Subject, rendered
from colonnade.resources._tags import expected_rows
from colonnade.rows import Inserted, array_of, form_of, row_columns

DONE = to_json({"ok": True})

Values = dict[str, Any]
T = TypeVar("T")


class Writes:
    """The writing operations of one subject.

    Args:
        subject: The table.
        hooks: What the program does before and after.
    """

    def __init__(self, subject: Subject, hooks: Hooks) -> None:
        self.subject = subject
        self.hooks = hooks
        self.trees = tuple(
            relation
            for relation in subject.shape.relations.values()
            if relation.self_referential and relation.kind == "one"
        )
        decorators = subject.shape.model.__pydantic_decorators__
        self._judges_whole = bool(decorators.model_validators)

    # One row

    async def create(self, request: Request) -> Response:
        """Create a row: 201."""
        subject = self.subject
        scopes = subject.scopes(request)
        body = await json_body(request)
        values = subject.create.read(body, said=scopes.fields(subject.shape.table))
        row = await self._unit("create", values, scopes)
        answer = rendered(subject.view, row.body)
        path = request.url.path.rstrip("/")
        key = subject.keys.write(_json(row.key))
        tag = subject.tags.of(row.state, answer)
        return Response(answer, 201, {"Location": f"{path}/{key}", "ETag": tag}, JSON_TYPE)

    async def update(self, request: Request, key: tuple[Any, ...]) -> Response:
        """Change what the body names: 200."""
        subject = self.subject
        scopes = subject.scopes(request)
        values = subject.update.read(await json_body(request))
        expected = expected_rows(request.headers.get("if-match"))
        row = await self._unit("update", values, scopes, key, expected)
        body = rendered(subject.view, row.body)
        tag = subject.tags.of(row.state, body)
        return Response(body, 200, {"ETag": tag}, JSON_TYPE)

    async def delete(self, request: Request, key: tuple[Any, ...]) -> Response:
        """Delete a row: 200."""
        scopes = self.subject.scopes(request)
        expected = expected_rows(request.headers.get("if-match"))
        await self._unit("delete", {}, scopes, key, expected)
        return Response(DONE, 200, media_type=JSON_TYPE)

    async def _unit(
        self,
        operation: Written,
        values: Values,
        scopes: Scopes,
        key: tuple[Any, ...] = (),
        expected: frozenset[str] | None = None,
    ) -> Any:
        """Run a write: by itself, or between hooks in a session's transaction."""
        subject = self.subject
        deleting = operation == "delete"
        work: Awaitable[Any]
        if self.hooks.any(operation):

            async def unit(session: AsyncSession, run: Callable[..., Awaitable[Any]]) -> Any:
                # A unit of work may run again: each time with the values that were asked.
                given = dict(values)
                return await self.hooked(session, run, operation, given, scopes, key, expected)

            work = subject.translated(in_session(subject.db, unit), deleting)
        else:
            work = subject.run(
                lambda connection: self._statement(
                    connection, operation, dict(values), scopes, key, expected
                ),
                begin=self._takes_several(operation, values, scopes, expected),
                deleting=deleting,
            )
        return await self.explained(work, [values])

    async def explained(self, work: Awaitable[T], rows: list[Values]) -> T:
        """``work``, with the foreign key named that SQLite refused without saying which."""
        try:
            return await work
        except Problem as problem:
            if problem.kind != "foreign_key" or problem.errors:
                raise
            keys = [key for key in self.subject.shape.foreign_keys if self._target(key) is not None]

            def missing(connection: Connection) -> ForeignKeyShape | None:
                for values in rows:
                    for key in keys:
                        if self._is_missing(connection, key, values):
                            return key
                return None

            key = await self.subject.run(missing)
            if key is None:
                raise
            raise missing_row(map(self._field, key.columns), key.name) from problem

    def _is_missing(self, connection: Connection, key: ForeignKeyShape, values: Values) -> bool:
        """Whether a foreign key is given, and names no row."""
        given = [values.get(self._field(name)) for name in key.columns]
        table = self._target(key)
        if table is None or any(value is None for value in given):
            return False
        pairs = zip(key.target_columns, given, strict=True)
        same = [table.c[name] == value for name, value in pairs]
        return not connection.execute(select(exists().where(*same))).scalar_one()

    def _statement(
        self,
        connection: Connection,
        operation: Written,
        values: Values,
        scopes: Scopes,
        key: tuple[Any, ...],
        expected: frozenset[str] | None,
    ) -> Any:
        if operation == "create":
            return self.insert(connection, values, scopes)
        if operation == "update":
            return self.change(connection, key, values, scopes, expected)
        return self.remove(connection, key, scopes, expected)

    async def hooked(
        self,
        session: AsyncSession,
        run: Callable[..., Awaitable[Any]],
        operation: Written,
        values: Values,
        scopes: Scopes,
        key: tuple[Any, ...],
        expected: frozenset[str] | None = None,
    ) -> Any:
        """A write between its hooks.

        Args:
            session: The session of the transaction.
            run: Runs Core statements on it.
            operation: What to do.
            values: The values, which the hooks may change.
            scopes: The scopes of the request.
            key: The row's key; not of a row that is created.
            expected: The versions of the row that the write is for.
        """
        told = key if operation == "delete" else values
        await self.hooks.run("before", operation, session, told)
        row = await run(
            lambda connection: self._statement(connection, operation, values, scopes, key, expected)
        )
        if not self.hooks.has("after", operation):
            return row
        if operation == "delete":
            await self.hooks.run("after", operation, session, key)
            return row
        identity = self._identity(row)
        instance = await session.get(self.subject.shape.model, identity, populate_existing=True)
        await self.hooks.run("after", operation, session, instance)
        await session.flush()
        return await run(lambda connection: self.current(connection, identity, scopes)) or row

    def _identity(self, row: Any) -> tuple[Any, ...]:
        forms = [form_of(one) for one in self.subject.shape.primary_key]
        return tuple(form.read(part) for form, part in zip(forms, _json(row.key), strict=True))

    # Statements

    def insert(self, connection: Connection, values: Values, scopes: Scopes) -> Any:
        """Insert a row: ``body``, ``state`` and ``key``.

        Raises:
            Problem: A foreign key names no row that can be reached, or the row itself could not
                be reached.
        """
        subject = self.subject
        own = scopes.get(subject.shape.table)
        set_scope(values, own)
        self._refuse_self(values)
        foreign = self._scoped_keys(values, scopes, creating=True)
        names = tuple(sorted(values))
        structure = ("insert", names, tuple(key.name or key.columns for key in foreign))
        plan = subject.plans.get(
            None if scopes.structure is None else (structure, scopes.structure),
            lambda: self._insert_plan(names, foreign, scopes),
        )
        row = plan.run(connection, self._parameters(values, scopes, prefix="")).first()
        if row is None:
            raise missing_row((name for key in foreign for name in key.columns), None)
        self._stay_inside(connection, row, own)
        return row

    def _insert_plan(
        self, names: tuple[str, ...], foreign: list[ForeignKeyShape], scopes: Scopes
    ) -> Plan:
        shape = self.subject.shape
        table = shape.table
        columns = [shape.columns[name].column for name in names]
        returned = self.returned(Inserted(table), scopes)
        if not foreign:
            statement: Any = insert(table).returning(*returned)
            return Plan(statement)
        given = [bindparam(column.key, type_=column.type) for column in columns]
        chosen = select(*given).where(*self._reachable(foreign, scopes, ""))
        statement = insert(table).from_select(columns, chosen).returning(*returned)
        return Plan(statement)

    def change(
        self,
        connection: Connection,
        key: tuple[Any, ...],
        values: Values,
        scopes: Scopes,
        expected: frozenset[str] | None,
    ) -> Any:
        """Update a row: ``body``, ``state`` and ``key``.

        Raises:
            Problem: 404, 409 or 412.
        """
        subject = self.subject
        own = scopes.get(subject.shape.table)
        refuse_leaving(values, own)
        locked = (expected is not None and not subject.versioned) or (
            self._judges_whole and bool(values)
        )
        if locked:
            self._compare(connection, key, scopes, expected)
        if self._judges_whole and values:
            values = self._judged(connection, key, values)
        if not values:
            return self._unchanged(connection, key, scopes, expected)
        self._refuse_cycle(connection, key, values)
        match = expected if subject.versioned else None
        foreign = self._scoped_keys(values, scopes)
        names = tuple(sorted(values))
        structure = (
            "update",
            names,
            tuple(one.name or one.columns for one in foreign),
            match is None,
        )
        plan = subject.plans.get(
            None if scopes.structure is None or _many(match) else (structure, scopes.structure),
            lambda: self._update_plan(names, foreign, scopes, match),
        )
        parameters = self._parameters(values, scopes, prefix="new_")
        parameters.update({f"key_{index}": value for index, value in enumerate(key)})
        parameters.update(_versions(match))
        row = plan.run(connection, parameters).first()
        if row is None:
            raise self._why_not(connection, key, scopes, expected, foreign)
        self._stay_inside(connection, row, own)
        return row

    def _update_plan(
        self,
        names: tuple[str, ...],
        foreign: list[ForeignKeyShape],
        scopes: Scopes,
        match: frozenset[str] | None,
    ) -> Plan:
        shape = self.subject.shape
        table = shape.table
        changes = {
            shape.columns[name].column: bindparam(
                f"new_{shape.columns[name].column.key}", type_=shape.columns[name].column.type
            )
            for name in names
        }
        statement = (
            update(table)
            .where(
                key_clause(shape, table),
                *scopes.clauses(table, table),
                *self._versions_clause(match),
                *self._reachable(foreign, scopes, "new_"),
            )
            .values(changes)
            .returning(*self.returned(table, scopes))
        )
        return Plan(statement)

    def remove(
        self,
        connection: Connection,
        key: tuple[Any, ...],
        scopes: Scopes,
        expected: frozenset[str] | None,
    ) -> None:
        """Delete a row.

        Raises:
            Problem: 404, 409 or 412.
        """
        subject = self.subject
        shape = subject.shape
        match = expected if subject.versioned else None
        if expected is not None and not subject.versioned:
            self._compare(connection, key, scopes, expected)
        table = shape.table
        structure = ("delete", match is None, scopes.structure)
        plan = subject.plans.get(
            None if scopes.structure is None or _many(match) else structure,
            lambda: Plan(
                delete(table)
                .where(
                    key_clause(shape, table),
                    *scopes.clauses(table, table),
                    *self._versions_clause(match),
                )
                .returning(literal_column("1"))
            ),
        )
        parameters = {f"key_{index}": value for index, value in enumerate(key)}
        parameters.update(scopes.binds())
        parameters.update(_versions(match))
        if plan.run(connection, parameters).first() is None:
            raise self._why_not(connection, key, scopes, expected, [])

    def current(
        self, connection: Connection, key: tuple[Any, ...], scopes: Scopes, *, lock: bool = False
    ) -> Any:
        """The row as it is: ``body``, ``state`` and ``key``; None if it cannot be reached.

        Args:
            lock: Keep others from changing it until the transaction ends.
        """
        shape = self.subject.shape
        source = shape.table.alias()
        statement = select(*self.returned(source, scopes)).where(
            key_clause(shape, source), *scopes.clauses(shape.table, source)
        )
        if lock:
            statement = statement.with_for_update(of=source)
        parameters = {f"key_{index}": value for index, value in enumerate(key)}
        parameters.update(scopes.binds())
        return Plan(statement).run(connection, parameters).first()

    # What a write has to keep

    def _takes_several(
        self,
        operation: Written,
        values: Values,
        scopes: Scopes,
        expected: frozenset[str] | None,
    ) -> bool:
        """Whether a write is several statements, and so a transaction."""
        compared = expected is not None and not self.subject.versioned
        if operation == "delete":
            return compared
        own = scopes.get(self.subject.shape.table)
        conditional = own is not None and own.condition is not None
        if operation == "create":
            return conditional
        judged = self._judges_whole and bool(values)
        return compared or conditional or judged or bool(self._new_parents(values))

    def returned(self, source: Any, scopes: Scopes) -> list[Any]:
        """What a write returns of its row: ``body``, ``state`` and ``key``."""
        subject = self.subject
        columns = row_columns(subject.view, subject.shape, source, scopes, subject.backend)
        key = [form_of(one).of(one, source, subject.backend) for one in subject.shape.primary_key]
        return [*columns, array_of(key).label("key")]

    def _parameters(self, values: Values, scopes: Scopes, *, prefix: str) -> Values:
        columns = self.subject.shape.columns
        found = {f"{prefix}{columns[name].column.key}": value for name, value in values.items()}
        found.update(scopes.binds())
        return found

    def _scoped_keys(
        self, values: Values, scopes: Scopes, *, creating: bool = False
    ) -> list[ForeignKeyShape]:
        """The foreign keys that are given, and that the database alone would let through.

        Those into tables that have a scope; and of a row that is created those into its own
        table, since a key that is guessed before the database makes it would refer to itself.
        """
        own = self.subject.shape.table if creating and self.trees else None
        return [
            key
            for key in self.subject.shape.foreign_keys
            if all(values.get(self._field(name)) is not None for name in key.columns)
            and (target := self._target(key)) is not None
            and (target is own or scopes.get(target) is not None)
        ]

    def _field(self, column: str) -> str:
        for one in self.subject.shape.columns.values():
            if one.column.name == column:
                return one.name
        return column

    def _target(self, key: ForeignKeyShape) -> Table | None:
        return self.subject.shape.table.metadata.tables.get(key.table)

    def _reachable(self, foreign: list[ForeignKeyShape], scopes: Scopes, prefix: str) -> list[Any]:
        """That each foreign key names a row inside its table's scope."""
        found = []
        for key in foreign:
            table = self._target(key)
            if table is None:
                continue
            there = table.alias()
            pairs = zip(key.columns, key.target_columns, strict=True)
            same = [
                there.c[target]
                == bindparam(
                    f"{prefix}{self.subject.shape.columns[self._field(name)].column.key}",
                    type_=there.c[target].type,
                )
                for name, target in pairs
            ]
            found.append(
                exists(
                    select(literal_column("1"))
                    .select_from(there)
                    .where(and_(*same, *scopes.clauses(table, there)))
                )
            )
        return found

    def _versions_clause(self, match: frozenset[str] | None) -> list[Any]:
        version = self.subject.shape.version
        if match is None or version is None:
            return []
        binds = [bindparam(name, type_=version.column.type) for name in _versions(match)]
        return [version.column.in_(binds)]

    def _compare(
        self,
        connection: Connection,
        key: tuple[Any, ...],
        scopes: Scopes,
        expected: frozenset[str] | None,
    ) -> Any:
        """Lock the row, and refuse if it is no longer the one the client saw."""
        subject = self.subject
        row = self.current(connection, key, scopes, lock=True)
        if row is None:
            raise subject.not_found()
        if not self._is_expected(row, expected):
            raise self.changed()
        return row

    def _unchanged(
        self,
        connection: Connection,
        key: tuple[Any, ...],
        scopes: Scopes,
        expected: frozenset[str] | None,
    ) -> Any:
        """The row, for a body that changes nothing."""
        row = self.current(connection, key, scopes)
        if row is None:
            raise self.subject.not_found()
        if not self._is_expected(row, expected):
            raise self.changed()
        return row

    def _is_expected(self, row: Any, expected: frozenset[str] | None) -> bool:
        return expected is None or self.subject.tags.row(row.state) in expected

    def changed(self) -> Problem:
        """The row is not the one that ``If-Match`` names."""
        detail = f"This {self.subject.name} was changed since it was read: read it again."
        return Problem(412, detail, kind="changed")

    def _why_not(
        self,
        connection: Connection,
        key: tuple[Any, ...],
        scopes: Scopes,
        expected: frozenset[str] | None,
        foreign: list[ForeignKeyShape],
    ) -> Problem:
        """Why a write met no row: asked after the fact, to answer the error."""
        row = self.current(connection, key, scopes)
        if row is None:
            return self.subject.not_found()
        if not self._is_expected(row, expected):
            return self.changed()
        if foreign:
            return missing_row((name for one in foreign for name in one.columns), None)
        return self.changed()

    def _judged(self, connection: Connection, key: tuple[Any, ...], values: Values) -> Values:
        """The changes that the model makes of a row with these values, validated whole."""
        shape = self.subject.shape
        source = shape.table.alias()
        statement = select(*(source.c[one.column.key] for one in shape.columns.values()))
        parameters = {f"key_{index}": value for index, value in enumerate(key)}
        row = Plan(statement.where(key_clause(shape, source))).run(connection, parameters).one()
        stored = dict(zip(shape.columns, row, strict=True))
        whole = self.subject.update.validated({**stored, **values})
        return {
            name: value for name, value in whole.items() if name in values or value != stored[name]
        }

    def _stay_inside(self, connection: Connection, row: Any, own: Scope | None) -> None:
        """Undo a write whose row its scope's condition does not hold of."""
        if own is None or own.condition is None:
            return
        shape = self.subject.shape
        source = shape.table.alias()
        statement = select(func.count()).select_from(source)
        statement = statement.where(key_clause(shape, source), own.clause(source))
        parameters = {f"key_{index}": part for index, part in enumerate(self._identity(row))}
        if not Plan(statement).run(connection, parameters).scalar_one():
            raise Problem(422, f"This {self.subject.name} would leave your scope.", kind="scope")

    # Trees

    def _new_parents(self, values: Values) -> list[tuple[RelationShape, Any]]:
        found = []
        for relation in self.trees:
            (here, _), *_ = relation.pairs
            parent = values.get(self._field(here))
            if parent is not None:
                found.append((relation, parent))
        return found

    def _refuse_self(self, values: Values) -> None:
        """A row whose key the client chooses may name itself as its parent."""
        for relation, parent in self._new_parents(values):
            if parent == values.get(self._field(relation.pairs[0][1])):
                raise cycle(self.subject.shape, relation)

    def _refuse_cycle(self, connection: Connection, key: tuple[Any, ...], values: Values) -> None:
        """A row cannot be below itself: asked under a lock, or two writes could make a cycle."""
        for relation, parent in self._new_parents(values):
            shape = self.subject.shape
            table = shape.table
            (here, there), *_ = relation.pairs
            if connection.dialect.name == "postgresql":
                name = f"{table.fullname}.{here}"
                connection.execute(
                    select(func.pg_advisory_xact_lock(func.hashtextextended(name, 0)))
                )
            start = table.alias()
            above = (
                select(start.c[there].label("key"), start.c[here].label("parent"))
                .where(start.c[there] == bindparam("parent_", type_=start.c[there].type))
                .cte("above", recursive=True)
            )
            step = table.alias()
            above = above.union(
                select(step.c[there], step.c[here]).where(step.c[there] == above.c.parent)
            )
            mine = table.alias()
            statement = (
                select(func.count())
                .select_from(above, mine)
                .where(key_clause(shape, mine), above.c.key == mine.c[there])
            )
            parameters = {f"key_{index}": value for index, value in enumerate(key)}
            parameters["parent_"] = parent
            if Plan(statement).run(connection, parameters).scalar_one():
                raise cycle(shape, relation)


def cycle(shape: Shape, relation: RelationShape) -> Problem:
    """The conflict of a row that would be below itself."""
    field = relation.pairs[0][0]
    detail = f"A {shape.model.__name__} cannot be below itself: {field} would make a cycle."
    error = {"loc": ["body", field], "field": field, "constraint": "cycle", "message": detail}
    return Problem(409, detail, kind="cycle", errors=[error])


def set_scope(values: Values, own: Scope | None) -> None:
    """Give a row that is created what its scope says, which the body may say too.

    Raises:
        QueryError: The body says otherwise.
    """
    refuse_leaving(values, own)
    if own is not None:
        values.update(own.values)


def refuse_leaving(values: Mapping[str, Any], own: Scope | None) -> None:
    """Refuse values that are outside of the scope.

    Raises:
        QueryError: One is.
    """
    if own is None:
        return
    left = [name for name, value in own.values.items() if name in values and values[name] != value]
    if left:
        raise QueryError(
            [
                {
                    "type": "scope",
                    "loc": ("body", name),
                    "msg": f"{name} is not yours to choose: leave it out",
                    "input": None,
                }
                for name in left
            ]
        )


async def json_body(request: Request) -> bytes:
    """The body of a request that has to be JSON.

    Raises:
        QueryError: It is not said to be JSON.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    body = await request.body()
    if body and not (kind == "application/json" or kind.endswith("+json")):
        message = "The body has to be JSON: Content-Type: application/json"
        raise QueryError(
            [
                {
                    "type": "content_type",
                    "loc": ("header", "content-type"),
                    "msg": message,
                    "input": kind,
                }
            ]
        )
    return body


def _json(text: str) -> list[Any]:
    found: list[Any] = from_json(text)
    return found


def _many(match: frozenset[str] | None) -> bool:
    return match is not None and len(match) != 1


def _versions(match: frozenset[str] | None) -> dict[str, int]:
    """The versions in an ``If-Match``, as parameters; a tag that is none matches no row."""
    found = [int(text) if text.isdecimal() and len(text) < 10 else -1 for text in match or ()]
    return {f"version_{index}": value for index, value in enumerate(found)}
