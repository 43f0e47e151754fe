"""The OpenAPI documentation of the generated routes."""

import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from enum import Enum
from functools import cached_property, lru_cache
from typing import Any, Literal, get_args

from pydantic import (
    BaseModel,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    TypeAdapter,
    create_model,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, core_schema

from colonnade.models import ColumnShape, NamedValues
from colonnade.query import (
    MAX_LIST_VALUES,
    OPTIONS,
    ROWS_PER_PARENT,
    Operator,
    PageReader,
    Parameter,
    QueryableTable,
    RelationTarget,
    include_paths,
    sortable_columns,
    value_type,
)
from colonnade.resources.responses._etags import ETAG_PATTERN
from colonnade.resources.responses._problems import MEDIA_TYPE, ProblemDetails
from colonnade.resources.routes._examples import NoExampleError, example_of, object_example

PLAIN_TEXT = "^[^\\u0000]*$"
"""Text that databases can store; a lone surrogate cannot be encoded in UTF-8 in the first place."""

_DESCRIPTIONS = {
    403: "Outside your scope",
    404: "Row not found",
    409: "Conflict with stored rows: a unique value, a foreign key, a cycle",
    412: "If-Match does not match the current version of the row",
    413: "The body is too large",
    422: "The request is not valid",
    503: "The database is busy or unavailable",
}
_PROBLEM = {"$ref": f"#/components/schemas/{ProblemDetails.__name__}"}
_HEADERS: dict[str, dict[str, Any]] = {
    "ETag": {"description": "The row's version and view", "schema": {"type": "string"}},
    "Location": {"description": "The URL of the row", "schema": {"type": "string"}},
    "Link": {"description": "The next and previous pages", "schema": {"type": "string"}},
    "X-Total-Count": {
        "description": "The total number of rows, if count is set",
        "schema": {"type": "integer"},
    },
}


Refs = Mapping[type[BaseModel], JsonSchemaValue]


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


class Deleted(BaseModel):
    """The response to a deletion."""

    ok: Literal[True] = True


class DocumentedAs(ABC):
    """An annotation that accepts anything, with a custom JSON schema.

    For Pydantic it is a tuple of models, so that each of them is in the document under its name
    and can be referenced.
    """

    @abstractmethod
    def models(self) -> list[type[BaseModel]]:
        """Return the models that the schema refers to."""

    @abstractmethod
    def document(self, refs: Refs, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        """Build the JSON schema from the references to the models."""

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        # Each twice: Pydantic creates a definition for a model that is used more than once.
        mentioned: Any = tuple[(*self.models(), *self.models())]  # type: ignore[misc]  # built at run time
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


class Body(DocumentedAs):
    """A request body.

    Args:
        schema: The schema of the body, or of each item of an array.
        exclude: Fields of the schema that the body does not have.
        extra_columns: Columns that the body has besides the fields of the schema, by name.
        max_items: The maximum length of the array; None if the body is a single object.
    """

    def __init__(
        self,
        schema: type[BaseModel],
        *,
        exclude: frozenset[str] = frozenset(),
        extra_columns: Mapping[str, ColumnShape] | None = None,
        max_items: int | None = None,
    ) -> None:
        self.schema = schema
        self.exclude = exclude
        self.extra_columns = extra_columns or {}
        self.max_items = max_items

    @cached_property
    def model(self) -> type[BaseModel]:
        """The model of the body or of an item; it is made with the document."""
        name = self.schema.__name__
        if self.exclude:
            return _changed(self.schema, f"{name.removesuffix('Create')}Link", self.exclude)
        if self.extra_columns:
            return _changed(self.schema, f"{name}WithKey", extra=self.extra_columns)
        return self.schema

    def models(self) -> list[type[BaseModel]]:
        return [self.model]

    def document(self, refs: Refs, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        row = refs[self.model]
        if self.max_items is not None:
            row = {"type": "array", "items": row, "minItems": 1, "maxItems": self.max_items}
        return {**row, **self._examples()}

    def _examples(self) -> dict[str, Any]:
        schema = self.model.model_json_schema()
        definitions = schema.get("$defs", {})

        def resolve(part: Mapping[str, Any]) -> Mapping[str, Any]:
            name = part.get("$ref", "").rpartition("/")[2]
            return {**definitions[name], **part} if name else part

        try:
            example = object_example(schema, resolve)
        except NoExampleError:
            return {}
        return {"examples": [example if self.max_items is None else [example]]}


def _changed(
    schema: type[BaseModel],
    name: str,
    exclude: frozenset[str] = frozenset(),
    extra: Mapping[str, ColumnShape] | None = None,
) -> type[BaseModel]:
    """A model for the document alone: a schema without some fields, or with the key of a row."""
    fields: dict[str, Any] = {
        key: (value_type(column), ...) for key, column in (extra or {}).items()
    }
    for key, field in schema.model_fields.items():
        if key not in exclude and key not in fields:
            fields[key] = (field.annotation, field)
    return create_model(
        name, __config__=schema.model_config, __doc__=schema.__doc__, __module__=schema.__module__,
        **fields,
    )  # fmt: skip


class Rows(DocumentedAs):
    """A row in a response, or an array of rows.

    Args:
        queryable: The table.
        many: Whether the response is an array.
        selectable: Whether the request may select fields and relations.
    """

    def __init__(
        self, queryable: QueryableTable, *, many: bool = False, selectable: bool = True
    ) -> None:
        self.queryable = queryable
        self.many = many
        self.selectable = selectable

    def models(self) -> list[type[BaseModel]]:
        queryables = _with_related(self.queryable) if self.selectable else [self.queryable]
        return list(dict.fromkeys(queryable.read for queryable in queryables))

    def document(self, refs: Refs, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        row = refs[self.queryable.read]
        if self.selectable:
            some = _some_fields(self.queryable, refs, handler)
            row = {"anyOf": [_row(self.queryable, refs), some]}
        return {"type": "array", "items": row} if self.many else row


def _with_related(queryable: QueryableTable) -> Iterator[QueryableTable]:
    yield queryable
    for target in queryable.relations.values():
        yield from _with_related(target.queryable)


def _row(queryable: QueryableTable, refs: Refs) -> JsonSchemaValue:
    related = {
        name: _related(target, refs)
        for name, target in queryable.relations.items()
        if name not in queryable.always_included
    }
    whole = refs[queryable.read]
    return {"allOf": [whole, {"type": "object", "properties": related}]} if related else whole


def _related(target: RelationTarget, refs: Refs) -> JsonSchemaValue:
    row = _row(target.queryable, refs)
    if target.relation.is_list:
        return {"type": "array", "items": row}
    return {"anyOf": [row, {"type": "null"}]}


def _some_fields(
    queryable: QueryableTable, refs: Refs, handler: GetJsonSchemaHandler
) -> JsonSchemaValue:
    """Build the schema of a row with ``fields=``."""
    whole = handler.resolve_ref_schema(refs[queryable.read])
    properties = {
        name: schema for name, schema in whole["properties"].items() if name in queryable.columns
    }
    related = {name: _related(target, refs) for name, target in queryable.relations.items()}
    return {
        "title": f"{queryable.shape.model.__name__}Fields",
        "description": "The requested fields",
        "type": "object",
        "properties": {**properties, **related},
    }


def value_schema(column: ColumnShape) -> dict[str, Any]:
    """Return the JSON schema of a value that a column is compared with."""
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
    """Return the query parameters of a list.

    Filters across relations are one parameter: published one by one, they would be most of the
    document. Those of the table's own fields are published with the operators that they are
    usually filtered by. All filters work, and all are checked.
    """
    queryable = reader.queryable
    parameters = [
        _query(name, *_option(name, reader))
        for name in sorted(reader.options)
        if name != "include" or queryable.relations
    ]
    for name, parameter in reader.parameters.items():
        if parameter.relation is not None or not _is_published(parameter):
            continue
        bare = name.removesuffix("__eq")
        if parameter.operator == "eq" and name != bare and bare not in OPTIONS:
            continue  # documented under its bare name
        schema = _operand(parameter.operator, parameter.shape)
        named = _named_values(queryable, parameter.column)
        parameters.append(_query(name, _with_reference(schema, named) if named else schema))
    if reader.parameters and queryable.relations:
        parameters.append(_relation_filters(queryable))
    return parameters


def _named_values(queryable: QueryableTable, name: str) -> str | None:
    """The component for the values of a field, if the response schema refers to one."""
    field = queryable.read.model_fields.get(name)
    if field is None:
        return None
    for item in field.metadata:
        if isinstance(item, NamedValues):
            return item.name
    types = [kind for kind in (field.annotation, *get_args(field.annotation)) if kind is not None]
    enums = [kind for kind in types if isinstance(kind, type) and issubclass(kind, Enum)]
    return enums[0].__name__ if enums else None


def _with_reference(schema: dict[str, Any], name: str) -> dict[str, Any]:
    """Replace the values in the schema of an operand by a reference."""
    reference = {"$ref": f"#/components/schemas/{name}"}
    if "enum" in schema:
        return reference
    if "enum" in schema.get("items", {}):
        return {**schema, "items": reference}
    return schema


def _is_published(parameter: Parameter) -> bool:
    """Whether the document lists a filter of a field as a separate parameter."""
    column = parameter.shape
    if parameter.operator == "is_null":
        return column.nullable
    if parameter.operator in {"lt", "lte", "gt", "gte"}:
        return column.foreign_key is None and column.kind not in {"text", "path"}
    return True


def _relation_filters(queryable: QueryableTable) -> dict[str, Any]:
    """The parameter that stands for all filters across relations."""
    relation, target = next(iter(queryable.relations.items()))
    columns = target.queryable.columns
    # Such as a slug, else a name: the first column is often the key.
    by_use = sorted(
        columns, key=lambda name: (columns[name].kind != "text", not columns[name].unique)
    )
    name = by_use[0]
    return {
        "name": "relation_filters",
        "in": "query",
        "style": "form",
        "explode": True,
        "description": (
            f"Filters across relations, each a query parameter: {relation}__{name} or "
            f"{relation}__{name}__in, with the same operators as the filters of a field. "
            f"Relations: {', '.join(queryable.relations)}"
        ),
        "schema": {"type": "object", "additionalProperties": {"type": "string"}},
        "example": {f"{relation}__{name}": "example"},
    }


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
    queryable = reader.queryable
    listed = {"type": "array", "minItems": 1}
    order = [sign + column for column in sortable_columns(queryable) for sign in ("", "-")]
    options: dict[str, tuple[dict[str, Any], str]] = {
        "limit": (_integer(1, reader.max_limit, reader.default_limit), "Maximum number of rows"),
        "offset": (_integer(0, 2**63 - 1, 0), "Number of rows to skip; not with a cursor"),
        "cursor": ({"type": "string"}, "A cursor from the Link header of another page"),
        "count": (
            {"type": "string", "enum": ["none", "exact", "estimated"], "default": "none"},
            "Count all rows, and return the number in X-Total-Count",
        ),
        "order_by": (
            {"type": "array", "minItems": 1, "maxItems": 1, "items": {"enum": order}},
            "Fields to sort by, separated by commas; - for descending. The key breaks ties",
        ),
        "fields": (
            {**listed, "items": {"enum": list(queryable.columns)}},
            "Fields to return, separated by commas",
        ),
        "include": (
            {**listed, "items": {"enum": include_paths(queryable)}},
            "Relations to include, separated by commas; name:5 for at most five rows per parent, "
            f"{ROWS_PER_PARENT} by default",
        ),
        "where": (
            {"type": "string"},
            "Conditions as JSON, with and, or and not: " + _example_conditions(queryable),
        ),
    }
    return options[name]


def _example_conditions(queryable: QueryableTable) -> str:
    """A value of ``where``, with fields of the table."""
    by_choice = sorted(queryable.columns.items(), key=lambda item: item[1].choices is None)
    conditions = [{name: _example_value(name, column)} for name, column in by_choice[:2]]
    return json.dumps({"or": conditions})


def _example_value(name: str, column: ColumnShape) -> Any:
    try:
        return example_of(value_schema(column), lambda schema: schema, name)
    except NoExampleError:
        return None


def _integer(least: int, maximum: int, default: int) -> dict[str, Any]:
    return {"type": "integer", "minimum": least, "maximum": maximum, "default": default}


def _query(name: str, schema: dict[str, Any], description: str = "") -> dict[str, Any]:
    parameter: dict[str, Any] = {"name": name, "in": "query", "schema": schema}
    if description:
        parameter["description"] = description
    if schema.get("type") == "array":
        parameter |= {"style": "form", "explode": False}
    return parameter


def depth_parameter(maximum: int) -> dict[str, Any]:
    """Return the parameter for the depth of a tree."""
    schema = {
        "anyOf": [
            {"type": "string", "enum": ["all"]},
            {"type": "integer", "minimum": 1, "maximum": maximum},
        ]
    }
    description = (
        f"Number of levels below the row, in one array, parents first; all means {maximum}"
    )
    return _query("depth", schema, description)


def keys_parameter(maximum: int, columns: tuple[ColumnShape, ...]) -> dict[str, Any]:
    """Return the parameter for the keys of a batch to delete."""
    items = path_parameter("key", columns)["schema"]
    return {
        "name": "key",
        "in": "query",
        "required": True,
        "description": "The key of a row; repeat it for each row",
        "schema": {"type": "array", "items": items, "minItems": 1, "maxItems": maximum},
    }


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


def responses(
    *statuses: int, success: int = 200, headers: tuple[str, ...] = (), description: str = "Done"
) -> dict[int | str, dict[str, Any]]:
    """Return the responses of a route: success and the problems."""
    documented: dict[int | str, dict[str, Any]] = {
        status: {
            "description": _DESCRIPTIONS[status],
            "content": {MEDIA_TYPE: {"schema": _PROBLEM}},
        }
        for status in (*statuses, 422, 503)
    }
    # One problem has the model, which adds its schema to the document for all of them.
    documented[503]["model"] = ProblemDetails
    documented[success] = {
        "description": description,
        "headers": {name: _HEADERS[name] for name in headers},
    }
    return documented
