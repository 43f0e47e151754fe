"""Relations along foreign keys, and the order that models come in."""

from collections.abc import Mapping
from graphlib import CycleError, TopologicalSorter

import sqlalchemy as sa

from colonnade.migrations.adopt._classes import ClassSource, Key, RelationSource
from colonnade.migrations.adopt._constraints import sorted_keys, specs_of, target_of
from colonnade.models import plural, relation_names


def keys_of(source: ClassSource, classes: Mapping[str, ClassSource]) -> list[Key]:
    """The foreign keys that the model has, and what they refer to."""
    arguments = "\n".join(source.arguments)
    keys = []
    for key in sorted_keys(source.table):
        target = target_of(key)
        columns = list(key.column_keys)
        in_field = "foreign_key" in source.fields[columns[0]].options and len(columns) == 1
        if target in classes and (in_field or f"ForeignKeyConstraint({columns!r}" in arguments):
            keys.append((key, classes[target]))
    return keys


def _links(table_class: ClassSource, keys: list[Key]) -> bool:
    """Whether a table only links two others."""
    columns = [name for key, _ in keys for name in key.column_keys]
    whole = sorted(columns) == sorted(table_class.fields)
    targets = {target.name for _, target in keys} - {table_class.name}
    return (
        whole
        and len(keys) == len(targets) == 2
        and all(source.column.primary_key for source in table_class.fields.values())
    )


def relate(
    source: ClassSource,
    keys: Mapping[str, list[Key]],
    classes: Mapping[str, ClassSource],
    notes: list[str],
) -> None:
    own_keys = keys[source.table.key]
    if _links(source, own_keys):
        (_, first), (_, second) = own_keys
        here = first.free(plural(second.table.name))
        there = second.free(plural(first.table.name))
        first.relations.append(RelationSource(here, second.name, there, True, source.name))
        second.relations.append(RelationSource(there, first.name, here, True, source.name))
        return
    related: list[tuple[set[str], list[RelationSource]]] = []
    for key, target in own_keys:
        back = [to for _, to in keys[target.table.key]].count(source)
        several = [to for _, to in own_keys].count(target) + (
            back if target is not source else 0
        ) > 1
        relations = _along(source, key, target, several)
        if relations is None:
            columns = ", ".join(key.column_keys)
            notes.append(f"{source.table.name}.{columns} refers to itself and gets no relation.")
            continue
        related.append((set(key.column_keys), relations))
    _overlap(related)


def _along(
    source: ClassSource, key: sa.ForeignKeyConstraint, target: ClassSource, several: bool
) -> list[RelationSource] | None:
    """The relations of a foreign key, from either side."""
    here = [source.fields[name].name for name in key.column_keys]
    ends = [spec.rpartition(".")[2] for spec in specs_of(key)]
    there = [target.fields[name].name for name in ends]
    if target is source and set(here) & set(there):
        return None  # the two sides would have the same columns
    single, many = relation_names(source.table, key)
    single = source.free(single)
    first = RelationSource(single, target.name, "", False)
    source.relations.append(first)
    many = target.free(many)
    first.back = many
    rule = (key.ondelete or "").upper()
    second = RelationSource(
        many, source.name, single, True, passive=rule in ("CASCADE", "SET NULL")
    )
    target.relations.append(second)
    if several:
        first.options["foreign_keys"] = second.options["foreign_keys"] = _listed(source, here)
    if target is source:
        first.options["remote_side"] = _listed(source, there)
    return [first, second]


def _listed(source: ClassSource, names: list[str]) -> str:
    columns = ", ".join(f"{source.name}.{name}" for name in names)
    return columns if len(names) == 1 else f"[{columns}]"


def _overlap(related: list[tuple[set[str], list[RelationSource]]]) -> None:
    """Tell SQLAlchemy that keys which share a column are meant to."""
    for columns, relations in related:
        others = [two for theirs, two in related if two is not relations and theirs & columns]
        names = sorted({relation.name for other in others for relation in other})
        for relation in relations if names else ():
            relation.options["overlaps"] = ",".join(names)


def in_order(
    classes: Mapping[str, ClassSource], keys: Mapping[str, list[Key]]
) -> list[ClassSource]:
    """Links first, which others name; then what is referred to before what refers to it."""
    links = [name for name in classes if _links(classes[name], keys[name])]
    graph = {
        name: {to.table.key for _, to in keys[name]} - {name, *links}
        for name in classes if name not in links
    }  # fmt: skip
    try:
        sorter = TopologicalSorter(graph)
        sorter.prepare()
    except CycleError:
        return [classes[name] for name in (*links, *sorted(graph))]
    names = list(links)
    while sorter.is_active():
        ready = sorted(sorter.get_ready())
        names += ready
        sorter.done(*ready)
    return [classes[name] for name in names]
