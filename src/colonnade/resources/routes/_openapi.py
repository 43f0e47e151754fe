"""The OpenAPI documentation of the generated routes."""

import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterable, Mapping
from functools import cached_property, lru_cache
from math import nextafter
from types import GenericAlias
from typing import Annotated, Any, Literal, Self

from pydantic import (
    BaseModel,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    TypeAdapter,
    WithJsonSchema,
    create_model,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, core_schema

from colonnade.models import ColumnShape, RelationShape
from colonnade.query import (
    MAX_LIST_VALUES,
    OPTIONS,
    ROWS_PER_PARENT,
    Operator,
    PageReader,
    Parameter,
    QueryableTable,
    include_paths,
    value_type,
)
from colonnade.resources.responses._problems import MEDIA_TYPE, ProblemDetails
from colonnade.resources.routes._examples import (
    NoExampleError,
    example_of,
    field_example,
    object_example,
)
from colonnade.resources.routes._named_values import (
    COUNTS,
    component_name,
    name_of,
    name_of_values,
    named_options,
    orderings,
)
from colonnade.writes import ETAG_PATTERN

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


Refs = Mapping[Any, JsonSchemaValue]
"""References to components, by their types."""


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

    Each of its types is in the document under its name, and can be referenced.
    """

    reference: str | None = None
    """For a component: Pydantic names it by what is between the last dot and the colon."""

    _is_documenting = False

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        # FastAPI copies the responses of a route, and a table cannot be copied.
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
        if self._is_documenting:  # a row in a tree: the first call defines it
            return {}
        self._is_documenting = True
        try:
            return self.document(self._references(handler), handler)
        finally:
            self._is_documenting = False

    def _references(self, handler: GetJsonSchemaHandler) -> Refs:
        """Define the types as components, and return the references to them."""
        types = self.types()
        # Each twice: Pydantic creates a definition for a type that is used more than once.
        mentioned: Any = GenericAlias(tuple, 2 * (*types, *self.parameter_types()))
        whole: Any = TypeAdapter(mentioned).core_schema
        handler(whole)
        parts = whole.get("schema", whole)["items_schema"]
        return {kind: handler(part) for kind, part in zip(types, parts, strict=False)}


class Body(DocumentedAs):
    """A request body.

    Args:
        schema: The schema of the body, or of each item of an array.
        exclude: Fields of the schema that the body does not have.
        extra_columns: Columns that the body has besides the fields of the schema, by name.
        max_items: The maximum length of the array; None if the body is a single object.
        changed_name: What the name of a schema without some fields ends with.
        mentioned: Types that the parameters of the route refer to.
    """

    def __init__(
        self,
        schema: type[BaseModel],
        *,
        exclude: frozenset[str] = frozenset(),
        extra_columns: Mapping[str, ColumnShape] | None = None,
        max_items: int | None = None,
        changed_name: str = "Link",
        mentioned: Iterable[Any] = (),
    ) -> None:
        self._mentioned = list(mentioned)
        self.schema = schema
        self.changed_name = changed_name
        self.exclude = exclude
        self.extra_columns = extra_columns or {}
        self.max_items = max_items

    @cached_property
    def model(self) -> type[BaseModel]:
        """The model of the body or of an item; it is made with the document."""
        name = self.schema.__name__
        if self.exclude:
            changed_name = name.removesuffix("Create") + self.changed_name
            return _changed(self.schema, changed_name, self.exclude)
        if self.extra_columns:
            return _changed(self.schema, f"{name}WithKey", extra=self.extra_columns)
        return self.schema

    def types(self) -> list[Any]:
        return [self.model]

    def parameter_types(self) -> list[Any]:
        return self._mentioned

    def document(self, refs: Refs, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        row = refs[self.model]
        if self.max_items is not None:
            row = {"type": "array", "items": row, "minItems": 1, "maxItems": self.max_items}
        try:
            example = self.example()
        except NoExampleError:
            return row
        return {**row, "examples": [example if self.max_items is None else [example]]}

    def example(self) -> dict[str, Any]:
        """Return an example of the body, or of an item.

        Raises:
            NoExampleError: No example is known for a required field.
        """
        return body_example(self.model, self.extra_columns)


def body_example(model: type[BaseModel], key: Collection[str] = ()) -> dict[str, Any]:
    """Return an example of a body.

    Args:
        model: The model of the body.
        key: The fields that name the row, and are not an example of a change.

    Raises:
        NoExampleError: No example is known for a required field.
    """
    whole = model.model_json_schema()
    definitions = whole.get("$defs", {})

    def resolve(part: Mapping[str, Any]) -> Mapping[str, Any]:
        name = part.get("$ref", "").rpartition("/")[2]
        return {**definitions[name], **part} if name else part

    schema = resolve(whole)  # that of a tree is a reference
    example = object_example(schema, resolve)
    if example.keys() <= set(key):  # nothing is required in an update
        example |= field_example(schema, resolve, key)
    return example


def _float_bounds(schema: dict[str, Any]) -> dict[str, Any]:
    """Move bounds of 64 bits to the next float inside them.

    FastAPI writes the bounds in components as floats, which readers round to integers outside.
    """
    bounds = {
        key: int(nextafter(schema[key], 0))
        for key in ("minimum", "maximum")
        if abs(schema.get(key, 0)) > 2**53
    }
    return {**schema, **bounds}


def _changed(
    schema: type[BaseModel],
    name: str,
    exclude: frozenset[str] = frozenset(),
    extra: Mapping[str, ColumnShape] | None = None,
) -> type[BaseModel]:
    """A model for the document alone: a schema without some fields, or with the key of a row."""
    fields: dict[str, Any] = {}
    for key, column in (extra or {}).items():
        fields[key] = key_field(column)
    for key, field in schema.model_fields.items():
        if key not in exclude and key not in fields:
            fields[key] = (field.annotation, field)
    return create_model(
        name, __config__=schema.model_config, __doc__=schema.__doc__, __module__=schema.__module__,
        **fields,
    )  # fmt: skip


def key_field(column: ColumnShape) -> tuple[Any, Any]:
    """Return the required field of a model for the value of a key column."""
    documented = _float_bounds(value_schema(column))
    if column.field.examples:
        documented["examples"] = column.field.examples
    return Annotated[value_type(column), WithJsonSchema(documented)], ...


class Rows(DocumentedAs):
    """A row in a response, or an array of rows.

    Args:
        queryable: The table.
        many: Whether the response is an array.
        name: What the names of components for this route begin with; None if the request cannot
            select fields and relations.
    """

    def __init__(
        self, queryable: QueryableTable, *, many: bool = False, name: str | None = None
    ) -> None:
        self.queryable = queryable
        self.many = many
        self.name = name

    def types(self) -> list[Any]:
        if self.name is None:
            return [self.queryable.read]
        return [_row_type(self.queryable, self.name), _PartialRow.type(self.queryable, self.name)]

    def parameter_types(self) -> list[Any]:
        return [] if self.name is None else list(named_options(self.queryable, self.name).values())

    def document(self, refs: Refs, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        rows = list(refs.values())
        row = rows[0] if len(rows) == 1 else {"anyOf": rows}
        return {"type": "array", "items": row} if self.many else row


class ParameterProblem(DocumentedAs):
    """The problem of a bad query parameter, with the components that the parameters refer to.

    Args:
        rows: The rows that the parameters select.
    """

    def __init__(self, rows: Rows) -> None:
        self.rows = rows

    def types(self) -> list[Any]:
        return [ProblemDetails]

    def parameter_types(self) -> list[Any]:
        return [*self.rows.types(), *self.rows.parameter_types()]

    def document(self, refs: Refs, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return refs[ProblemDetails]


class _RowComponent(DocumentedAs):
    """A component for a row with relations."""

    suffix: str

    def __init__(self, queryable: QueryableTable, name: str) -> None:
        self.queryable = queryable
        self.reference = f"colonnade.{name}{self.suffix}:{id(queryable)}"
        self.related = {
            relation: _row_type(target.queryable, f"{name}{component_name(relation)}")
            for relation, target in queryable.relations.items()
        }

    @classmethod
    def type(cls, queryable: QueryableTable, name: str) -> Any:
        """Make the type of the component."""
        return cls(queryable, name).as_type(name)

    def types(self) -> list[Any]:
        return [self.queryable.read, *self.related.values()]

    def _related_schemas(self, refs: Refs) -> dict[str, JsonSchemaValue]:
        return {
            relation: related_schema(self.queryable.relations[relation].relation, refs[row_type])
            for relation, row_type in self.related.items()
        }


class _RowWithRelations(_RowComponent):
    """A row with the relations that a request may include."""

    suffix = "WithRelations"

    def document(self, refs: Refs, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        related = {
            relation: schema
            for relation, schema in self._related_schemas(refs).items()
            if relation not in self.queryable.always_included
        }
        return {"allOf": [refs[self.queryable.read], {"type": "object", "properties": related}]}


class _PartialRow(_RowComponent):
    """A row with ``fields=``."""

    suffix = "Partial"

    def document(self, refs: Refs, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        whole = handler.resolve_ref_schema(refs[self.queryable.read])
        properties = {
            name: schema
            for name, schema in whole["properties"].items()
            if name in self.queryable.columns
        }
        return {
            "description": "The requested fields and relations",
            "type": "object",
            "properties": {**properties, **self._related_schemas(refs)},
        }


def _row_type(queryable: QueryableTable, name: str) -> Any:
    if queryable.relations.keys() <= queryable.always_included:
        return queryable.read
    return _RowWithRelations.type(queryable, name)


def related_schema(relation: RelationShape, row: JsonSchemaValue) -> JsonSchemaValue:
    """Return the JSON schema of a relation of a row.

    Args:
        relation: The relation.
        row: The schema of a related row.
    """
    if relation.is_list:
        return {"type": "array", "items": row}
    return {"anyOf": [row, {"type": "null"}]}


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


def page_parameters(reader: PageReader, name: str) -> list[dict[str, Any]]:
    """Return the query parameters of a list.

    Args:
        reader: Reads the parameters.
        name: What the names of components for this route begin with.

    Filters across relations are one parameter: published one by one, they would be most of the
    document. Those of the table's own fields are published with the operators that they are
    usually filtered by. All filters work, and all are checked.
    """
    queryable = reader.queryable
    named_types = named_options(queryable, name)
    parameters = [
        _query(option, *_option(option, reader, named_types.get(option)))
        for option in sorted(reader.options)
        if option != "include" or queryable.relations
    ]
    for filter_name, parameter in reader.parameters.items():
        if parameter.relation is not None or not _is_published(parameter):
            continue
        bare = filter_name.removesuffix("__eq")
        if parameter.operator == "eq" and filter_name != bare and bare not in OPTIONS:
            continue  # documented under its bare name
        schema = _operand(parameter.operator, parameter.shape)
        values = name_of_values(queryable, parameter.column)
        if values is not None:
            schema = _with_reference(schema, values)
        parameters.append(_query(filter_name, schema))
    if reader.parameters and queryable.relations:
        parameters.append(_relation_filters(queryable))
    return parameters


def _with_reference(schema: dict[str, Any], name: str) -> dict[str, Any]:
    """Replace the values in the schema of an operand by a reference."""
    if "enum" in schema:
        others = {key: value for key, value in schema.items() if key not in {"enum", "type"}}
        return {"$ref": f"#/components/schemas/{name}", **others}
    if "enum" in schema.get("items", {}):
        return {**schema, "items": _with_reference(schema["items"], name)}
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


def _option(name: str, reader: PageReader, named_type: Any) -> tuple[dict[str, Any], str]:
    queryable = reader.queryable
    listed = {"type": "array", "minItems": 1}
    options: dict[str, tuple[dict[str, Any], str]] = {
        "limit": (_integer(1, reader.max_limit, reader.default_limit), "Maximum number of rows"),
        "offset": (_integer(0, 2**63 - 1, 0), "Number of rows to skip; not with a cursor"),
        "cursor": ({"type": "string"}, "A cursor from the Link header of another page"),
        "count": (
            {"type": "string", "enum": list(COUNTS), "default": "none"},
            "Count all rows, and return the number in X-Total-Count",
        ),
        "order_by": (
            {
                "type": "array",
                "minItems": 1,
                "maxItems": 1,
                "items": {"enum": orderings(queryable)},
            },
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
    schema, description = options[name]
    if named_type is not None:
        schema = _with_reference(schema, name_of(named_type))
    return schema, description


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
            {"const": "all"},
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


def create_only_parameter() -> dict[str, Any]:
    """Return the parameter for an ``If-None-Match`` that forbids a stored row."""
    parameter = header_parameter("If-None-Match", "* to create the row only")
    parameter["schema"] = {"type": "string", "pattern": "^\\*$", "examples": ["*"]}
    return parameter


def upsert_parameters(
    keys: Iterable[str], fields: Iterable[str], named_types: Mapping[str, Any]
) -> list[dict[str, Any]]:
    """Return the query parameters of an upsert.

    Args:
        keys: The names of the unique keys.
        fields: The fields that a conflict can change.
        named_types: The types of the parameters whose values are a component.
    """
    options: dict[str, tuple[dict[str, Any], str]] = {
        "on_conflict": (
            {"type": "string", "enum": list(keys)},
            "A unique key: if a row has the same values in it, that row is changed, or kept",
        ),
        "update": (
            {"type": "array", "minItems": 1, "items": {"enum": list(fields)}},
            "The fields of that row that change, separated by commas; by default those in the "
            "body. Only with on_conflict, and without keep",
        ),
        "keep": ({"type": "boolean"}, "Keep that row as it is; only with on_conflict"),
    }
    if not list(fields):
        del options["update"]
    return [
        _query(
            name,
            _with_reference(schema, name_of(named_types[name])) if name in named_types else schema,
            description,
        )
        for name, (schema, description) in options.items()
    ]


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


def created_response(rows: Any) -> dict[int | str, dict[str, Any]]:
    """Return the response with a created row, besides that with a changed one."""
    headers = {name: _HEADERS[name] for name in ("Location", "ETag")}
    return {201: {"description": "The created row", "headers": headers, "model": rows}}


def changed_response(rows: Any, *, many: bool = False) -> dict[int | str, dict[str, Any]]:
    """Return the response of an upsert that changed or kept a row, besides that of a create.

    Args:
        rows: The documented row or rows.
        many: Whether it is the response of a batch.
    """
    if many:
        return {200: {"description": "The rows, some of them changed or kept", "model": rows}}
    headers = {"ETag": _HEADERS["ETag"]}
    return {200: {"description": "The changed or kept row", "headers": headers, "model": rows}}
