"""Relations along foreign keys, and the order that models come in."""

from collections.abc import Mapping
from graphlib import CycleError, TopologicalSorter

import sqlalchemy as sa

from colonnade.migrations.adopt._classes import ClassSource, Key, RelationSource
from colonnade.migrations.adopt._constraints import sorted_keys, specs_of, target_of
from colonnade.models import plural, relation_names


def keys_of(one: ClassSource, classes: Mapping[str, ClassSource]) -> list[Key]:
    """The foreign keys that the model has, and what they refer to."""
    said = "\n".join(one.arguments)
    found = []
    for key in sorted_keys(one.table):
        target = target_of(key)
        columns = list(key.column_keys)
        in_field = "foreign_key" in one.fields[columns[0]].options and len(columns) == 1
        if target in classes and (in_field or f"ForeignKeyConstraint({columns!r}" in said):
            found.append((key, classes[target]))
    return found


def _links(one: ClassSource, keys: list[Key]) -> bool:
    """Whether a table only links two others."""
    columns = [name for key, _ in keys for name in key.column_keys]
    whole = sorted(columns) == sorted(one.fields)
    targets = {target.name for _, target in keys} - {one.name}
    return (
        whole
        and len(keys) == len(targets) == 2
        and all(source.column.primary_key for source in one.fields.values())
    )


def relate(
    one: ClassSource,
    keys: Mapping[str, list[Key]],
    classes: Mapping[str, ClassSource],
    notes: list[str],
) -> None:
    own = keys[one.table.key]
    if _links(one, own):
        (_, first), (_, second) = own
        here = first.free(plural(second.table.name))
        there = second.free(plural(first.table.name))
        first.relations.append(RelationSource(here, second.name, there, True, one.name))
        second.relations.append(RelationSource(there, first.name, here, True, one.name))
        return
    made: list[tuple[set[str], list[RelationSource]]] = []
    for key, target in own:
        back = [to for _, to in keys[target.table.key]].count(one)
        several = [to for _, to in own].count(target) + (back if target is not one else 0) > 1
        relations = _along(one, key, target, several)
        if relations is None:
            said = ", ".join(key.column_keys)
            notes.append(f"{one.table.name}.{said} refers to itself: there is no relation for it.")
            continue
        made.append((set(key.column_keys), relations))
    _overlap(made)


def _along(
    one: ClassSource, key: sa.ForeignKeyConstraint, target: ClassSource, several: bool
) -> list[RelationSource] | None:
    """The relations of a foreign key, from either side."""
    here = [one.fields[name].name for name in key.column_keys]
    ends = [spec.rpartition(".")[2] for spec in specs_of(key)]
    there = [target.fields[name].name for name in ends]
    if target is one and set(here) & set(there):
        return None  # which side a column is on could not be told
    single, many = relation_names(one.table, key)
    single = one.free(single)
    first = RelationSource(single, target.name, "", False)
    one.relations.append(first)
    many = target.free(many)
    first.back = many
    rule = (key.ondelete or "").upper()
    second = RelationSource(many, one.name, single, True, passive=rule in ("CASCADE", "SET NULL"))
    target.relations.append(second)
    if several:
        first.options["foreign_keys"] = second.options["foreign_keys"] = _listed(one, here)
    if target is one:
        first.options["remote_side"] = _listed(one, there)
    return [first, second]


def _listed(one: ClassSource, names: list[str]) -> str:
    said = ", ".join(f"{one.name}.{name}" for name in names)
    return said if len(names) == 1 else f"[{said}]"


def _overlap(made: list[tuple[set[str], list[RelationSource]]]) -> None:
    """Tell SQLAlchemy that keys which share a column are meant to."""
    for columns, relations in made:
        others = [two for theirs, two in made if two is not relations and theirs & columns]
        names = sorted({one.name for other in others for one in other})
        for one in relations if names else ():
            one.options["overlaps"] = ",".join(names)


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
