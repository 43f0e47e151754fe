"""All private names of SQLAlchemy that Colonnade uses.

SQLAlchemy may rename them in any release. Each function has a fallback for a missing name, and
``tests/test_sqlalchemy_compat.py`` fails if one is missing.
"""

import logging
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, TypeVar

from sqlalchemy import (
    ClauseElement,
    Column,
    Connection,
    Constraint,
    Dialect,
    Engine,
    Index,
    MetaData,
    types,
)
from sqlalchemy.schema import CreateIndex

ItemT = TypeVar("ItemT", bound=Any)


class CompiledParts(NamedTuple):
    """The result columns and the bind processors of a compiled statement.

    Attributes:
        columns: The names of the columns that it returns.
        processors: The functions that convert a parameter to the driver's value, by name.
    """

    columns: list[str]
    processors: Mapping[str, Callable[[Any], Any]]


def compiled_parts(compiled: Any) -> CompiledParts | None:
    """Return the parts of a compiled statement; None if SQLAlchemy has renamed them."""
    try:
        columns = [entry.keyname for entry in compiled._result_columns]
        return CompiledParts(columns, compiled._bind_processors)
    except AttributeError:
        return None


def deannotated(expression: Any) -> Any:
    """Return an SQL expression without the annotations of the ORM, which hide its columns."""
    try:
        from sqlalchemy.sql.util import _deep_deannotate
    except ImportError:
        return expression
    return _deep_deannotate(expression)


def parameter_name(compiled: Any, column: Column[Any]) -> str:
    """Return the name of the parameter of a column in a compiled INSERT or UPDATE."""
    try:
        name: str = compiled._within_exec_param_key_getter(column)
    except AttributeError:
        return column.key
    return name


def logs_statements(engine: Engine) -> bool:
    """Whether an engine logs its statements: ``echo``, or the level of its logger."""
    if engine.echo:
        return True
    try:
        return engine._should_log_info()
    except AttributeError:
        return logging.getLogger("sqlalchemy.engine").isEnabledFor(logging.INFO)


def count_statement_listeners(engine: Engine) -> int:
    """Count the listeners that see the statements of an engine."""
    if not getattr(engine, "_has_events", True):
        return 0
    events: Any = engine.dispatch
    return (
        len(events.before_execute)
        + len(events.after_execute)
        + len(events.before_cursor_execute)
        + len(events.after_cursor_execute)
    )


def share_compiled_cache(engine: Engine, other: Engine) -> None:
    """Share the compiled statements of another engine of the same dialect."""
    if hasattr(other, "_compiled_cache"):
        engine._compiled_cache = other._compiled_cache


def creates_more_than_tables(metadata: MetaData) -> bool:
    """Whether ``create_all`` creates sequences, or calls listeners that may create more."""
    events: Any = metadata.dispatch
    sequences = getattr(metadata, "_sequences", True)
    return bool(sequences or len(events.before_create) or len(events.after_create))


def copy_item(item: ItemT, **options: Any) -> ItemT:
    """Copy a column, a constraint or a default; the copy belongs to no table yet."""
    copy: ItemT = item._copy(**options)
    return copy


def set_parent(default: Any, column: Column[Any]) -> None:
    """Make a server default, an identity or a computed expression that of a column."""
    default._set_parent(column)


def sqlite_type(dialect: Any, name: str) -> types.TypeEngine[Any]:
    """Return the type that SQLite means by the name of a type, such as INTEGER for INT."""
    resolved: types.TypeEngine[Any] = dialect._resolve_type_affinity(name)
    return resolved


def is_created_on(index: Index, connection: Connection) -> bool:
    """Whether the ``ddl_if`` of an index allows it on a database."""
    condition = getattr(index, "_ddl_if", None)
    return condition is None or condition._should_execute(CreateIndex(index), index, connection)


def belongs_to_type(constraint: Constraint) -> bool:
    """Whether a CHECK was created by a column's type, such as ``Enum`` or ``Boolean``."""
    return bool(getattr(constraint, "_type_bound", False))


def variants_of(kind: Any) -> Mapping[str, Any]:
    """Return the variants of a type, by dialect: see ``TypeEngine.with_variant``."""
    variants: Mapping[str, Any] = getattr(kind, "_variant_mapping", {})
    return variants


def has_bind_expression(kind: Any) -> bool:
    """Whether a type wraps SQL around its parameters."""
    type_class: Any = type(kind)
    plain = type_class.bind_expression is types.TypeEngine.bind_expression
    return bool(getattr(kind, "_has_bind_expression", not plain))


def is_remote(column: Any) -> bool:
    """Whether a column in a relationship's condition belongs to the target table."""
    return "remote" in column._annotations


def without_annotations(clause: ClauseElement) -> ClauseElement:
    """Remove the ORM's annotations from a condition, which keep columns from matching."""
    plain: ClauseElement = clause._deannotate() if hasattr(clause, "_deannotate") else clause
    return plain


def doubles_percent_signs(dialect: Dialect) -> bool:
    """Whether a dialect doubles percent signs in compiled text, as its driver requires."""
    return bool(getattr(dialect.identifier_preparer, "_double_percents", False))
