"""Writing one row on a connection, and what a write has to keep."""

from dataclasses import dataclass
from typing import Any, NamedTuple

from pydantic_core import from_json
from sqlalchemy import Connection, literal_column, select

from colonnade.database import Bound, Plan
from colonnade.query import VALUE_PREFIX, Scope, Scopes, key_clause, key_parameters
from colonnade.resources._foreign_keys import ForeignKeys, Reference
from colonnade.resources._hooks import Written
from colonnade.resources._table_context import TableContext, rendered
from colonnade.resources._trees import Trees
from colonnade.resources._write_rules import (
    RowValidator,
    Values,
    refuse_leaving,
    stay_inside,
    stored_row,
)
from colonnade.resources._write_statements import WriteStatements
from colonnade.resources.answers._failures import missing_row
from colonnade.resources.answers._problems import Problem
from colonnade.rows import codec_of

Key = tuple[Any, ...]


@dataclass(slots=True)
class Write:
    """A write of one row, as it was asked for.

    Attributes:
        operation: What is done.
        values: The values, by field; hooks may change them.
        scopes: The scopes of the request.
        key: The row's key; empty for one that is created.
        expected: The versions of the row that the write is for; None: any.
    """

    operation: Written
    values: Values
    scopes: Scopes
    key: Key = ()
    expected: frozenset[str] | None = None

    def copy(self) -> "Write":
        """The same with its own values: a unit of work may run again."""
        return Write(self.operation, dict(self.values), self.scopes, self.key, self.expected)


class WrittenRow(NamedTuple):
    """A row that was written, and how it is answered."""

    body: bytes
    state: str
    key: str


class RowWrites:
    """The writes of one subject's rows, in whichever transaction.

    Args:
        subject: The table.
    """

    def __init__(self, subject: TableContext) -> None:
        self.subject = subject
        self.foreign = ForeignKeys(subject.shape)
        self.trees = Trees(self.foreign)
        self.statements = WriteStatements(subject, self.foreign, self.trees)
        self._judge = RowValidator(subject.update)

    @property
    def judges(self) -> bool:
        """Whether the model has rules over several fields, which a row that is changed keeps."""
        return bool(self._judge)

    @property
    def renders(self) -> bool:
        """Whether a write has to render its answer before it is committed: it might fail."""
        view = self.subject.view
        return view.may_fail or (not view.is_exact and self.subject.backend == "sqlite")

    def shown(self, row: Any) -> Any:
        """A row that was written, rendered if that might fail.

        Raises:
            UnreadableRowError: It cannot be written in an answer.
        """
        if not self.renders or row is None:
            return row
        return WrittenRow(rendered(self.subject.view, row.body), row.state, row.key)

    def __call__(self, connection: Connection, write: Write) -> Any:
        """Do it: ``body``, ``state`` and ``key`` of the row; None of one that is deleted.

        Raises:
            Problem: 404, 409 or 412; a foreign key names no row that can be reached.
        """
        if write.operation == "create":
            return self.shown(self._insert(connection, write))
        if write.operation == "update":
            return self.shown(self._change(connection, write))
        return self._remove(connection, write)

    def takes_several(self, write: Write) -> bool:
        """Whether a write is several statements, and so a transaction."""
        if write.operation == "delete":
            return self._compares(write)
        scope = write.scopes.get(self.subject.shape.table)
        several = self.subject.rereads or (scope is not None and scope.condition is not None)
        several = several or self.renders
        if write.operation == "create":
            return several
        judged = self.judges and bool(write.values)
        parents = self.trees.new_parents(write.values)
        return self._compares(write) or several or judged or bool(parents)

    def is_single_statement(self, write: Write) -> bool:
        """Whether a write is the statement that writes, and nothing else."""
        return not self.takes_several(write) and (bool(write.values) or write.operation != "update")

    def statement(self, write: Write) -> tuple[Bound[Any], list[Reference]]:
        """The statement that writes, with the foreign keys it asks about."""
        if write.operation == "create":
            return self.statements.insert(write.values, write.scopes)
        if write.operation == "update":
            refuse_leaving(write.values, write.scopes.get(self.subject.shape.table))
            return self.statements.update(write.key, write.values, write.scopes, write.expected)
        return self.statements.delete(write.key, write.scopes, write.expected), []

    def identity(self, row: Any) -> Key:
        """The key of a row that was written."""
        codecs = [codec_of(column) for column in self.subject.shape.primary_key]
        parts: list[Any] = from_json(row.key)
        return tuple(codec.from_json(part) for codec, part in zip(codecs, parts, strict=True))

    def current(
        self, connection: Connection, key: Key, scopes: Scopes, *, lock: bool = False
    ) -> Any:
        """The row as it is: ``body``, ``state`` and ``key``; None if it cannot be reached.

        Args:
            connection: Where to ask.
            key: Its key.
            scopes: The scopes of the request.
            lock: Keep others from changing it until the transaction ends.
        """
        shape = self.subject.shape
        source = shape.table.alias()
        statement = select(*self.statements.returned(source, scopes)).where(
            key_clause(shape, source), *scopes.clauses(shape.table, source)
        )
        if lock:
            statement = statement.with_for_update(of=source)
        return Plan(statement).run(connection, key_parameters(key) | dict(scopes.binds())).first()

    def seen(self, connection: Connection, write: Write) -> Any:
        """The row that a write is for, locked until the transaction ends.

        Raises:
            Problem: It cannot be reached, or is no longer the one the client saw.
        """
        row = self.current(connection, write.key, write.scopes, lock=True)
        if row is None:
            raise self.subject.not_found()
        if not self._is_expected(row, write):
            raise self._changed()
        return row

    def has_one_reason(self, write: Write, references: list[Reference]) -> bool:
        """Whether a write that met no row did so because there is none."""
        return write.expected is None and not references

    def again(self, connection: Connection, write: Write) -> Any:
        """A write that met no row, once more, with the row locked: why it met none is known then.

        The row may have come, gone or changed since: to look at it would not tell.

        Raises:
            Problem: It cannot be reached, is no longer the one the client saw, or would refer to a
                row that cannot be reached.
        """
        self.seen(connection, write)
        statement, references = self.statement(write)
        row = statement(connection)
        if row is None:
            raise unreachable(references) if references else self.subject.not_found()
        return row

    def _met(self, connection: Connection, write: Write) -> Any:
        """The row that a write has met."""
        statement, references = self.statement(write)
        row = statement(connection)
        if row is not None:
            return row
        if self.has_one_reason(write, references):
            raise self.subject.not_found()
        return self.again(connection, write)

    def _insert(self, connection: Connection, write: Write) -> Any:
        statement, references = self.statements.insert(write.values, write.scopes)
        row = statement(connection)
        if row is None:
            raise unreachable(references)
        return self._written(connection, row, write.scopes)

    def _change(self, connection: Connection, write: Write) -> Any:
        refuse_leaving(write.values, write.scopes.get(self.subject.shape.table))
        parents = self.trees.new_parents(write.values)
        self.trees.lock(connection, parents)
        judged = self.judges and bool(write.values)
        if parents or judged or self._compares(write) or not write.values:
            row = self.seen(connection, write)
            if not write.values:
                return row
        if judged:
            write.values = self._judged(connection, write)
        if parents:
            references = self.foreign.to_ask(write.values, write.scopes, creating=False)
            self._require(connection, write, references)
            self.trees.refuse_cycle(connection, write.key, write.values, parents)
        return self._written(connection, self._met(connection, write), write.scopes)

    def _remove(self, connection: Connection, write: Write) -> None:
        if self._compares(write):
            self.seen(connection, write)
        self._met(connection, write)

    # What a write has to keep

    def _written(self, connection: Connection, row: Any, scopes: Scopes) -> Any:
        """The row that was written, once it is known to be within its scope."""
        self._stay_inside(connection, row, scopes.get(self.subject.shape.table))
        if self.subject.rereads:
            # Its relations lead to its own table, of which RETURNING sees what was before.
            return self.current(connection, self.identity(row), scopes) or row
        return row

    def _stay_inside(self, connection: Connection, row: Any, scope: Scope | None) -> None:
        shape = self.subject.shape
        source = shape.table.alias()
        if scope is not None and scope.condition is not None:
            parameters = key_parameters(self.identity(row))
            where = key_clause(shape, source)
            stay_inside(connection, scope, shape, where, source, parameters)

    def _require(self, connection: Connection, write: Write, references: list[Reference]) -> None:
        """Refuse foreign keys to rows outside the scope, before anything else about those rows."""
        if not references:
            return
        shape = self.subject.shape
        row = shape.table.alias()
        reachable = self.foreign.reachable(
            references, write.values, write.scopes, VALUE_PREFIX, row
        )
        statement: Any = select(literal_column("1")).where(key_clause(shape, row), *reachable)
        parameters = self.statements.parameters(write.values, write.scopes, prefix=VALUE_PREFIX)
        parameters |= key_parameters(write.key)
        if Plan(statement).run(connection, parameters).first() is None:
            raise unreachable(references)

    def _judged(self, connection: Connection, write: Write) -> Values:
        """The changes that the model makes of a row with these values, judged whole."""
        shape = self.subject.shape
        source = shape.table.alias()
        stored = stored_row(
            connection, shape, key_clause(shape, source), source, key_parameters(write.key)
        )
        if stored is None:
            raise self.subject.not_found()
        return self._judge.changes(stored, write.values)

    def _compares(self, write: Write) -> bool:
        """Whether the row's version must be worked out from what it holds."""
        return write.expected is not None and not self.subject.versioned

    def _is_expected(self, row: Any, write: Write) -> bool:
        return write.expected is None or self.subject.tags.row(row.state) in write.expected

    def _changed(self) -> Problem:
        """The row is not the one that ``If-Match`` names."""
        detail = f"This {self.subject.name} has changed since it was read. Read it again."
        return Problem(412, detail, kind="changed")


def unreachable(references: list[Reference]) -> Problem:
    """A row that a foreign key names cannot be reached."""
    return missing_row((name for reference in references for name in reference.body_names), None)
