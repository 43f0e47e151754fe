"""Envelopes of lists in the OpenAPI document."""

from copy import copy
from functools import cached_property
from typing import Annotated, Any

from pydantic import BaseModel, GetJsonSchemaHandler, create_model
from pydantic.json_schema import JsonSchemaValue

from colonnade.query import QueryableTable
from colonnade.resources.contract._envelope import Envelope
from colonnade.resources.openapi._documented_as import DocumentedAs, Refs
from colonnade.resources.openapi._rows import Rows


def listed_rows(
    envelope: Envelope | None, queryable: QueryableTable, name: str, *, is_relation: bool = False
) -> Any:
    """Return the type of the response of a list.

    Args:
        envelope: The envelope of the Resource; None for a bare array.
        queryable: The table of the rows.
        name: What the names of components for this route begin with.
        is_relation: Whether the rows are those of a relation.
    """
    rows = Rows(queryable, many=True, name=name)
    if envelope is None:
        return Annotated[Any, rows]
    is_named = not is_relation and envelope.row_type is queryable.read
    return Annotated[Any, _EnvelopedRows(envelope, rows, "" if is_named else name)]


class _EnvelopedRows(DocumentedAs):
    """The object around the rows of a list.

    Args:
        envelope: The envelope.
        rows: The array of rows.
        prefix: What its component has before the name of the class.
    """

    def __init__(self, envelope: Envelope, rows: Rows, prefix: str) -> None:
        self.envelope = envelope
        self.rows = rows
        self.prefix = prefix

    @cached_property
    def model(self) -> type[BaseModel]:
        """The class of the envelope with the rows of the list; it is made with the document."""
        name, declared = self.envelope.rows_name, self.envelope.model
        field = copy(declared.model_fields[name])
        field.annotation, field.metadata = Any, [self.rows]
        created: Any = create_model
        model: type[BaseModel] = created(
            f"{self.prefix}{self.envelope.name}",
            __base__=declared,
            __doc__=self.envelope.doc,
            __module__=declared.__module__,
            **{name: (Any, field)},
        )
        return model

    def types(self) -> list[Any]:
        return [self.model]

    def parameter_types(self) -> list[Any]:
        return self.rows.parameter_types()

    def document(self, refs: Refs, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return refs[self.model]
