"""``GroupView``: the JSON of the groups of an aggregate."""

from functools import cached_property
from typing import TYPE_CHECKING, Any

from pydantic_core import to_json
from sqlalchemy import ColumnElement, func

from colonnade.backends import Backend
from colonnade.query import RowSource, Scopes, quoted
from colonnade.rows._column_codecs import OutputColumn, codec_of, value_json
from colonnade.rows._json_sql import json_object

if TYPE_CHECKING:
    from colonnade.query.groups import Grouping


class GroupView:
    """How groups are written as JSON: by the database, or by Pydantic where it writes a type.

    Args:
        grouping: The groups.
    """

    def __init__(self, grouping: "Grouping") -> None:
        self._columns = grouping.columns
        self._outputs = [
            OutputColumn(column.text, column.shape, codec_of(column.shape))
            for column in self._columns
        ]

    @cached_property
    def is_exact(self) -> bool:
        """Whether the database writes the response."""
        return all(output.codec.fallback_reason is None for output in self._outputs)

    def text(self, source: Any, scopes: Scopes, backend: Backend) -> ColumnElement[str]:
        """The SQL expression of a group as a JSON object.

        Args:
            source: The groups.
            scopes: The scopes of the request.
            backend: The database.
        """
        rows = RowSource(source, scopes)
        texts = {}
        for column, output in zip(self._columns, self._outputs, strict=True):
            text = output.codec.to_json(column.stored_sql(rows), backend)
            texts[output.name] = (
                func.coalesce(text, quoted("null")) if column.shape.nullable else text
            )
        return json_object(texts, backend)

    def values(self, groups: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """The values of groups as Python objects.

        Args:
            groups: The parsed JSON of ``text``.
        """
        return [
            {output.name: output.codec.from_json(group[output.name]) for output in self._outputs}
            for group in groups
        ]

    def render_all(self, groups: list[dict[str, Any]]) -> bytes:
        """Write groups as a JSON array with Pydantic.

        Args:
            groups: The parsed JSON of ``text``.
        """
        return b"[" + b",".join(map(self._render, groups)) + b"]"

    def _render(self, group: dict[str, Any]) -> bytes:
        members = (
            to_json(output.name)
            + b":"
            + value_json(output.codec, output.column, group[output.name])
            for output in self._outputs
        )
        return b"{" + b",".join(members) + b"}"
