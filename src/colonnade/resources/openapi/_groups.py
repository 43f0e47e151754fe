"""The groups of an aggregate in the OpenAPI document."""

from collections.abc import Callable
from functools import partial
from typing import Any

from pydantic import GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue

from colonnade.query import FUNCTIONS, FieldPath, PathError, QueryableTable, functions_of
from colonnade.query.groups import GroupReader, units_of
from colonnade.resources.openapi._documented_as import DocumentedAs, Refs
from colonnade.resources.openapi._named_values import named_values
from colonnade.resources.openapi._query_parameters import (
    filters_parameter,
    option_parameter,
    option_parameters,
)
from colonnade.resources.openapi._values import value_of

EXAMPLE_ZONE = "Europe/Berlin"


class Groups(DocumentedAs):
    """The array of groups in a response.

    Args:
        reader: Reads the requests.
        name: What the names of components for this route begin with.
    """

    def __init__(self, reader: GroupReader, name: str) -> None:
        self.reader = reader
        self.name = name

    def types(self) -> list[Any]:
        return [_Group(self.reader, self.name).as_type(f"{self.name}Group")]

    def parameter_types(self) -> list[Any]:
        return list(named_groups(self.reader, self.name).values())

    def document(self, refs: Refs, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        (group,) = refs.values()
        return {"type": "array", "items": group}


class _Group(DocumentedAs):
    """One group: the fields and aggregates that the request names."""

    def __init__(self, reader: GroupReader, name: str) -> None:
        self.reader = reader
        self.reference = f"colonnade.{name}Group:{id(reader)}"

    def types(self) -> list[Any]:
        return []

    def document(self, refs: Refs, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        keys, measures = group_names(self.reader), measure_paths(self.reader)
        properties = {name: value_of(path) for name, path in (keys | measures).items()}
        return {
            "type": "object",
            "description": "The values of group_by and aggregate, by their names in the request",
            "properties": properties,
            "additionalProperties": True,
        }


def group_names(reader: GroupReader) -> dict[str, FieldPath]:
    """Return the usual fields to group by: columns, buckets, and columns of to-one relations."""
    queryable = reader.queryable
    names = []
    for name in _groupable(queryable):
        names.append(name)
        names += [f"{name}.{unit}" for unit in units_of(queryable.paths[name].shape)]
    for relation, target in queryable.relations.items():
        if not target.relation.is_list:
            names += [
                f"{relation}.{name}"
                for name in _groupable(target.queryable)
                if not _is_key(target.queryable.paths[name])
            ]
    paths = {name: _path_of(partial(reader.fields.key, name, "UTC")) for name in names}
    return {name: path for name, path in paths.items() if path is not None}


def _groupable(queryable: QueryableTable) -> list[str]:
    return [
        name
        for name, path in queryable.paths.items()
        if "count_distinct" in functions_of(path.shape)
    ]


def _path_of(read: Callable[[], FieldPath]) -> FieldPath | None:
    """The path that a function reads; None for an excluded field, which relations may lead to."""
    try:
        return read()
    except PathError:
        return None


def measure_paths(reader: GroupReader) -> dict[str, FieldPath]:
    """Return the usual aggregates: of the table, and the numbers of its relations."""
    queryable = reader.queryable
    names = ["count"]
    for name, path in queryable.paths.items():
        if name not in reader.fields.exclude:
            names += [f"{name}.{function}" for function in _usual_functions(path)]
    for relation, target in queryable.relations.items():
        names.append(f"{relation}.count")
        for name, path in target.queryable.paths.items():
            if "sum" in functions_of(path.shape) and not _is_key(path):
                names += [f"{relation}.{name}.{function}" for function in ("sum", "avg")]
    paths = {name: _path_of(partial(reader.fields.measure, name)) for name in names}
    return {name: path for name, path in paths.items() if path is not None}


def _usual_functions(path: FieldPath) -> list[str]:
    """The functions that make sense of most fields: not the sum of keys, nor a count of no NULL."""
    functions = functions_of(path.shape)
    if _is_key(path):
        return [function for function in functions if function == "count_distinct"]
    return [function for function in functions if function != "count" or path.shape.nullable]


def _is_key(path: FieldPath) -> bool:
    return path.shape.primary_key or path.shape.foreign_key is not None


def named_groups(reader: GroupReader, name: str) -> dict[str, Any]:
    """Return the types of ``group_by`` and ``aggregate``, whose values are components."""
    return {
        "group_by": named_values(f"{name}GroupBy", group_names(reader), owner=reader),
        "aggregate": named_values(f"{name}Aggregate", measure_paths(reader), owner=reader),
    }


def group_parameters(reader: GroupReader, name: str) -> list[dict[str, Any]]:
    """Return the query parameters of an aggregate.

    Args:
        reader: Reads the requests.
        name: What the names of components for this route begin with.
    """
    keys, measures = list(group_names(reader)), list(measure_paths(reader))
    listed = {"type": "array", "minItems": 1}
    options: dict[str, tuple[dict[str, Any], str]] = {
        "group_by": (
            {**listed, "maxItems": 1, "items": {"enum": keys}},
            "Fields to group by, separated by commas; without it, all rows are one group",
        ),
        "aggregate": (
            {**listed, "maxItems": 1, "items": {"enum": measures}},
            f"What to compute of each group, separated by commas. The functions are "
            f"{', '.join(FUNCTIONS)}",
        ),
        "having": (
            {"type": "string"},
            'Conditions on the aggregates as JSON, such as {"count__gt": 3}',
        ),
        "order_by": (
            {**listed, "maxItems": 1, "items": {"type": "string"}},
            "Names of group_by and aggregate to sort by, separated by commas; - for descending",
        ),
        "tz": (
            {"type": "string", "default": "UTC", "examples": [EXAMPLE_ZONE]},
            "The time zone of time buckets, an IANA name",
        ),
        "fill": (
            {"type": "boolean", "default": False},
            "Whether periods without rows are groups too; with one time bucket in group_by",
        ),
    }
    named = named_groups(reader, name)
    documented = [
        option_parameter(option, schema, description, named.get(option))
        for option, (schema, description) in options.items()
    ]
    for parameter in documented:
        if parameter["name"] == "aggregate":
            parameter["required"] = True
            parameter["example"] = ["count"]
    return [
        *documented,
        *option_parameters(reader.page_reader, ("cursor", "limit", "where"), name),
        filters_parameter(reader.queryable),
    ]
