"""Column types for JSON, and containment in JSON."""

from functools import cache
from typing import Any

from pydantic import Secret, SecretBytes, SecretStr, TypeAdapter, ValidationError
from pydantic_core import to_json, to_jsonable_python
from sqlalchemy import JSON, Boolean, ColumnElement, literal, types
from sqlalchemy.engine.interfaces import Dialect
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import GenericFunction
from sqlalchemy.sql.operators import OperatorType

from colonnade.errors import StoredValueError
from colonnade.models._types import COMPARISON_OPERATORS


class json_contains(GenericFunction[bool]):  # noqa: N801 - the name of an SQL function
    """Whether a JSON value contains another one, like PostgreSQL's ``@>`` on JSONB."""

    type = Boolean()
    inherit_cache = True


@compiles(json_contains)
def _json_contains(element: Any, compiler: Any, **kwargs: Any) -> str:
    return f"colonnade_contains({compiler.process(element.clauses, **kwargs)})"


@compiles(json_contains, "postgresql")
def _json_contains_postgresql(element: Any, compiler: Any, **kwargs: Any) -> str:
    whole, part = (compiler.process(clause, **kwargs) for clause in element.clauses)
    return f"({whole} @> {part})"


class JSONComparator(types.TypeDecorator.Comparator[Any], JSON.Comparator[Any]):
    """SQLAlchemy's comparisons of JSON, plus containment."""

    def contains(self, other: Any, **kwargs: Any) -> ColumnElement[bool]:
        """Whether the value contains another one: items of a list, members of an object."""
        return json_contains(self.expr, literal(to_jsonable_python(other), PlainJSON()))


class PlainJSON(types.TypeDecorator[Any]):
    """Any JSON: JSONB on PostgreSQL, JSON elsewhere."""

    impl = JSON
    cache_ok = True
    none_as_null = False

    def load_dialect_impl(self, dialect: Dialect) -> types.TypeEngine[Any]:
        if dialect.name != "postgresql":
            return dialect.type_descriptor(JSON(none_as_null=self.none_as_null))
        from sqlalchemy.dialects.postgresql import JSONB  # 20 ms, needed only on PostgreSQL

        return dialect.type_descriptor(JSONB(none_as_null=self.none_as_null))


class JSONValue(PlainJSON):
    """A value of any type that Pydantic can write as JSON: JSONB on PostgreSQL, JSON elsewhere.

    None is stored as SQL NULL, never as JSON null.

    Args:
        adapter: Pydantic's adapter for the type, such as ``list[str]`` or a model.
        field_path: The field, for messages.
    """

    cache_ok = True
    none_as_null = True
    comparator_factory = JSONComparator

    def __init__(self, adapter: TypeAdapter[Any], field_path: str) -> None:
        super().__init__(none_as_null=True)
        self.adapter = adapter
        self.field_path = field_path
        self._has_secrets = _has_secrets(adapter)

    def coerce_compared_value(self, op: OperatorType | None, value: Any) -> types.TypeEngine[Any]:
        if op is None or getattr(op, "__name__", "") in COMPARISON_OPERATORS:
            return self
        # Delegate to JSON, so that ``column["key"]`` takes a plain key.
        return self.impl_instance.coerce_compared_value(op, value)

    def process_bind_param(self, value: Any, dialect: Dialect) -> Any:
        if value is None:
            return None
        try:
            # sqlmodel does not validate rows, so the value may be a dict instead of a model.
            typed = self.adapter.validate_python(value)
        except ValidationError as error:
            raise ValueError(
                f"{self.field_path} was set to a value that its type does not accept: {error}"
            ) from error
        if self._has_secrets:
            # Pydantic would write asterisks, and the secrets would be lost.
            return to_jsonable_python(_revealed(self.adapter.dump_python(typed)))
        return self.adapter.dump_python(typed, mode="json")

    def process_result_value(self, value: Any, dialect: Dialect) -> Any:
        if value is None:
            return None
        try:
            return self.adapter.validate_python(value)
        except ValidationError:
            pass
        try:
            # Strict models accept some values, such as dates, only in JSON mode.
            return self.adapter.validate_json(to_json(value))
        except ValidationError as error:
            raise StoredValueError(
                f"{self.field_path} holds JSON that its type does not accept: {error}"
            ) from error

    def __repr__(self) -> str:
        return "JSONValue()"


def _revealed(value: Any) -> Any:
    """The value with its secrets in plain text, as they are stored."""
    if isinstance(value, Secret | SecretStr | SecretBytes):
        return _revealed(value.get_secret_value())
    if isinstance(value, dict):
        return {name: _revealed(item) for name, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_revealed(item) for item in value]
    return value


def _has_secrets(adapter: TypeAdapter[Any]) -> bool:
    """Whether a type contains secrets, which Pydantic masks in JSON."""
    return bool(_serializers(adapter.core_schema) & _secret_serializers())


@cache
def _secret_serializers() -> frozenset[Any]:
    """The functions with which Pydantic serializes secrets."""
    secrets: tuple[Any, ...] = (SecretStr, SecretBytes, Secret[str])
    return frozenset().union(*(_serializers(TypeAdapter(secret).core_schema) for secret in secrets))


def _serializers(schema: Any) -> frozenset[Any]:
    """The serialization functions in a core schema."""
    serializers: set[Any] = set()
    pending: list[Any] = [schema]
    while pending:
        part = pending.pop()
        if isinstance(part, dict):
            serializers.add(part.get("serialization", {}).get("function"))
            pending += [value for key, value in part.items() if key not in _NON_SCHEMA_KEYS]
        elif isinstance(part, list | tuple):
            pending += part
    return frozenset(serializers - {None})


_NON_SCHEMA_KEYS = frozenset(("metadata", "serialization", "default", "function"))
