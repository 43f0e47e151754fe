"""What of each table a request may reach: a scope, put into every SELECT that touches it."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, FromClause, Table, and_, bindparam, false
from sqlalchemy.sql.visitors import replacement_traverse

from colonnade.errors import ModelError
from colonnade.models import Shape

AT_ONCE = timedelta(minutes=1)
"""Between a scope's question for the time and the use that is made of it, at most."""


@dataclass(frozen=True, slots=True, eq=False)
class Scope:
    """The rows of one table that a request may reach.

    Attributes:
        shape: The table.
        values: What each of these columns must hold, and holds in a row that is created.
        condition: Any other condition, over the columns of the table.
        refused: Whether it may reach none.
    """

    shape: Shape
    values: Mapping[str, Any] = field(default_factory=dict)
    condition: ColumnElement[bool] | None = None
    refused: bool = False

    @classmethod
    def of(cls, shape: Shape, answer: Any) -> "Scope":
        """The scope that a dependency's answer means.

        Args:
            shape: The table.
            answer: A mapping of fields to values, a condition, or None, which refuses. A value
                of None refuses too: it is what is there when nobody is logged in.

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
                f"The scope of {shape.model.__name__} answered {type(answer).__name__}: it "
                f"must be a mapping such as {{'owner_id': user.id}}, a condition, or None."
            )
        unknown = [name for name in answer if name not in shape.columns]
        if unknown or not answer:
            raise ModelError(
                f"The scope of {shape.model.__name__} names "
                f"{', '.join(map(repr, unknown)) or 'no field'}: it has "
                f"{', '.join(shape.columns)}."
            )
        if any(value is None for value in answer.values()):
            return cls(shape, refused=True)
        return cls(shape, values=dict(answer))

    @property
    def table(self) -> Table:
        """The table it is of."""
        return self.shape.table

    @property
    def structure(self) -> object | None:
        """What two scopes of one SQL text have in common; None if that cannot be known."""
        if self.condition is not None:
            return None
        return "refused" if self.refused else tuple(self.values)

    def clause(self, source: FromClause, prefix: str = "scope_") -> ColumnElement[bool]:
        """The condition on ``source``, which has the table's columns.

        Args:
            source: The rows.
            prefix: What the names of its parameters begin with.
        """
        if self.refused:
            return false()
        if self.condition is not None:
            return on_source(self.condition, self.table, source)
        columns = [self.shape.columns[name].column for name in self.values]
        return and_(
            *(
                source.c[column.key] == bindparam(f"{prefix}{index}", type_=column.type)
                for index, column in enumerate(columns)
            )
        )

    def told(self) -> str:
        """The scope as text, which differs for scopes that differ."""
        if self.condition is not None:
            compiled = self.condition.compile()
            values = {
                name: "now" if _is_now(value) else value for name, value in compiled.params.items()
            }
            return repr((str(compiled), sorted(values.items(), key=str)))
        return "refused" if self.refused else repr(sorted(self.values.items(), key=str))

    def binds(self, prefix: str) -> Iterator[tuple[str, Any]]:
        """The values of the parameters in ``clause``."""
        for index, value in enumerate(self.values.values()):
            yield f"{prefix}{index}", value


def _is_now(value: object) -> bool:
    """Whether a value is the time at which a request is answered: it tells nobody from anybody."""
    if not isinstance(value, datetime):
        return False
    zones = [value.tzinfo] if value.tzinfo is not None else [None, UTC]  # naive: local, or UTC
    times = (datetime.now(zone).replace(tzinfo=value.tzinfo) for zone in zones)
    return any(abs(time - value) < AT_ONCE for time in times)


class Scopes:
    """The scopes of a request, by table; a table that is not in it has none."""

    def __init__(self, scopes: Mapping[Table, Scope] | None = None) -> None:
        self._scopes = dict(scopes or {})
        # By position: names made of those of tables and columns would meet.
        self._prefixes = {table: f"scope_{index}_" for index, table in enumerate(self._scopes)}

    def __bool__(self) -> bool:
        return bool(self._scopes)

    def get(self, table: Table) -> Scope | None:
        """The scope of a table; None if it has none."""
        return self._scopes.get(table)

    def values(self, table: Table) -> Mapping[str, Any]:
        """What the scope of a table says of its rows' fields."""
        scope = self._scopes.get(table)
        return {} if scope is None else scope.values

    def clauses(self, table: Table, source: FromClause) -> Iterator[ColumnElement[bool]]:
        """The condition on ``source``, rows of ``table``, if that has a scope."""
        scope = self._scopes.get(table)
        if scope is not None:
            yield scope.clause(source, self._prefixes[table])

    def binds(self) -> Iterator[tuple[str, Any]]:
        """The values of every parameter in the clauses."""
        for table, scope in self._scopes.items():
            yield from scope.binds(self._prefixes[table])

    def told(self) -> Iterator[str]:
        """What they say, as text: the same of two requests that reach the same rows."""
        for table, scope in self._scopes.items():
            yield table.fullname
            yield scope.told()

    @property
    def structure(self) -> object | None:
        """What two requests with the same SQL text have in common; None if unknown."""
        parts = [(table.fullname, scope.structure) for table, scope in self._scopes.items()]
        return None if any(part is None for _, part in parts) else tuple(parts)


NO_SCOPES = Scopes()


def on_source(
    condition: ColumnElement[bool], table: Table, source: FromClause
) -> ColumnElement[bool]:
    """A condition on a table's columns, as one on the same columns of ``source``."""

    def replace(element: Any, **_: Any) -> Any:
        if getattr(element, "table", None) is table and element.key in source.c:
            return source.c[element.key]
        return None

    adapted: ColumnElement[bool] = replacement_traverse(
        condition._deannotate() if hasattr(condition, "_deannotate") else condition, {}, replace
    )
    return adapted
