"""``View``: what an answer has of a row, with which relations; and the path it is written on."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, reduce
from operator import add
from typing import Any

import annotated_types
from pydantic import (
    AllowInfNan,
    AwareDatetime,
    BaseModel,
    NaiveDatetime,
    Strict,
    ValidationError,
)
from pydantic.fields import FieldInfo
from pydantic_core import to_json
from sqlalchemy import Text, cast, func, select
from sqlalchemy.sql.elements import ColumnElement

from colonnade.backends import Backend
from colonnade.models import Base64JSON, ColumnShape
from colonnade.query import (
    Include,
    Includes,
    Joined,
    QueryableTable,
    RelationTarget,
    Scopes,
    correlated,
    key_ordering,
)
from colonnade.rows._column_codecs import ColumnCodec, form_of, json_argument, quoted

MOST_IN_A_ROW = 200
"""Pieces of text that are joined in one expression."""

MOST_IN_AN_OBJECT = 60
"""Members of an object that SQLite's ``json_object`` makes: a function takes 127 arguments at most,
100 before version 3.48 in some builds (https://sqlite.org/limits.html)."""

_SERIALIZING = (
    "ser_json_timedelta", "ser_json_temporal", "ser_json_inf_nan",
    "json_encoders", "extra_fields_behavior", "str_to_lower", "str_to_upper",
    "str_strip_whitespace",
)  # fmt: skip
_CHECKS = (annotated_types.BaseMetadata, AllowInfNan, Strict, AwareDatetime, NaiveDatetime)
_NAMES = frozenset(
    # Pydantic's own, which it does not export; sqlmodel's and ours.
    ("_PydanticGeneralMetadata", "PydanticGeneralMetadata", "StringConstraints", "FieldFlags",
     "FieldInfoMetadata", "SetWhenStored", "WithoutNul", "StorableText",
     "StorableJSON", "Base64JSON")
)  # fmt: skip
_CHANGES = ("strip_whitespace", "to_upper", "to_lower", "coerce_numbers_to_str")


@dataclass(frozen=True, slots=True)
class OutputColumn:
    """A column in an answer, under the name it has there."""

    name: str
    column: ColumnShape
    form: ColumnCodec


class View:
    """What an answer has of each row of one table.

    Args:
        surface: The table.
        fields: The columns, by public name; None: all of the surface.
        include: The relations.
    """

    def __init__(
        self, surface: QueryableTable, fields: tuple[str, ...] | None = None, include: Includes = ()
    ) -> None:
        self.surface = surface
        self.fields = fields
        names = surface.columns if fields is None else fields
        self.columns = [_shown(name, surface.columns[name]) for name in names]
        self.relations: list[tuple[Include, RelationTarget, View]] = []
        for included in include:
            reached = surface.relations[included.name]
            self.relations.append((included, reached, View(reached.surface, None, included.below)))

    @cached_property
    def fallback_reasons(self) -> tuple[str, ...]:
        """Why Pydantic has to write the answer; empty when the database does."""
        return (
            *self._own_reasons,
            *(why for _, _, view in self.relations for why in view.fallback_reasons),
        )

    @cached_property
    def may_fail(self) -> bool:
        """Whether a schema may refuse a row that was just written: one with its own code."""
        reasons = [why for why in self._own_reasons if why not in self._form_reasons]
        return bool(reasons) or any(view.may_fail for _, _, view in self.relations)

    @cached_property
    def _form_reasons(self) -> frozenset[str]:
        """The reasons that lie in how databases store columns alone."""
        schema = self.surface.read.__name__
        return frozenset(
            f"{schema}.{shown.column.name}: {shown.form.fallback_reason}" for shown in self.columns
        )

    @property
    def is_exact(self) -> bool:
        """Whether what the database writes is the answer."""
        return not self.fallback_reasons

    @cached_property
    def _own_reasons(self) -> tuple[str, ...]:
        return tuple(_reasons(self))

    @cached_property
    def _told(self) -> list[OutputColumn]:
        """The columns in ``text``: where Pydantic writes this level, all that its schema has.

        What the schema leaves out of an answer, its serializers may read.
        """
        if not self._own_reasons:
            return self.columns
        columns = self.surface.shape.columns
        return [
            _shown(name, columns[name])
            for name in self.surface.read.model_fields
            if name in columns
        ]

    def text(self, source: Any, scopes: Scopes, backend: Backend) -> ColumnElement[str]:
        """An SQL expression: a row of ``source`` as the JSON text of an object.

        Args:
            source: What has the table's columns.
            scopes: What of each table may be reached.
            backend: The kind of database.
        """
        texts = self.texts(source, scopes, backend)
        if backend == "sqlite" and len(texts) <= MOST_IN_AN_OBJECT:
            return _object(texts)
        pieces: list[str | ColumnElement[str]] = []
        for name, text in texts.items():
            pieces += [_name(name), text]
        return _concatenated(["{", *_separated(pieces), "}"])

    def texts(self, source: Any, scopes: Scopes, backend: Backend) -> dict[str, ColumnElement[str]]:
        """The JSON texts that ``text`` is made of, by the name of the column or relation."""
        texts = {shown.name: shown.form.of(shown.column, source, backend) for shown in self._told}
        for include, reached, view in self.relations:
            texts[include.name] = view._related(include, reached, source, scopes, backend)
        return texts

    def _related(
        self,
        include: Include,
        reached: RelationTarget,
        source: Any,
        scopes: Scopes,
        backend: Backend,
    ) -> ColumnElement[str]:
        joined = Joined(reached.relation, source, scopes)
        if not reached.relation.is_list:
            single = joined.select(self.text(joined.target, scopes, backend)).limit(1)
            return func.coalesce(single.scalar_subquery(), quoted("null"), type_=Text())
        order = [
            *joined.ordering(),
            *(ordered.on(joined.target) for ordered in key_ordering(self.surface)),
        ]
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
        value = self._rendered(row) if self._own_reasons else self._told_as_is(row)
        parts = [value[1:-1]] if len(value) > 2 else []
        for include, _, view in self.relations:
            if include.name not in self.surface.always:
                parts.append(to_json(include.name) + b":" + view._many(row[include.name]))
        return b"{" + b",".join(parts) + b"}"

    def render_all(self, rows: list[dict[str, Any]]) -> bytes:
        """The JSON array of rows by way of Pydantic.

        Raises:
            UnreadableRowError: One of them cannot be written.
        """
        written = []
        for index, row in enumerate(rows):
            try:
                written.append(self.render(row))
            except ValidationError as error:
                name = next((str(part) for part in error.errors()[0]["loc"]), None)
                raise UnreadableRowError(index, name, error.errors()[0]["msg"]) from error
            except UnreadableValueError as error:
                raise UnreadableRowError(index, error.name, str(error)) from error
            except (ValueError, OverflowError) as error:
                raise UnreadableRowError(index, None, str(error)) from error
        return b"[" + b",".join(written) + b"]"

    def _many(self, value: Any) -> bytes:
        if value is None:
            return b"null"
        if isinstance(value, list):
            return b"[" + b",".join(map(self.render, value)) + b"]"
        return self.render(value)

    def _told_as_is(self, row: dict[str, Any]) -> bytes:
        """What the database wrote of this level, and Pydantic of what is in it always."""
        parts = [to_json(column.name) + b":" + to_json(row[column.name]) for column in self.columns]
        for include, _, view in self.relations:
            if include.name in self.surface.always:
                parts.append(to_json(include.name) + b":" + view._many(row[include.name]))
        return b"{" + b",".join(parts) + b"}"

    def _rendered(self, row: dict[str, Any]) -> bytes:
        """The row's own fields, and the relations that the schema itself has."""
        schema = self.surface.read
        instance = self.instance(row)
        include = None
        if self.fields is not None:
            include = {shown.column.name for shown in self.columns}
            include |= {
                reached.relation.name
                for name, reached in self.surface.relations.items()
                if name in self.surface.always
            }
        return schema.__pydantic_serializer__.to_json(instance, by_alias=True, include=include)

    def instance(self, row: dict[str, Any]) -> BaseModel:
        """The read schema of a row that ``text`` told of."""
        values: dict[str, Any] = {
            shown.column.name: _read(shown, row[shown.name]) for shown in self._told
        }
        for include, reached, view in self.relations:
            if include.name in self.surface.always:
                values[reached.relation.name] = view._instances(row[include.name])
        read = self.surface.read
        # By alias where there is one: it comes before a name, and may be that of another field.
        arguments = {
            _given_name(name, read.model_fields[name]): value for name, value in values.items()
        }
        instance: BaseModel = read.__pydantic_validator__.validate_python(
            arguments, by_name=True, by_alias=True
        )
        return instance

    def _instances(self, value: Any) -> Any:
        if isinstance(value, list):
            return [self.instance(row) for row in value]
        return None if value is None else self.instance(value)


def _read(shown: OutputColumn, value: Any) -> Any:
    try:
        return shown.form.read(value)
    except (ValueError, TypeError, ArithmeticError, LookupError) as error:
        raise UnreadableValueError(shown.name, error) from error


class UnreadableValueError(ValueError):
    """A stored value is none of its column's type.

    Attributes:
        name: What the column is called in an answer.
    """

    def __init__(self, name: str, error: Exception) -> None:
        self.name = name
        super().__init__(str(error))


class UnreadableRowError(Exception):
    """A row of an answer cannot be written.

    Attributes:
        index: Which of the rows it is, from 0.
        name: The column that is why, if it is known.
        reason: What is wrong with it.
    """

    def __init__(self, index: int, name: str | None, reason: str) -> None:
        self.index = index
        self.name = name
        self.reason = reason
        super().__init__(f"row {index}, {name}: {reason}")


def _object(texts: dict[str, ColumnElement[str]]) -> ColumnElement[str]:
    """An object of JSON texts by SQLite's own function: half the time of joining them."""
    arguments: list[ColumnElement[Any]] = []
    for name, text in texts.items():
        arguments += [quoted(name), json_argument(text)]
    return func.json_object(*arguments, type_=Text())


def joined_rows(texts: ColumnElement[str], backend: Backend, only: Any = None) -> Any:
    """The JSON array of the texts of a subquery's rows, in its order."""
    if backend == "postgresql":
        joined: Any = func.string_agg(texts, quoted(","), type_=Text())
    else:
        joined = func.group_concat(texts, quoted(","), type_=Text())
    if only is not None:
        joined = joined.filter(only)
    return quoted("[") + func.coalesce(joined, quoted(""), type_=Text()) + quoted("]")


def array_of(texts: Sequence[ColumnElement[str]], backend: Backend) -> ColumnElement[str]:
    """The JSON array of several JSON texts."""
    if backend == "sqlite" and len(texts) <= MOST_IN_AN_OBJECT:
        return func.json_array(*map(json_argument, texts), type_=Text())
    pieces: list[str | ColumnElement[str]] = ["["]
    for index, text in enumerate(texts):
        pieces += [",", text] if index else [text]
    return _concatenated([*pieces, "]"])


def _name(name: str) -> str:
    return to_json(name).decode() + ":"


def _separated(pieces: list[str | ColumnElement[str]]) -> list[str | ColumnElement[str]]:
    parts: list[str | ColumnElement[str]] = []
    for index, piece in enumerate(pieces):
        parts.append("," + piece if index and isinstance(piece, str) else piece)
    return parts


def _given_name(name: str, field: FieldInfo) -> str:
    alias = field.validation_alias
    return alias if isinstance(alias, str) else name


def _shown(name: str, column: ColumnShape) -> OutputColumn:
    return OutputColumn(name, column, form_of(column))


def _concatenated(pieces: list[str | ColumnElement[str]]) -> ColumnElement[str]:
    """The pieces one after another; neighbouring literals become one."""
    merged: list[str | ColumnElement[str]] = []
    for piece in pieces:
        if isinstance(piece, str) and merged and isinstance(merged[-1], str):
            merged[-1] += piece
        else:
            merged.append(piece)
    return _joined([quoted(piece) if isinstance(piece, str) else piece for piece in merged])


def _joined(parts: list[ColumnElement[str]]) -> ColumnElement[str]:
    """The parts one after another. SQLite takes expressions 1,000 deep at most: a cast is one."""
    if len(parts) <= MOST_IN_A_ROW:
        return reduce(add, parts)
    rows = range(0, len(parts), MOST_IN_A_ROW)
    return _joined([cast(_joined(parts[at : at + MOST_IN_A_ROW]), Text()) for at in rows])


def _reasons(view: View) -> Iterator[str]:
    """Why this level of an answer is not what the database writes."""
    schema = view.surface.read
    decorators = schema.__pydantic_decorators__
    name = schema.__name__
    for kind, decorated in (
        ("a computed field", decorators.computed_fields),
        ("a serializer", decorators.field_serializers),
        ("a serializer", decorators.model_serializers),
        ("a validator", decorators.field_validators),
        ("a validator", decorators.model_validators),
    ):
        for function_name in decorated:
            yield f"{name}.{function_name} is {kind}"
    for option in _SERIALIZING:
        if schema.model_config.get(option) not in (None, False):
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
            yield f"{name}.{field_name} is not a column"


def _is_relation(view: View, name: str) -> bool:
    return any(reached.relation.name == name for _, reached, _ in view.relations)


def _field_reasons(where: str, field: FieldInfo, shown: OutputColumn) -> Iterator[str]:
    if shown.form.fallback_reason is not None:
        yield f"{where}: {shown.form.fallback_reason}"
    if field.exclude_if is not None:
        yield f"{where} has exclude_if"
    for item in field.metadata:
        if not _only_checks(item):
            yield f"{where} has {type(item).__name__}, which may change what is written"
    if shown.column.kind == "bytes" and not any(isinstance(i, Base64JSON) for i in field.metadata):
        yield f"{where} does not write its bytes as Colonnade's schemas do, in base64"
    if not shown.column.accepts(field):
        yield f"{where} is of another type than its column"


def _only_checks(item: Any) -> bool:
    """Whether what a field is annotated with leaves its value as it is."""
    if any(getattr(item, name, None) for name in _CHANGES):
        return False
    if isinstance(item, _CHECKS) or item in (AwareDatetime, NaiveDatetime):
        return True
    return type(item).__name__ in _NAMES
