"""``View``: the fields and relations of a row in a response, and how they are written as JSON."""

from collections.abc import Iterable
from functools import cached_property
from typing import Any

from pydantic import (
    BaseModel,
    ValidationError,
)
from pydantic.fields import FieldInfo
from pydantic_core import to_json
from sqlalchemy import Text, func, select
from sqlalchemy.sql.elements import ColumnElement

from colonnade.backends import Backend
from colonnade.models import ColumnShape
from colonnade.query import (
    ComputedField,
    Include,
    Includes,
    QueryableTable,
    RelationJoin,
    RelationTarget,
    RowSource,
    Scopes,
    correlated,
    key_ordering,
    quoted,
)
from colonnade.rows._column_codecs import OutputColumn, codec_of, value_json
from colonnade.rows._fallback_reasons import find_fallback_reasons
from colonnade.rows._json_sql import json_array_agg, json_object


class View:
    """The fields and relations that a response has of each row.

    The database writes the JSON if that is exactly what Pydantic would have written. Otherwise the
    database sends the values as JSON, and ``render`` writes them with Pydantic.

    Args:
        queryable: The table.
        fields: The public names of the columns; None for all.
        include: The relations and aggregates.
    """

    def __init__(
        self,
        queryable: QueryableTable,
        fields: tuple[str, ...] | None = None,
        include: Includes = (),
    ) -> None:
        self.queryable = queryable
        self.fields = fields
        names = queryable.columns if fields is None else fields
        self.columns = [_output_column(name, queryable.columns[name]) for name in names]
        self.relations: list[tuple[Include, RelationTarget, View]] = []
        self.aggregates: list[ComputedField] = []
        for included in include:
            if included.name in queryable.aggregates:
                self.aggregates.append(queryable.aggregates[included.name])
                continue
            target = queryable.relations[included.name]
            self.relations.append((included, target, View(target.queryable, None, included.nested)))

    @property
    def has_related(self) -> bool:
        """Whether a row has values of related rows."""
        return bool(self.relations or self.aggregates)

    @cached_property
    def fallback_reasons(self) -> tuple[str, ...]:
        """Why Pydantic has to write the response; empty if the database can."""
        inexact = (codec_of(aggregate.shape).fallback_reason for aggregate in self.aggregates)
        return (
            *self._level_reasons,
            *(reason for reason in inexact if reason is not None),
            *(reason for _, _, view in self.relations for reason in view.fallback_reasons),
        )

    @cached_property
    def may_fail(self) -> bool:
        """Whether a schema has custom code, which may reject a row that was just written."""
        reasons = [reason for reason in self._level_reasons if reason not in self._codec_reasons]
        return bool(reasons) or any(view.may_fail for _, _, view in self.relations)

    @cached_property
    def _codec_reasons(self) -> frozenset[str]:
        """The reasons that depend only on how the database stores a column."""
        schema = self.queryable.read.__name__
        return frozenset(
            f"{schema}.{output.column.name}: {output.codec.fallback_reason}"
            for output in self.columns
        )

    @property
    def is_exact(self) -> bool:
        """Whether the database writes the response."""
        return not self.fallback_reasons

    @cached_property
    def _level_reasons(self) -> tuple[str, ...]:
        """The reasons of this table, without its relations."""
        columns = {output.column.name: output for output in self.columns}
        relations = {target.relation.name for _, target, _ in self.relations}
        ignored = self.queryable.shape.columns.keys() | relations | self.queryable.fields.keys()
        return tuple(find_fallback_reasons(self.queryable.read, columns, ignored))

    @cached_property
    def _selected_columns(self) -> list[OutputColumn]:
        """The columns in ``text``.

        If Pydantic writes the row, these are all columns of the schema, since a serializer may
        read fields that are not in the response.
        """
        if not self._level_reasons:
            return self.columns
        columns = self.queryable.shape.columns
        return [
            _output_column(name, columns[name])
            for name in self.queryable.read.model_fields
            if name in columns
        ]

    def text(self, source: Any, scopes: Scopes, backend: Backend) -> ColumnElement[str]:
        """The SQL expression of a row as a JSON object.

        Args:
            source: The rows, with the columns of the table.
            scopes: The scopes of the request.
            backend: The database.
        """
        return json_object(self.texts(source, scopes, backend), backend)

    def texts(self, source: Any, scopes: Scopes, backend: Backend) -> dict[str, ColumnElement[str]]:
        """The JSON texts of the columns and relations, by name."""
        texts = {
            output.name: output.codec.json_text(output.column, source, backend)
            for output in self._selected_columns
        }
        for include, target, view in self.relations:
            texts[include.name] = view._related_json(include, target, source, scopes, backend)
        for aggregate in self.aggregates:
            value = aggregate.stored_sql(RowSource(source, scopes))
            text = codec_of(aggregate.shape).to_json(value, backend)
            texts[aggregate.public_name] = (
                func.coalesce(text, quoted("null")) if aggregate.shape.nullable else text
            )
        return texts

    def _related_json(
        self,
        include: Include,
        target: RelationTarget,
        source: Any,
        scopes: Scopes,
        backend: Backend,
    ) -> ColumnElement[str]:
        joined = RelationJoin(target.relation, source, scopes)
        if not target.relation.is_list:
            single = joined.select(self.text(joined.target, scopes, backend)).limit(1)
            return func.coalesce(single.scalar_subquery(), quoted("null"), type_=Text())
        target_rows = RowSource(joined.target, scopes)
        order = [
            *joined.ordering(),
            *(
                sort_column.expression(target_rows)
                for sort_column in key_ordering(self.queryable.shape)
            ),
        ]
        chosen = joined.select(*joined.target.c).order_by(*order).limit(include.limit).subquery()
        texts = select(self.text(chosen, scopes, backend).label("j")).subquery()
        array = json_array_agg(texts.c.j, backend)
        return correlated(select(array).select_from(texts), source).scalar_subquery()

    def render(self, row: dict[str, Any]) -> bytes:
        """Write a row as JSON with Pydantic.

        Args:
            row: The parsed JSON of ``text``.
        """
        if self.is_exact:
            return to_json(row)
        value = (
            self._render_with_schema(row) if self._level_reasons else self._render_as_selected(row)
        )
        parts = [value[1:-1]] if len(value) > 2 else []
        for include, _, view in self.relations:
            if include.name not in self.queryable.always_included:
                parts.append(to_json(include.name) + b":" + view._render_related(row[include.name]))
        fields = self.queryable.fields.values()
        parts += self._render_aggregates(
            row, [aggregate for aggregate in self.aggregates if aggregate not in fields]
        )
        return b"{" + b",".join(parts) + b"}"

    def _render_aggregates(
        self, row: dict[str, Any], aggregates: Iterable[ComputedField]
    ) -> list[bytes]:
        """The members for aggregates."""
        return [
            to_json(aggregate.public_name)
            + b":"
            + value_json(codec_of(aggregate.shape), aggregate.shape, row[aggregate.public_name])
            for aggregate in aggregates
        ]

    def render_all(self, rows: list[dict[str, Any]]) -> bytes:
        """Write rows as a JSON array with Pydantic.

        Raises:
            UnreadableRowError: A row cannot be written.
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

    def _render_related(self, value: Any) -> bytes:
        if value is None:
            return b"null"
        if isinstance(value, list):
            return b"[" + b",".join(map(self.render, value)) + b"]"
        return self.render(value)

    def _render_as_selected(self, row: dict[str, Any]) -> bytes:
        """The row as the database wrote it, with its relations that are fields of the schema."""
        parts = [to_json(column.name) + b":" + to_json(row[column.name]) for column in self.columns]
        for include, _, view in self.relations:
            if include.name in self.queryable.always_included:
                parts.append(to_json(include.name) + b":" + view._render_related(row[include.name]))
        parts += self._render_aggregates(row, self.queryable.fields.values())
        return b"{" + b",".join(parts) + b"}"

    def _render_with_schema(self, row: dict[str, Any]) -> bytes:
        """The row as its schema writes it, with the relations that are fields of the schema."""
        schema = self.queryable.read
        instance = self.instance(row)
        include = None
        if self.fields is not None:
            include = {output.column.name for output in self.columns}
            include |= {
                target.relation.name
                for name, target in self.queryable.relations.items()
                if name in self.queryable.always_included
            }
            include |= self.queryable.fields.keys()
        return schema.__pydantic_serializer__.to_json(instance, by_alias=True, include=include)

    def instance(self, row: dict[str, Any]) -> BaseModel:
        """The row as an instance of its schema, from the parsed JSON of ``text``."""
        values: dict[str, Any] = {
            output.column.name: _decode(output, row[output.name])
            for output in self._selected_columns
        }
        for include, target, view in self.relations:
            if include.name in self.queryable.always_included:
                values[target.relation.name] = view._instances(row[include.name])
        for name, aggregate in self.queryable.fields.items():
            values[name] = codec_of(aggregate.shape).from_json(row[aggregate.public_name])
        read = self.queryable.read
        # Use the alias, if there is one: it has priority, and may be the name of another field.
        arguments = {
            _argument_name(name, read.model_fields[name]): value for name, value in values.items()
        }
        instance: BaseModel = read.__pydantic_validator__.validate_python(
            arguments, by_name=True, by_alias=True
        )
        return instance

    def _instances(self, value: Any) -> Any:
        if isinstance(value, list):
            return [self.instance(row) for row in value]
        return None if value is None else self.instance(value)


def _decode(output: OutputColumn, value: Any) -> Any:
    try:
        return output.codec.from_json(value)
    except (ValueError, TypeError, ArithmeticError, LookupError) as error:
        raise UnreadableValueError(output.name, error) from error


class UnreadableValueError(ValueError):
    """A stored value does not have the type of its column.

    Attributes:
        name: The public name of the column.
    """

    def __init__(self, name: str, error: Exception) -> None:
        self.name = name
        super().__init__(str(error))


class UnreadableRowError(Exception):
    """A row cannot be written to a response.

    Attributes:
        index: The index of the row, from 0.
        name: The column with the value that cannot be written, if known.
        reason: Why.
    """

    def __init__(self, index: int, name: str | None, reason: str) -> None:
        self.index = index
        self.name = name
        self.reason = reason
        super().__init__(f"row {index}, {name}: {reason}")


def _argument_name(name: str, field: FieldInfo) -> str:
    alias = field.validation_alias
    return alias if isinstance(alias, str) else name


def _output_column(name: str, column: ColumnShape) -> OutputColumn:
    return OutputColumn(name, column, codec_of(column))
