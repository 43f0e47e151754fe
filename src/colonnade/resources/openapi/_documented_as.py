"""Annotations with a custom JSON schema."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from contextvars import ContextVar
from types import GenericAlias
from typing import Any, Self

from pydantic import (
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    TypeAdapter,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, core_schema

Refs = Mapping[Any, JsonSchemaValue]
"""References to components, by their types."""


_documenting: ContextVar[frozenset["DocumentedAs"]] = ContextVar("documenting", default=frozenset())
"""What is being documented, in each thread: apps share the Resources, and so the annotations."""


class DocumentedAs(ABC):
    """An annotation that accepts anything, with a custom JSON schema.

    Each of its types is in the document under its name, and can be referenced.
    """

    reference: str | None = None
    """For a component: Pydantic names it by what is between the last dot and the colon."""

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        # FastAPI copies the responses of a route, and a table cannot be copied.
        return self

    @property
    def identity(self) -> object:
        """What the schema depends on: two with the same identity have the same schema."""
        return self

    def as_type(self, name: str) -> Any:
        """Return it as a type: Pydantic gives a definition the JSON schema of a class alone."""
        methods = ("__get_pydantic_core_schema__", "__get_pydantic_json_schema__")
        return type(name, (), {method: getattr(self, method) for method in methods})

    @abstractmethod
    def types(self) -> list[Any]:
        """Return the types that the schema refers to."""

    def parameter_types(self) -> list[Any]:
        """Return the types that only the parameters of the route refer to."""
        return []

    @abstractmethod
    def document(self, refs: Refs, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        """Build the JSON schema from the references to the types, by the type."""

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        # The types are made with the document: most starts of an app never need them.
        return core_schema.any_schema(ref=self.reference)

    def __get_pydantic_json_schema__(
        self, core: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        if self in _documenting.get():  # a row in a tree: the first call defines it
            return {}
        token = _documenting.set(_documenting.get() | {self})
        try:
            return self.document(self.references(handler), handler)
        finally:
            _documenting.reset(token)

    def references(self, handler: GetJsonSchemaHandler) -> Refs:
        """Define the types as components, and return the references to them."""
        types = self.types()
        # Each twice: Pydantic creates a definition for a type that is used more than once.
        mentioned: Any = GenericAlias(tuple, 2 * (*types, *self.parameter_types()))
        whole: Any = TypeAdapter(mentioned).core_schema
        handler(whole)
        parts = whole.get("schema", whole)["items_schema"]
        return {kind: handler(part) for kind, part in zip(types, parts, strict=False)}
