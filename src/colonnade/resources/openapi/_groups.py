"""The groups of an aggregate in the OpenAPI document."""

from typing import Any

from pydantic import GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue

from colonnade.query import FUNCTIONS, FieldPath, QueryableTable, functions_of
from colonnade.query.groups import GroupReader, units_of
from colonnade.resources.openapi._documented_as import DocumentedAs, Refs
from colonnade.resources.openapi._query_parameters import filter_parameters_of, option_parameter
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
    names: dict[str, FieldPath] = {}
    for name in _groupable(reader.queryable):
        root = name.split(".")[0]
        if root in reader.fields.exclude:
            continue
        names[name] = reader.fields.key(name, "UTC")
    return names


def _groupable(queryable: QueryableTable, *, nested: bool = False) -> list[str]:
    names = []
    for name, path in queryable.paths.items():
        if "count_distinct" not in functions_of(path.shape):
            continue
        names.append(name)
        names += [f"{name}.{unit}" for unit in units_of(path.shape)]
    if not nested:
        for relation, target in queryable.relations.items():
            if not target.relation.is_list:
                names += [
                    f"{relation}.{name}" for name in _groupable(target.queryable, nested=True)
                ]
    return names


def measure_paths(reader: GroupReader) -> dict[str, FieldPath]:
    """Return the usual aggregates: of the table, and of its relations."""
    names = [
        name
        for name in _measurable(reader.queryable)
        if name.split(".")[0] not in reader.fields.exclude
    ]
    for relation, target in reader.queryable.relations.items():
        names += [f"{relation}.{name}" for name in _measurable(target.queryable)]
    return {name: reader.fields.measure(name) for name in names}


def _measurable(queryable: QueryableTable) -> list[str]:
    return ["count"] + [
        f"{name}.{function}"
        for name, path in queryable.paths.items()
        for function in functions_of(path.shape)
    ]


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
    documented = [option_parameter(name, *option) for name, option in options.items()]
    for parameter in documented:
        if parameter["name"] == "aggregate":
            parameter["required"] = True
            parameter["example"] = ["count"]
    return [
        *documented,
        *filter_parameters_of(reader.page_reader, {"cursor", "limit", "where"}, name),
    ]
