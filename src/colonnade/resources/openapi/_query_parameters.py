"""The query parameters of generated routes in the OpenAPI document."""

import json
from collections.abc import Collection, Iterable, Mapping
from typing import Any

from colonnade.models import ColumnShape
from colonnade.query import (
    MAX_LIST_VALUES,
    OPTIONS,
    ROWS_PER_PARENT,
    JSONPath,
    PageReader,
    Parameter,
    QueryableTable,
    include_paths,
    range_bound,
)
from colonnade.resources.openapi._examples import (
    NoExampleError,
    example_of,
)
from colonnade.resources.openapi._named_values import (
    COUNTS,
    name_of,
    name_of_values,
    named_options,
    orderings,
)
from colonnade.resources.openapi._parameters import path_parameter
from colonnade.resources.openapi._values import PLAIN_TEXT, value_schema


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
    parameters = option_parameters(reader, reader.options, name)
    for filter_name, parameter in reader.parameters.items():
        if parameter.relations or not _is_published(parameter):
            continue
        bare = filter_name.removesuffix("__eq")
        if parameter.operator == "eq" and filter_name != bare and bare not in OPTIONS:
            continue  # documented under its bare name
        schema = _operand(parameter)
        values = name_of_values(queryable, parameter.path.text)
        if values is not None:
            schema = _with_reference(schema, values)
        parameters.append(_query(filter_name, schema))
    if reader.parameters and queryable.relations:
        parameters.append(_relation_filters(queryable))
    return parameters + _aliases(reader, parameters)


def _aliases(reader: PageReader, parameters: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The parameters under their other names."""
    by_name = {parameter["name"]: parameter for parameter in parameters}
    aliases = []
    for alias, name in reader.aliases.items():
        if name in OPTIONS and name not in by_name:
            continue  # such as include, if there is nothing to include
        documented = by_name.get(name) or _query(name, _schema_of(name, reader))
        aliases.append({**documented, "name": alias, "description": f"Another name of {name}"})
    return aliases


def _schema_of(name: str, reader: PageReader) -> dict[str, Any]:
    parameter = reader.parameter(name)
    assert parameter is not None  # the reader has checked its aliases
    return _operand(parameter)


def option_parameters(
    reader: PageReader, options: Collection[str], name: str
) -> list[dict[str, Any]]:
    """Return the query parameters of a list that are not filters.

    Args:
        reader: Reads the parameters.
        options: Their names.
        name: What the names of components for this route begin with.
    """
    queryable = reader.queryable
    named_types = named_options(queryable, name)
    return [
        _query(option, *_option(option, reader, named_types.get(option)))
        for option in sorted(options)
        if option != "include" or include_paths(queryable)
    ]


def filters_parameter(queryable: QueryableTable) -> dict[str, Any]:
    """Return the parameter that stands for all filters of a table, where a list has them, too."""
    name = next(iter(queryable.columns), "id")
    return {
        "name": "filters",
        "in": "query",
        "style": "form",
        "explode": True,
        "description": "The filters of the list, each a query parameter",
        "schema": {"type": "object", "additionalProperties": {"type": "string"}},
        "example": {f"{name}__is_null": "false"},
    }


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
    column = parameter.path.shape
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


def _operand(parameter: Parameter) -> dict[str, Any]:
    operator, path = parameter.operator, parameter.path
    column = path.element if isinstance(path, JSONPath) and path.element else path.shape
    if operator == "is_null":
        return {"type": "boolean"}
    if operator in {"in", "not_in", "overlaps"}:
        items = value_schema(column)
        if column.kind in {"text", "path"}:
            items["pattern"] = "^[^,\\[\\u0000]+$"
        return {"type": "array", "items": items, "minItems": 1, "maxItems": MAX_LIST_VALUES}
    bound = range_bound(column)
    if operator == "contains" and bound is not None:
        return value_schema(bound)
    if operator.endswith(("contains", "startswith", "endswith")) and column is path.shape:
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
            {"type": "string", "enum": list(reader.counts), "default": reader.counts[0]},
            "Count all rows, and return the number in X-Total-Count"
            if reader.counts == COUNTS
            else "How to count all rows",
        ),
        "order_by": (
            {
                "type": "array",
                "minItems": 1,
                "maxItems": 1,
                "items": {"enum": orderings(queryable)},
            },
            "Fields to sort by, separated by commas; - for descending. The key breaks ties"
            + (f"; {reader.default_order_by} by default" if reader.default_order_by else ""),
        ),
        "fields": (
            {**listed, "items": {"enum": list(queryable.columns)}},
            "Fields to return, separated by commas",
        ),
        "include": (
            {**listed, "items": {"enum": include_paths(queryable)}},
            "Relations to include, separated by commas; name:5 for at most five rows per parent, "
            f"{ROWS_PER_PARENT} by default, or as many as the list in the row's schema may have",
        ),
        "where": (
            {"type": "string"},
            "Conditions as JSON, with and, or and not: " + _example_conditions(queryable),
        ),
    }
    schema, description = options[name]
    if named_type is not None and (name != "count" or reader.counts == COUNTS):
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


def option_parameter(
    name: str, schema: dict[str, Any], description: str, named_type: Any = None
) -> dict[str, Any]:
    """Return a query parameter that is not a filter.

    Args:
        name: Its name.
        schema: Its JSON schema.
        description: Its description.
        named_type: The type of its values, if they are a component.
    """
    if named_type is not None:
        schema = _with_reference(schema, name_of(named_type))
    return _query(name, schema, description)


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
