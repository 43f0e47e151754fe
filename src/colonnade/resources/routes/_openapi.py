"""What the OpenAPI document says of the generated routes."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from typing import Any

from pydantic import BaseModel, GetCoreSchemaHandler, GetJsonSchemaHandler, TypeAdapter
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, core_schema

from colonnade.models import ColumnShape
from colonnade.query import (
    MAX_LIST_VALUES,
    OPTIONS,
    ROWS_PER_PARENT,
    Operator,
    PageReader,
    QueryableTable,
    RelationTarget,
    include_paths,
    sortable_columns,
    value_type,
)
from colonnade.resources.answers._etags import TAGS
from colonnade.resources.answers._problems import MEDIA_TYPE, ProblemDetails

PLAIN_TEXT = "^[^\\u0000]*$"
"""Text as databases hold it; a lone surrogate cannot be written in UTF-8 to begin with."""

_SAYS = {
    403: "Outside the scope",
    404: "The row does not exist",
    409: "A conflict with stored rows: a unique value, a foreign key, a cycle",
    412: "The row has changed since the version that If-Match names",
    413: "The body is too large",
    422: "The request is not valid",
    503: "The database is busy or cannot be reached",
}
_PROBLEM = {"$ref": f"#/components/schemas/{ProblemDetails.__name__}"}
_HEADERS: dict[str, dict[str, Any]] = {
    "ETag": {"description": "The row's version and view", "schema": {"type": "string"}},
    "Location": {"description": "The URL of the row", "schema": {"type": "string"}},
    "Link": {"description": "The next and previous page", "schema": {"type": "string"}},
    "X-Total-Count": {
        "description": "The number of all rows, if counted",
        "schema": {"type": "integer"},
    },
}


Refs = Mapping[type[BaseModel], JsonSchemaValue]


class Operation(dict[str, Any]):
    """What is added to the document of an operation, made when the document is.

    Hundreds of filters are a second's work, which a start has no need to wait for.

    Args:
        parameters: Makes its parameters.
    """

    def __init__(self, parameters: Callable[[], list[dict[str, Any]]]) -> None:
        super().__init__(parameters=[])
        self._parameters = parameters

    def items(self) -> Any:
        return {"parameters": self._parameters()}.items()

    def __getitem__(self, name: str) -> Any:
        # FastAPI asks for it by name where a dependency has its own parameters.
        return self._parameters() if name == "parameters" else super().__getitem__(name)


class Documented(ABC):
    """An annotation that takes anything, and is documented as something.

    For Pydantic it is a tuple of the models it mentions, so that each of them is in the
    document under its name, and can be referred to.
    """

    @abstractmethod
    def models(self) -> list[type[BaseModel]]:
        """The models that it mentions; each kind of annotation says."""

    @abstractmethod
    def document(self, refs: Refs, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        """The JSON schema, given that of each model."""

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        # Each twice: Pydantic makes a definition of what is used more than once.
        # The checker wants to know the types of a tuple that is made here.
        mentioned: Any = tuple[(*self.models(), *self.models())]  # type: ignore[misc]  # made here
        return core_schema.json_or_python_schema(
            json_schema=handler.generate_schema(mentioned),
            python_schema=core_schema.any_schema(),
        )

    def __get_pydantic_json_schema__(
        self, core: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        whole: Any = core
        parts = whole["json_schema"]["items_schema"]
        refs = {model: handler(part) for model, part in zip(self.models(), parts, strict=False)}
        return self.document(refs, handler)


class Body(Documented):
    """The body of a request.

    Args:
        schema: The schema of the body.
        without: Fields that it does not say.
        also: Columns that it says beside the schema's fields, by name.
        several: Whether it is an array, and of how many at most.
    """

    def __init__(
        self,
        schema: type[BaseModel],
        *,
        without: frozenset[str] = frozenset(),
        also: Mapping[str, ColumnShape] | None = None,
        several: int | None = None,
    ) -> None:
        self.schema = schema
        self.without = without
        self.also = also or {}
        self.several = several

    def models(self) -> list[type[BaseModel]]:
        return [self.schema]

    def document(self, refs: Refs, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        schema = refs[self.schema]
        if self.without or self.also:
            schema = _changed(handler.resolve_ref_schema(schema), self.without, self.also)
        if self.several is None:
            return schema
        return {"type": "array", "items": schema, "minItems": 1, "maxItems": self.several}


class Rows(Documented):
    """A row in an answer, or several: with the relations it may include.

    Args:
        surface: The table.
        several: Whether it is an array.
        chosen: Whether the request may choose among fields and relations.
    """

    def __init__(
        self, surface: QueryableTable, *, several: bool = False, chosen: bool = True
    ) -> None:
        self.surface = surface
        self.several = several
        self.chosen = chosen

    def models(self) -> list[type[BaseModel]]:
        surfaces = _reached(self.surface) if self.chosen else [self.surface]
        return list(dict.fromkeys(surface.read for surface in surfaces))

    def document(self, refs: Refs, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        schema = refs[self.surface.read]
        if self.chosen:
            some = _some_fields(self.surface, refs, handler)
            schema = {"anyOf": [_row(self.surface, refs), some]}
        return {"type": "array", "items": schema} if self.several else schema


def _reached(surface: QueryableTable) -> Iterator[QueryableTable]:
    yield surface
    for reached in surface.relations.values():
        yield from _reached(reached.queryable)


def _row(surface: QueryableTable, refs: Refs) -> JsonSchemaValue:
    related = {
        name: _related(reached, refs)
        for name, reached in surface.relations.items()
        if name not in surface.always_included
    }
    whole = refs[surface.read]
    return {"allOf": [whole, {"type": "object", "properties": related}]} if related else whole


def _related(reached: RelationTarget, refs: Refs) -> JsonSchemaValue:
    row = _row(reached.queryable, refs)
    if reached.relation.is_list:
        return {"type": "array", "items": row}
    return {"anyOf": [row, {"type": "null"}]}


def _some_fields(
    surface: QueryableTable, refs: Refs, handler: GetJsonSchemaHandler
) -> JsonSchemaValue:
    """What ``fields=`` leaves of a row."""
    whole = handler.resolve_ref_schema(refs[surface.read])
    properties = {
        name: value for name, value in whole["properties"].items() if name in surface.columns
    }
    related = {name: _related(relation, refs) for name, relation in surface.relations.items()}
    return {
        "title": f"{surface.shape.model.__name__}Fields",
        "description": "The requested fields",
        "type": "object",
        "properties": {**properties, **related},
    }


def _changed(
    schema: JsonSchemaValue, without: frozenset[str], also: Mapping[str, ColumnShape]
) -> JsonSchemaValue:
    kept = {
        name: value for name, value in schema.get("properties", {}).items() if name not in without
    }
    required = [name for name in schema.get("required", []) if name not in without]
    keys = {name: value_schema(column) for name, column in also.items()}
    changed = {**schema, "properties": {**keys, **kept}}
    changed.pop("title", None)
    changed.pop("required", None)
    if required or keys:
        changed["required"] = [*keys, *required]
    return changed


def value_schema(column: ColumnShape) -> dict[str, Any]:
    """The JSON schema of a value that a column is compared with."""
    return dict(_value_schema(column))


@lru_cache(maxsize=4096)
def _value_schema(column: ColumnShape) -> dict[str, Any]:
    schema = TypeAdapter(value_type(column)).json_schema(mode="validation")
    schema.pop("title", None)
    schema.pop("description", None)
    if column.kind in {"text", "path"}:
        schema["pattern"] = PLAIN_TEXT
    if column.kind == "decimal":
        schema = {"type": "number", "minimum": -1e15, "maximum": 1e15, "multipleOf": 1e-6}
    if column.kind == "datetime" and not column.is_aware:
        schema = {"type": "string", "pattern": r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d$"}
    return schema


def page_parameters(reader: PageReader) -> list[dict[str, Any]]:
    """The parameters of a list."""
    surface = reader.queryable
    parameters = [_query(name, *_option(name, reader)) for name in sorted(reader.options)]
    for name, parameter in reader.parameters.items():
        bare = name.removesuffix("__eq")
        if parameter.operator == "eq" and name != bare and bare not in OPTIONS:
            continue  # it is there under its bare name
        parameters.append(_query(name, _operand(parameter.operator, parameter.shape)))
    return [
        parameter for parameter in parameters if parameter["name"] != "include" or surface.relations
    ]


def _operand(operator: Operator, column: ColumnShape) -> dict[str, Any]:
    if operator == "is_null":
        return {"type": "boolean"}
    if operator in {"in", "not_in"}:
        items = value_schema(column)
        if column.kind in {"text", "path"}:
            items["pattern"] = "^[^,\\[\\u0000]+$"
        return {"type": "array", "items": items, "minItems": 1, "maxItems": MAX_LIST_VALUES}
    if operator.endswith(("contains", "startswith", "endswith")):
        return {"type": "string", "pattern": PLAIN_TEXT}
    return value_schema(column)


def _option(name: str, reader: PageReader) -> tuple[dict[str, Any], str]:
    surface = reader.queryable
    listed = {"type": "array", "minItems": 1}
    order = [sign + column for column in sortable_columns(surface) for sign in ("", "-")]
    options: dict[str, tuple[dict[str, Any], str]] = {
        "limit": (_integer(1, reader.max_limit, reader.default_limit), "Maximum number of rows"),
        "offset": (_integer(0, 2**63 - 1, 0), "Number of rows to skip; not with a cursor"),
        "cursor": ({"type": "string"}, "The cursor from the Link header of another page"),
        "count": (
            {"type": "string", "enum": ["none", "exact", "estimated"], "default": "none"},
            "Count all rows, in X-Total-Count",
        ),
        "order_by": (
            {"type": "array", "minItems": 1, "maxItems": 1, "items": {"enum": order}},
            "Fields, separated by commas; - for descending. The key breaks ties",
        ),
        "fields": (
            {**listed, "items": {"enum": list(surface.columns)}},
            "Return only these fields, separated by commas",
        ),
        "include": (
            {**listed, "items": {"enum": include_paths(surface)}},
            "Relations, separated by commas; name:5 for at most five rows per parent, "
            f"{ROWS_PER_PARENT} by default",
        ),
        "where": (
            {"type": "string"},
            'Conditions as JSON, such as {"or": [{"status": "done"}, {"priority__in": ["high"]}]}',
        ),
    }
    return options[name]


def _integer(least: int, most: int, default: int) -> dict[str, Any]:
    return {"type": "integer", "minimum": least, "maximum": most, "default": default}


def _query(name: str, schema: dict[str, Any], description: str = "") -> dict[str, Any]:
    parameter: dict[str, Any] = {"name": name, "in": "query", "schema": schema}
    if description:
        parameter["description"] = description
    if schema.get("type") == "array":
        parameter |= {"style": "form", "explode": False}
    return parameter


def depth_parameter(most: int) -> dict[str, Any]:
    """The depth of a tree."""
    schema = {
        "anyOf": [
            {"type": "string", "enum": ["all"]},
            {"type": "integer", "minimum": 1, "maximum": most},
        ]
    }
    description = (
        "Return the rows below, to this number of levels, as one array with parents first; "
        f"all means {most}"
    )
    return _query("depth", schema, description)


def keys_parameter(most: int, columns: tuple[ColumnShape, ...]) -> dict[str, Any]:
    """The keys of a batch to delete."""
    items = path_parameter("key", columns)["schema"]
    return {
        "name": "key",
        "in": "query",
        "required": True,
        "description": "The key of a row; repeat it for each row",
        "schema": {"type": "array", "items": items, "minItems": 1, "maxItems": most},
    }


def path_parameter(name: str, columns: tuple[ColumnShape, ...]) -> dict[str, Any]:
    """A key in the path."""
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


def tags_parameter(name: str, description: str) -> dict[str, Any]:
    """A header of entity tags that a request may have."""
    parameter = header_parameter(name, description)
    parameter["schema"] = {"type": "string", "pattern": TAGS, "examples": ['"1-9ab3"']}
    return parameter


def header_parameter(name: str, description: str) -> dict[str, Any]:
    """A header that a request may have."""
    schema = {"type": "string", "pattern": "^[\\x21-\\x7e]*$"}
    return {
        "name": name,
        "in": "header",
        "required": False,
        "description": description,
        "schema": schema,
    }


def responses(
    *statuses: int, success: int = 200, headers: tuple[str, ...] = (), says: str = "Done"
) -> dict[int | str, dict[str, Any]]:
    """The answers of a route: the good one and the problems."""
    responses_by_status: dict[int | str, dict[str, Any]] = {
        status: {
            "description": _SAYS[status],
            "content": {MEDIA_TYPE: {"schema": _PROBLEM}},
        }
        for status in (*statuses, 422, 503)
    }
    # One of them has the model, which puts it into the document for all.
    responses_by_status[503]["model"] = ProblemDetails
    responses_by_status[success] = {
        "description": says,
        "headers": {name: _HEADERS[name] for name in headers},
    }
    return responses_by_status
