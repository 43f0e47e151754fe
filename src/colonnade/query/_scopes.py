"""Scopes: the rows of each table that a request may access. Every SELECT applies them."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Any

from sqlalchemy import ColumnElement, FromClause, Table, and_, bindparam, false
from sqlalchemy.sql.visitors import replacement_traverse

from colonnade.errors import ModelError
from colonnade.models import Shape

NOW_TOLERANCE = timedelta(minutes=1)
"""The maximum time between computing a scope that contains the time and using it."""


@dataclass(frozen=True, slots=True, eq=False)
class Scope:
    """The rows of one table that a request may access.

    Attributes:
        shape: The table.
        values: The required value of each scoped column; created rows get these values.
        condition: A condition on the columns of the table.
        refused: Whether the request may access no rows.
        error: The error of the scope dependency that refused; None if it returned.
    """

    shape: Shape
    values: Mapping[str, Any] = field(default_factory=dict)
    condition: ColumnElement[bool] | None = None
    refused: bool = False
    error: Exception | None = None

    @classmethod
    def of(cls, shape: Shape, answer: Any) -> "Scope":
        """Build the scope from the result of a scope dependency.

        Args:
            shape: The table.
            answer: A mapping of fields to values, a condition, or None, which refuses. A value
                of None refuses too, since it usually means that nobody is logged in.

        Raises:
            ModelError: It is none of these, or names a field that the table does not have.
        """
        if answer is None:
            return cls(shape, refused=True)
        if hasattr(answer, "__clause_element__"):
            answer = answer.__clause_element__()  # ``Task.public``, a column that is a condition
        if isinstance(answer, ColumnElement):
            return cls(shape, condition=answer)
        if not isinstance(answer, Mapping):
            raise ModelError(
                f"The scope of {shape.model.__name__} returned {type(answer).__name__}. Return a "
                f"mapping such as {{'owner_id': user.id}}, a condition, or None."
            )
        unknown = [name for name in answer if name not in shape.columns]
        if unknown or not answer:
            raise ModelError(
                f"The scope of {shape.model.__name__} names "
                + (f"unknown fields: {', '.join(map(repr, unknown))}" if unknown else "no fields")
                + f". {shape.model.__name__} has the fields {', '.join(shape.columns)}."
            )
        if any(value is None for value in answer.values()):
            return cls(shape, refused=True)
        return cls(shape, values=dict(answer))

    @property
    def table(self) -> Table:
        """The SQLAlchemy table."""
        return self.shape.table

    @property
    def structure(self) -> object | None:
        """A key that scopes with the same SQL share; None if that cannot be determined."""
        if self.condition is not None:
            return None
        return "refused" if self.refused else tuple(self.values)

    def narrowed(self, other: "Scope") -> "Scope":
        """The rows that are inside this scope and another one of the same table."""
        is_contradictory = any(
            name in self.values and self.values[name] != value
            for name, value in other.values.items()
        )
        conditions = [scope.condition for scope in (self, other) if scope.condition is not None]
        return Scope(
            self.shape,
            {**self.values, **other.values},
            and_(*conditions) if conditions else None,
            refused=self.refused or other.refused or is_contradictory,
        )

    def clause(self, source: FromClause, prefix: str = "scope_") -> ColumnElement[bool]:
        """The condition on ``source``.

        Args:
            source: The rows, with the columns of the table.
            prefix: The prefix of the parameter names.
        """
        if self.refused:
            return false()
        columns = [self.shape.columns[name].column for name in self.values]
        clauses: list[ColumnElement[bool]] = [
            source.c[column.key] == bindparam(f"{prefix}{index}", type_=column.type)
            for index, column in enumerate(columns)
        ]
        if self.condition is not None:
            clauses.append(adapt_to_source(self.condition, self.table, source))
        return and_(*clauses)

    def where(self) -> ColumnElement[bool]:
        """The condition on the table itself, with its values in it."""
        if self.refused:
            return false()
        clauses: list[ColumnElement[bool]] = [
            getattr(self.shape.model, name)
            == bindparam(name, value, type_=self.shape.columns[name].column.type, unique=True)
            for name, value in self.values.items()
        ]
        if self.condition is not None:
            clauses.append(self.condition)
        return and_(*clauses)

    def fingerprint(self) -> str:
        """The scope as text, different for different scopes."""
        if self.refused:
            return "refused"
        required = sorted(self.values.items(), key=str)
        if self.condition is None:
            return repr(required)
        compiled = self.condition.compile()
        values = {
            name: "now" if _is_current_time(value) else value
            for name, value in compiled.params.items()
        }
        return repr((required, str(compiled), sorted(values.items(), key=str)))

    def binds(self, prefix: str) -> Iterator[tuple[str, Any]]:
        """The names and values of the parameters in ``clause``."""
        for index, value in enumerate(self.values.values()):
            yield f"{prefix}{index}", value


def _is_current_time(value: object) -> bool:
    """Whether a value is the current time, which does not distinguish one user from another."""
    if not isinstance(value, datetime):
        return False
    zones = [value.tzinfo] if value.tzinfo is not None else [None, UTC]  # naive: local, or UTC
    times = (datetime.now(zone).replace(tzinfo=value.tzinfo) for zone in zones)
    return any(abs(time - value) < NOW_TOLERANCE for time in times)


class Scopes:
    """The scopes of a request, by table.

    Args:
        scopes: The rows of each table that the request may read.
        write_scopes: The rows that it may write, of tables where these are fewer.
    """

    def __init__(
        self,
        scopes: Mapping[Table, Scope] | None = None,
        write_scopes: Mapping[Table, Scope] | None = None,
    ) -> None:
        self._scopes = dict(scopes or {})
        # Prefixes are numbered, since names built from tables and columns could collide.
        self._prefixes = {table: f"scope_{index}_" for index, table in enumerate(self._scopes)}
        self._narrowing = dict(write_scopes or {})
        self._write_scopes = {
            table: self._scopes[table].narrowed(scope) if table in self._scopes else scope
            for table, scope in (write_scopes or {}).items()
        }
        self._write_prefixes = {
            table: f"write_scope_{index}_" for index, table in enumerate(self._write_scopes)
        }

    def __bool__(self) -> bool:
        return bool(self._scopes or self._write_scopes)

    def get(self, table: Table) -> Scope | None:
        """The scope of a table; None if it has none."""
        return self._scopes.get(table)

    def errors(self) -> dict[Table, Exception]:
        """The errors of scope dependencies, by table."""
        return {
            table: scope.error for table, scope in self._scopes.items() if scope.error is not None
        }

    def written(self, table: Table) -> Scope | None:
        """The scope of the rows of a table that the request may write; None if it has none."""
        return self._write_scopes.get(table) or self._scopes.get(table)

    def narrows_writes(self, table: Table) -> bool:
        """Whether the request may read rows of a table that it may not write."""
        return table in self._write_scopes

    def values(self, table: Table) -> Mapping[str, Any]:
        """The field values that the scope of a table requires of written rows."""
        scope = self.written(table)
        return {} if scope is None else scope.values

    def merged(self, other: "Scopes") -> "Scopes | None":
        """The scopes of both; None if they differ for a table of both."""
        if other is self or not (self or other):
            return self
        scopes = {**self._scopes, **other._scopes}
        narrowing = {**self._narrowing, **other._narrowing}
        is_same = all(scopes[table] is scope for table, scope in self._scopes.items()) and all(
            narrowing[table] is scope for table, scope in self._narrowing.items()
        )
        return Scopes(scopes, narrowing) if is_same else None

    def clauses(self, table: Table, source: FromClause) -> Iterator[ColumnElement[bool]]:
        """The condition on ``source``, rows of ``table``, if the table has a scope."""
        scope = self._scopes.get(table)
        if scope is not None:
            yield scope.clause(source, self._prefixes[table])

    def write_clauses(self, table: Table, source: FromClause) -> Iterator[ColumnElement[bool]]:
        """The condition on ``source``, rows of ``table`` that the request may write."""
        if table in self._write_scopes:
            yield self._write_scopes[table].clause(source, self._write_prefixes[table])
        else:
            yield from self.clauses(table, source)

    def binds(self) -> Iterator[tuple[str, Any]]:
        """The names and values of the parameters in all clauses."""
        for table, scope in self._scopes.items():
            yield from scope.binds(self._prefixes[table])
        for table, scope in self._write_scopes.items():
            yield from scope.binds(self._write_prefixes[table])

    def fingerprints(self) -> Iterator[str]:
        """The scopes as text, equal for requests that may access the same rows."""
        for table, scope in (*self._scopes.items(), *self._write_scopes.items()):
            yield table.fullname
            yield scope.fingerprint()

    @cached_property
    def structure(self) -> object | None:
        """A key that scopes with the same SQL share; None if that cannot be determined."""
        parts = [(table.fullname, scope.structure) for table, scope in self._scopes.items()]
        if self._write_scopes:
            parts.append(("", "written"))
            parts += [
                (table.fullname, scope.structure) for table, scope in self._write_scopes.items()
            ]
        return None if any(part is None for _, part in parts) else tuple(parts)


NO_SCOPES = Scopes()


def adapt_to_source(
    condition: ColumnElement[bool], table: Table, source: FromClause
) -> ColumnElement[bool]:
    """Replace the table's columns in a condition by those of ``source``."""

    def replace(element: Any, **_: Any) -> Any:
        if getattr(element, "table", None) is table and element.key in source.c:
            return source.c[element.key]
        return None

    adapted: ColumnElement[bool] = replacement_traverse(
        condition._deannotate() if hasattr(condition, "_deannotate") else condition, {}, replace
    )
    return adapted
