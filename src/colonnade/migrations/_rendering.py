"""Operations written as Python: portable types, portable conditions, no noise."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import MISSING, fields
from typing import Any, Literal, cast

import sqlalchemy as sa
from alembic.autogenerate import render
from alembic.autogenerate.api import AutogenContext
from alembic.autogenerate.render import renderers
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.dialects.postgresql.base import PGDialect
from sqlalchemy.dialects.sqlite.base import SQLiteDialect
from sqlalchemy.engine.interfaces import Dialect
from sqlalchemy.types import TypeDecorator, TypeEngine

from colonnade.migrations._operations import Step, by_dialect

STEPS = "from colonnade.migrations import steps"

MAKES_TYPES = "colonnade_makes_types"
"""The option that says that a revision's steps make enum types, and so its tables need not."""

_SQLITE: Dialect = SQLiteDialect()
_POSTGRESQL: Dialect = cast("Any", PGDialect)(paramstyle="named")  # others double percent signs
_BIND = re.compile(r"(?<![:\w\\]):(?=\w)(?!\w+:)")
"""A colon that SQLAlchemy's ``text()`` takes as the beginning of a parameter."""


def render_item(kind: str, thing: Any, autogen_context: AutogenContext) -> str | Literal[False]:
    """Alembic's hook: how a type, CHECK or default is written; False: as Alembic does."""
    if kind == "server_default":
        text = getattr(getattr(thing, "arg", thing), "text", None)
        literal = literal_in(text) if isinstance(text, str) else None
        return False if literal is None else f"sa.text({unbound(literal)!r})"
    if kind == "type":
        plain = plain_type(thing)
        enum = native_enum(plain)
        if enum is plain and enum.create_type and autogen_context.opts.get(MAKES_TYPES):
            plain = enum_of(enum)
        if isinstance(plain, JSONB):
            autogen_context.imports.add("from sqlalchemy.dialects import postgresql")
            return "sa.JSON().with_variant(postgresql.JSONB(), 'postgresql')"
        return False if plain is thing else render._repr_type(plain, autogen_context)
    if kind == "check" and not thing._type_bound:
        condition = condition_source(thing.sqltext, autogen_context, bound=True)
        name = "" if thing.name is None else f", name={str(thing.name)!r}"
        return f"sa.CheckConstraint({condition}{name})"
    return False


def plain_type(kind: TypeEngine[Any]) -> TypeEngine[Any]:
    """What a column's type is to a database, as SQLAlchemy's general types say it.

    A revision must not change when the model's own type does, nor name one database.
    """
    if kind._variant_mapping:
        return kind
    enum = on_postgresql(kind)
    if isinstance(enum, sa.Enum) and enum is native_enum(kind):
        return kind if isinstance(kind, sa.Enum) else enum_of(enum)
    if isinstance(kind, TypeDecorator) and not type(kind).__module__.startswith("sqlalchemy."):
        there = kind.load_dialect_impl(_POSTGRESQL)
        if isinstance(there, JSONB):
            return there
        return plain_type(kind.load_dialect_impl(_SQLITE))
    if isinstance(kind, JSONB | sa.Enum | sa.ARRAY):
        return kind
    if type(kind).__name__.isupper() and type(kind).__module__.startswith("sqlalchemy."):
        try:
            generic = kind.as_generic()
        except NotImplementedError:  # a type that only one database has
            return kind
        return kind if type(generic) is type(kind) else generic
    return kind


def text_of(value: str) -> sa.TextClause:
    """A text as SQL that every database understands."""
    escaped = value.replace("'", "''").replace(":", "\\:")
    return sa.text(f"'{escaped}'")


_LITERAL = re.compile(
    r"""('(?:[^']|'')*')  (?:::(?:[\w.\ ]|"[^"]*")+ (?:\([\d,\ ]+\)[\w\ ]*)? (?:\[\])*)? $""",
    re.VERBOSE,
)


def literal_in(default: str) -> str | None:
    """The text that a default is, in quotes; without its type, which PostgreSQL says with it."""
    found = _LITERAL.match(default)
    return None if found is None else found[1]


def on_postgresql(kind: TypeEngine[Any]) -> TypeEngine[Any]:
    """What a column's type is there, as SQLAlchemy's own types say it."""
    kind = kind._variant_mapping.get("postgresql", kind)
    while isinstance(kind, TypeDecorator):
        kind = kind.load_dialect_impl(_POSTGRESQL)
    return kind


def native_enum(kind: TypeEngine[Any]) -> sa.Enum | None:
    """The enum type that a column's type is on PostgreSQL, or is an array of; None if neither."""
    found = on_postgresql(kind)
    while isinstance(found, sa.ARRAY):
        found = on_postgresql(found.item_type)
    return found if isinstance(found, sa.Enum) and found.native_enum and found.name else None


def enum_key(kind: TypeEngine[Any]) -> tuple[str | None, str, bool] | None:
    """What tells an enum type from others: schema, name, whether it is an array; None if none."""
    found = native_enum(kind)
    return None if found is None else (found.schema, str(found.name), is_array(kind))


def is_array(kind: TypeEngine[Any]) -> bool:
    """Whether a column's type is an array on PostgreSQL."""
    return isinstance(on_postgresql(kind), sa.ARRAY)


def enum_of(kind: sa.Enum, values: Iterable[str] | None = None) -> sa.Enum:
    """An enum type that is there already, as both databases understand it.

    Args:
        kind: The type.
        values: Its values, if they are others.
    """
    given = kind.enums if values is None else tuple(values)
    return sa.Enum(
        *given,
        name=kind.name,
        schema=kind.schema,
        create_constraint=kind.create_constraint,
        length=max(kind.length or 0, *map(len, given)),
        create_type=False,
    )


def postgresql_type(kind: TypeEngine[Any]) -> str:
    """A type as PostgreSQL says it."""
    return str(kind.compile(dialect=_POSTGRESQL))


def postgresql_name(name: str) -> str:
    """A name as PostgreSQL says it."""
    return str(_POSTGRESQL.identifier_preparer.quote(name))


def condition_of(expression: Any) -> str | by_dialect:
    """A condition of a model, without the model."""
    if isinstance(expression, str | by_dialect):
        return expression
    texts = {}
    for dialect in (_SQLITE, _POSTGRESQL):
        options: dict[str, Any] = {"literal_binds": True, "include_table": False}
        compiled = expression.compile(dialect=dialect, compile_kwargs=options)
        texts[dialect.name] = str(compiled)
    if texts["sqlite"] == texts["postgresql"]:
        return texts["sqlite"]
    return by_dialect(sqlite=texts["sqlite"], postgresql=texts["postgresql"])


def condition_source(
    expression: Any, autogen_context: AutogenContext, *, bound: bool = False
) -> str:
    """A condition as Python.

    Args:
        expression: The condition.
        autogen_context: Alembic's, which collects imports.
        bound: Whether it is read by ``text()``, to which a colon begins a parameter.
    """
    condition = condition_of(expression)
    if isinstance(condition, by_dialect):
        autogen_context.imports.add(STEPS)
        texts = ", ".join(f"{name}={text!r}" for name, text in condition.texts.items())
        return f"steps.by_dialect({texts})"
    return repr(unbound(str(condition)) if bound else condition)


def unbound(text: str) -> str:
    """Text that ``text()`` finds no parameter in."""
    return _BIND.sub(r"\\:", text)


@renderers.dispatch_for(Step)
def _render_step(autogen_context: AutogenContext, step: Step) -> str:
    autogen_context.imports.add(STEPS)
    arguments = []
    for one in sorted(fields(step), key=lambda one: bool(one.kw_only)):
        value = getattr(step, one.name)
        default = one.default_factory() if one.default_factory is not MISSING else one.default
        if value == default and default is not MISSING:
            continue
        said = _value(value, autogen_context)
        arguments.append(f"{one.name}={said}" if one.kw_only else said)
    return f"steps.{step.function}({', '.join(arguments)})"


def _value(value: Any, autogen_context: AutogenContext) -> str:
    if isinstance(value, TypeEngine):
        return render._repr_type(value, autogen_context)
    if isinstance(value, by_dialect):
        return condition_source(value, autogen_context)
    if isinstance(value, sa.Column):
        return repr(str(value.name))
    if isinstance(value, sa.TextClause):
        return f"sa.text({value.text!r})"
    if isinstance(value, sa.ClauseElement):
        return render._render_potential_expr(value, autogen_context)
    if isinstance(value, Mapping):
        pairs = (f"{key!r}: {_value(one, autogen_context)}" for key, one in value.items())
        return "{" + ", ".join(pairs) + "}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(_value(one, autogen_context) for one in value)}]"
    return repr(str(value) if isinstance(value, str) else value)
