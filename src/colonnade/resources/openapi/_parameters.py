"""Path parameters and headers of generated routes in the OpenAPI document."""

from collections.abc import Callable
from typing import Any

from colonnade.models import ColumnShape
from colonnade.resources.openapi._values import value_schema
from colonnade.writes import ETAG_PATTERN


class LazyParameters(dict[str, Any]):
    """The ``openapi_extra`` of a route, whose parameters are built with the document.

    Building hundreds of filters takes a second, which would slow down every start.

    Args:
        parameters: Builds the parameters.
    """

    def __init__(self, parameters: Callable[[], list[dict[str, Any]]]) -> None:
        super().__init__(parameters=[])
        self._parameters = parameters

    def items(self) -> Any:
        return {"parameters": self._parameters()}.items()

    def __getitem__(self, name: str) -> Any:
        # FastAPI reads this key if a dependency has parameters.
        return self._parameters() if name == "parameters" else super().__getitem__(name)


def path_parameter(name: str, columns: tuple[ColumnShape, ...]) -> dict[str, Any]:
    """Return the path parameter for a key."""
    description = "The key"
    if len(columns) == 1:
        schema = value_schema(columns[0])
        if schema.get("type") == "string" and "format" not in schema:
            schema |= {"minLength": 1, "pattern": "^[^/~,\\u0000]+$"}
            description = "The key, with ~1 for / and ~0 for ~"
    else:
        schema = {"type": "string", "minLength": 1}
        description = "The parts of the key, separated by commas: " + ",".join(
            column.name for column in columns
        )
    return {
        "name": name,
        "in": "path",
        "required": True,
        "description": description,
        "schema": schema,
    }


def etags_parameter(name: str, description: str) -> dict[str, Any]:
    """Return the parameter for an optional header of ETags."""
    parameter = header_parameter(name, description)
    parameter["schema"] = {"type": "string", "pattern": ETAG_PATTERN, "examples": ['"1-9ab3"']}
    return parameter


def create_only_parameter() -> dict[str, Any]:
    """Return the parameter for an ``If-None-Match`` that forbids a stored row."""
    parameter = header_parameter("If-None-Match", "* to create the row only")
    parameter["schema"] = {"type": "string", "pattern": "^\\*$", "examples": ["*"]}
    return parameter


def header_parameter(name: str, description: str) -> dict[str, Any]:
    """Return the parameter for an optional header."""
    schema = {"type": "string", "pattern": "^[\\x21-\\x7e]*$"}
    return {
        "name": name,
        "in": "header",
        "required": False,
        "description": description,
        "schema": schema,
    }
