"""What ``describe`` says of tables: in brief, and in detail."""

from collections.abc import Mapping
from typing import Any

from colonnade.agents._tools import without_titles
from colonnade.resources import FieldDescription, ReadableTable, RelationDescription

READS = frozenset(("list", "read", "aggregate"))
MAX_BRIEF = 60
"""Number of tables up to which an answer has room for more than their names."""

MAX_DETAILED = 60
"""Number of fields of a table up to which an answer has room for all of their properties."""

_SHOWN_SCHEMA = ("maxLength", "minLength", "maximum", "minimum", "pattern", "format", "items")


def brief(tables: Mapping[str, ReadableTable], *, writable: bool) -> list[dict[str, Any]]:
    """A line for each table; of many tables, only their names.

    Args:
        tables: The tables that the caller may read.
        writable: Whether tools may write.
    """
    if len(tables) > MAX_BRIEF:
        return [{"table": name} for name in tables]
    return [
        _without_empty(
            {
                "table": name,
                "about": table.description.description.partition("\n\n")[0],
                "key": list(table.description.key),
                "fields": [field.name for field in table.description.fields],
                "relations": [relation.name for relation in table.description.relations],
                "operations": _operations(table, writable=writable),
            }
        )
        for name, table in tables.items()
    ]


def in_detail(name: str, tables: Mapping[str, ReadableTable], *, writable: bool) -> dict[str, Any]:
    """All that a caller may know of a table.

    Args:
        name: The table.
        tables: The tables that the caller may read.
        writable: Whether tools may write.
    """
    description = tables[name].description
    ids = {table.description.table: each for each, table in tables.items()}
    is_short = len(description.fields) > MAX_DETAILED
    shows_values = writable and not is_short
    values = {"create": description.create, "update": description.update} if shows_values else {}
    return _without_empty(
        {
            "table": name,
            "about": description.description,
            "key": list(description.key),
            "fields": [
                {"name": field.name, "type": field.kind} if is_short else _field(field, ids)
                for field in description.fields
            ],
            "relations": [_relation(each, ids) for each in description.relations],
            "operations": _operations(tables[name], writable=writable),
            "values": without_titles(_without_empty(values)),
        }
    )


def _operations(table: ReadableTable, *, writable: bool) -> list[str]:
    operations = table.description.operations
    return [each for each in operations if (writable and "many" not in each) or each in READS]


def _field(field: FieldDescription, ids: Mapping[str, str]) -> dict[str, Any]:
    references = None
    if field.references is not None and field.references[0] in ids:
        references = {"table": ids[field.references[0]], "field": field.references[1]}
    return _without_empty(
        {
            "name": field.name,
            "type": field.kind,
            "nullable": field.nullable,
            "unique": field.unique,
            "choices": None if field.choices is None else list(field.choices),
            "references": references,
            **{name: field.schema[name] for name in _SHOWN_SCHEMA if name in field.schema},
            "operators": " ".join(field.filters),
            "sortable": field.sortable,
        }
    )


def _relation(relation: RelationDescription, ids: Mapping[str, str]) -> dict[str, Any]:
    return _without_empty(
        {
            "name": relation.name,
            "kind": relation.kind,
            "table": ids.get(relation.link_table or relation.table),
            "may_include": relation.included,
            "may_count": relation.count is not None,
            "may_read": relation.listed,
            "may_link": relation.linkable,
            "may_write_nested": relation.nested,
        }
    )


def _without_empty(values: Mapping[str, Any]) -> dict[str, Any]:
    """Without what is false, empty or unknown, which only takes space."""
    return {name: value for name, value in values.items() if value not in (None, False, "", [], {})}
