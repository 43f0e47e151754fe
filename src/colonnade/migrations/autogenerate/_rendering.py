"""Render operations as Python with portable types and conditions."""

import re
from collections.abc import Mapping
from dataclasses import MISSING, fields
from typing import Any, Literal

import sqlalchemy as sa
from alembic.autogenerate.api import AutogenContext
from alembic.autogenerate.render import renderers
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.sql.elements import False_, True_
from sqlalchemy.sql.functions import now
from sqlalchemy.types import TypeEngine

from colonnade._sqlalchemy_compat import belongs_to_type, variants_of
from colonnade.migrations._alembic_compat import render_identity, render_type
from colonnade.migrations.operations import Step, by_dialect
from colonnade.migrations.operations._types import (
    POSTGRESQL,
    SQLITE,
    existing_enum,
    native_enum,
    plain_type,
)

STEPS = "from colonnade.migrations import steps"

MAKES_TYPES = "colonnade_makes_types"
"""The Alembic option which says that steps create the enum types, so that tables do not."""

_BIND = re.compile(r"(?<![:\w\\]):(?=\w)(?!\w+:)")
"""A colon that begins a parameter in SQLAlchemy's ``text()``."""


def render_item(kind: str, item: Any, autogen_context: AutogenContext) -> str | Literal[False]:
    """Render a type, CHECK or default, as Alembic's hook; False for Alembic's own rendering."""
    if kind == "server_default":
        return _default_source(item, autogen_context)
    if kind == "type":
        return _type_source(item, autogen_context)
    if kind == "check" and not belongs_to_type(item):
        condition = condition_source(item.sqltext, autogen_context, bound=True)
        name = "" if item.name is None else f", name={str(item.name)!r}"
        return f"sa.CheckConstraint({condition}{name})"
    return False


def _default_source(default: Any, autogen_context: AutogenContext) -> str | Literal[False]:
    """Render a server default.

    Alembic would render an expression for the current database only, and strip the quotes from a
    string that begins and ends with one.
    """
    value = getattr(default, "arg", default)
    if isinstance(value, str):
        return repr(value)
    if isinstance(value, sa.ClauseElement) and not isinstance(default, _GENERATED):
        return expression_source(value, autogen_context)
    return False


_GENERATED = (sa.Computed, sa.Identity)


def _type_source(type_: TypeEngine[Any], autogen_context: AutogenContext) -> str | Literal[False]:
    plain = plain_type(type_)
    enum = native_enum(plain)
    if enum is plain and enum.create_type and autogen_context.opts.get(MAKES_TYPES):
        plain = existing_enum(enum)
    if _is_jsonb(plain):
        autogen_context.imports.add("from sqlalchemy.dialects import postgresql")
        return "sa.JSON().with_variant(postgresql.JSONB(), 'postgresql')"
    if plain is not type_:
        return render_type(plain, autogen_context)
    module = type(type_).__module__
    if not module.startswith("sqlalchemy."):  # such as pgvector.sqlalchemy, which needs an import
        autogen_context.imports.add(f"import {module}")
    return False


def _is_jsonb(type_: TypeEngine[Any]) -> bool:
    """Return whether a type is JSONB on PostgreSQL and JSON elsewhere."""
    variants = dict(variants_of(type_))
    postgresql_variant = variants.pop("postgresql", type_)
    return isinstance(postgresql_variant, JSONB) and not variants and isinstance(type_, sa.JSON)


def expression_source(expression: Any, autogen_context: AutogenContext) -> str:
    """Render an SQL expression as Python for both databases."""
    if isinstance(expression, now):
        return "sa.func.now()"
    if isinstance(expression, True_ | False_):
        return f"sa.{'true' if isinstance(expression, True_) else 'false'}()"
    if isinstance(expression, sa.TextClause):
        return f"sa.text({unbound(_unescaped(expression.text))!r})"
    condition = condition_of(expression)
    if isinstance(condition, str):
        return f"sa.text({unbound(condition)!r})"
    return condition_source(condition, autogen_context)


def _unescaped(text: str) -> str:
    return text.replace("\\:", ":")


def text_of(value: str) -> sa.TextClause:
    """Return a string as an SQL literal for every database."""
    escaped = value.replace("'", "''").replace(":", "\\:")
    return sa.text(f"'{escaped}'")


_LITERAL = re.compile(
    r"""('(?:[^']|'')*')  (?:::(?:[\w.\ ]|"[^"]*")+ (?:\([\d,\ ]+\)[\w\ ]*)? (?:\[\])*)? $""",
    re.VERBOSE,
)


def literal_in(default: str) -> str | None:
    """Return the string literal in a default, without PostgreSQL's cast; None for others."""
    match = _LITERAL.match(default)
    return None if match is None else match[1]


def condition_of(expression: Any) -> str | by_dialect:
    """Return a model's condition as text, without references to its table."""
    if isinstance(expression, str | by_dialect):
        return expression
    texts = {}
    for dialect in (SQLITE, POSTGRESQL):
        options: dict[str, Any] = {"literal_binds": True, "include_table": False}
        compiled = expression.compile(dialect=dialect, compile_kwargs=options)
        texts[dialect.name] = str(compiled)
    if texts["sqlite"] == texts["postgresql"]:
        return texts["sqlite"]
    return by_dialect(sqlite=texts["sqlite"], postgresql=texts["postgresql"])


def computed_of(default: Any) -> str | by_dialect | None:
    """Return the expression of a computed column; None for any other default."""
    return condition_of(default.sqltext) if isinstance(default, sa.Computed) else None


def condition_source(
    expression: Any, autogen_context: AutogenContext, *, bound: bool = False
) -> str:
    """Render a condition as Python.

    Args:
        expression: The condition.
        autogen_context: Alembic's context, which collects imports.
        bound: Whether ``text()`` parses the condition, so that colons need escaping.
    """
    condition = condition_of(expression)
    if isinstance(condition, by_dialect):
        autogen_context.imports.add(STEPS)
        texts = ", ".join(f"{name}={text!r}" for name, text in condition.texts.items())
        return f"steps.by_dialect({texts})"
    return repr(unbound(str(condition)) if bound else condition)


def unbound(text: str) -> str:
    """Escape the colons that ``text()`` would read as parameters."""
    return _BIND.sub(r"\\:", text)


@renderers.dispatch_for(Step)
def _render_step(autogen_context: AutogenContext, step: Step) -> str:
    autogen_context.imports.add(STEPS)
    arguments = []
    for field in sorted(fields(step), key=lambda entry: bool(entry.kw_only)):
        value = getattr(step, field.name)
        default = field.default_factory() if field.default_factory is not MISSING else field.default
        if value == default and default is not MISSING:
            continue
        source = _value(value, autogen_context)
        arguments.append(f"{field.name}={source}" if field.kw_only else source)
    return f"steps.{step.function}({', '.join(arguments)})"


def _value(value: Any, autogen_context: AutogenContext) -> str:
    if isinstance(value, TypeEngine):
        return render_type(value, autogen_context)
    if isinstance(value, by_dialect):
        return condition_source(value, autogen_context)
    if isinstance(value, sa.Column):
        return repr(str(value.name))
    if isinstance(value, sa.Identity):
        return render_identity(value, autogen_context)
    if isinstance(value, sa.ClauseElement):
        return expression_source(value, autogen_context)
    if isinstance(value, Mapping):
        pairs = (f"{key!r}: {_value(element, autogen_context)}" for key, element in value.items())
        return "{" + ", ".join(pairs) + "}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(_value(element, autogen_context) for element in value)}]"
    return repr(str(value) if isinstance(value, str) else value)
