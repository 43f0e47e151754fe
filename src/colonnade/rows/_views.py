"""``View``: what an answer has of a row, with which relations; and the path it is written on."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from pydantic import BaseModel, PlainSerializer, SerializeAsAny, WrapSerializer
from pydantic.fields import FieldInfo
from pydantic_core import to_json
from sqlalchemy import Text, func, select
from sqlalchemy.sql.elements import ColumnElement

from colonnade.models import ColumnShape
from colonnade.query import (
    Include,
    Includes,
    Joined,
    Reached,
    Scopes,
    Surface,
    correlated,
    key_ordering,
)
from colonnade.rows._forms import Backend, Form, form_of, quoted

_SERIALIZERS = (PlainSerializer, WrapSerializer, SerializeAsAny)
_SERIALIZING = (
    "ser_json_timedelta", "ser_json_temporal", "ser_json_bytes", "ser_json_inf_nan",
    "json_encoders", "extra_fields_behavior",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Shown:
    """A column in an answer, under the name it has there."""

    name: str
    column: ColumnShape
    form: Form


class View:
    """What an answer has of each row of one table.

    Args:
        surface: The table.
        fields: The columns, by public name; None: all of the surface.
        include: The relations.
    """

    def __init__(
        self, surface: Surface, fields: tuple[str, ...] | None = None, include: Includes = ()
    ) -> None:
        self.surface = surface
        self.fields = fields
        names = surface.columns if fields is None else fields
        self.columns = [
            Shown(name, surface.columns[name], form_of(surface.columns[name])) for name in names
        ]
        self.relations: list[tuple[Include, Reached, View]] = []
        for one in include:
            reached = surface.relations[one.name]
            self.relations.append((one, reached, View(reached.surface, None, one.below)))

    @cached_property
    def why_not(self) -> tuple[str, ...]:
        """Why Pydantic has to write the answer; empty when the database does."""
        return (*self._own_reasons, *(why for _, _, view in self.relations for why in view.why_not))

    @property
    def is_exact(self) -> bool:
        """Whether what the database writes is the answer."""
        return not self.why_not

    @cached_property
    def _own_reasons(self) -> tuple[str, ...]:
        return tuple(_reasons(self))

    def text(self, source: Any, scopes: Scopes, backend: Backend) -> ColumnElement[str]:
        """An SQL expression: a row of ``source`` as the JSON text of an object.

        Args:
            source: What has the table's columns.
            scopes: What of each table may be reached.
            backend: The kind of database.
        """
        pieces: list[str | ColumnElement[str]] = []
        for shown in self.columns:
            pieces += [_name(shown.name), shown.form.of(shown.column, source, backend)]
        for include, reached, view in self.relations:
            related = view._related(include, reached, source, scopes, backend)
            pieces += [_name(include.name), related]
        return _concatenated(["{", *_separated(pieces), "}"])

    def _related(
        self,
        include: Include,
        reached: Reached,
        source: Any,
        scopes: Scopes,
        backend: Backend,
    ) -> ColumnElement[str]:
        joined = Joined(reached.relation, source, scopes)
        if not reached.relation.is_list:
            one = joined.select(self.text(joined.target, scopes, backend)).limit(1)
            return func.coalesce(one.scalar_subquery(), quoted("null"), type_=Text())
        order = [one.on(joined.target) for one in key_ordering(self.surface)]
        chosen = joined.select(*joined.target.c).order_by(*order).limit(include.limit).subquery()
        texts = select(self.text(chosen, scopes, backend).label("j")).subquery()
        whole = joined_rows(texts.c.j, backend)
        return correlated(select(whole).select_from(texts), source).scalar_subquery()

    def render(self, row: dict[str, Any]) -> bytes:
        """The JSON of a row by way of Pydantic: the row path.

        Args:
            row: What ``text`` said of it, parsed.
        """
        if self.is_exact:
            return to_json(row)
        own = self._rendered(row)
        parts = [own[1:-1]] if len(own) > 2 else []
        for include, _, view in self.relations:
            if include.name not in self.surface.always:
                parts.append(to_json(include.name) + b":" + view._many(row[include.name]))
        return b"{" + b",".join(parts) + b"}"

    def _many(self, value: Any) -> bytes:
        if value is None:
            return b"null"
        if isinstance(value, list):
            return b"[" + b",".join(map(self.render, value)) + b"]"
        return self.render(value)

    def _rendered(self, row: dict[str, Any]) -> bytes:
        """The row's own fields, and the relations that the schema itself has."""
        schema = self.surface.read
        made = self.instance(row)
        include = None if self.fields is None else {shown.column.name for shown in self.columns}
        return schema.__pydantic_serializer__.to_json(made, by_alias=True, include=include)

    def instance(self, row: dict[str, Any]) -> BaseModel:
        """The read schema of a row that ``text`` told of."""
        values: dict[str, Any] = {
            shown.column.name: shown.form.read(row[shown.name]) for shown in self.columns
        }
        for include, reached, view in self.relations:
            if include.name in self.surface.always:
                values[reached.relation.name] = view._instances(row[include.name])
        if self.fields is not None:
            return self.surface.read.model_construct(**values)
        validator = self.surface.read.__pydantic_validator__
        made: BaseModel = validator.validate_python(values, by_name=True, by_alias=True)
        return made

    def _instances(self, value: Any) -> Any:
        if isinstance(value, list):
            return [self.instance(one) for one in value]
        return None if value is None else self.instance(value)


def joined_rows(texts: ColumnElement[str], backend: Backend, only: Any = None) -> Any:
    """The JSON array of the texts of a subquery's rows, in its order."""
    if backend == "postgresql":
        joined: Any = func.string_agg(texts, quoted(","), type_=Text())
    else:
        joined = func.group_concat(texts, quoted(","), type_=Text())
    if only is not None:
        joined = joined.filter(only)
    return quoted("[") + func.coalesce(joined, quoted(""), type_=Text()) + quoted("]")


def array_of(texts: list[ColumnElement[str]]) -> ColumnElement[str]:
    """The JSON array of several JSON texts."""
    pieces: list[str | ColumnElement[str]] = ["["]
    for index, text in enumerate(texts):
        pieces += [",", text] if index else [text]
    return _concatenated([*pieces, "]"])


def _name(name: str) -> str:
    return to_json(name).decode() + ":"


def _separated(pieces: list[str | ColumnElement[str]]) -> list[str | ColumnElement[str]]:
    found: list[str | ColumnElement[str]] = []
    for index, piece in enumerate(pieces):
        found.append("," + piece if index and isinstance(piece, str) else piece)
    return found


def _concatenated(pieces: list[str | ColumnElement[str]]) -> ColumnElement[str]:
    """The pieces one after another; neighbouring literals become one."""
    merged: list[str | ColumnElement[str]] = []
    for piece in pieces:
        if isinstance(piece, str) and merged and isinstance(merged[-1], str):
            merged[-1] += piece
        else:
            merged.append(piece)
    parts = [quoted(piece) if isinstance(piece, str) else piece for piece in merged]
    whole = parts[0]
    for part in parts[1:]:
        whole = whole + part
    return whole


def _reasons(view: View) -> Iterator[str]:
    """Why this level of an answer is not what the database writes."""
    schema = view.surface.read
    decorators = schema.__pydantic_decorators__
    name = schema.__name__
    for kind, found in (
        ("a computed field", decorators.computed_fields),
        ("a serializer", decorators.field_serializers),
        ("a serializer", decorators.model_serializers),
        ("a validator", decorators.field_validators),
        ("a validator", decorators.model_validators),
    ):
        for one in found:
            yield f"{name}.{one} is {kind}"
    for option in _SERIALIZING:
        if schema.model_config.get(option) is not None:
            yield f"{name} has model_config[{option!r}]"
    if schema.model_config.get("extra") == "allow":
        yield f"{name} allows extra fields"
    columns = {shown.column.name: shown for shown in view.columns}
    for field_name, field in schema.model_fields.items():
        if field.exclude:
            continue
        shown = columns.get(field_name)
        if shown is not None:
            yield from _field_reasons(f"{name}.{field_name}", field, shown)
        elif field_name not in view.surface.shape.columns and not _is_relation(view, field_name):
            yield f"{name}.{field_name} is no column"


def _is_relation(view: View, name: str) -> bool:
    return any(reached.relation.name == name for _, reached, _ in view.relations)


def _field_reasons(where: str, field: FieldInfo, shown: Shown) -> Iterator[str]:
    if shown.form.why_not is not None:
        yield f"{where}: {shown.form.why_not}"
    if any(isinstance(item, _SERIALIZERS) for item in field.metadata):
        yield f"{where} has a serializer"
    if not shown.column.accepts(field):
        yield f"{where} is of another type than its column"
