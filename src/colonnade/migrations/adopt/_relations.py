"""Write the relationships along foreign keys, and sort the models."""

from collections.abc import Mapping
from graphlib import CycleError, TopologicalSorter

import sqlalchemy as sa

from colonnade.migrations.adopt._classes import ClassSource, Key, RelationSource
from colonnade.migrations.adopt._constraints import sorted_keys, specs_of, target_of
from colonnade.models import plural, relation_names


def keys_of(model: ClassSource, classes: Mapping[str, ClassSource]) -> list[Key]:
    """The foreign keys of a model, with the models that they refer to."""
    arguments = "\n".join(model.arguments)
    keys = []
    for key in sorted_keys(model.table):
        target = target_of(key)
        columns = list(key.column_keys)
        in_field = "foreign_key" in model.fields[columns[0]].options and len(columns) == 1
        if target in classes and (in_field or f"ForeignKeyConstraint({columns!r}" in arguments):
            keys.append((key, classes[target]))
    return keys


def _links(model: ClassSource, keys: list[Key]) -> bool:
    """Whether a table is the link table of two others."""
    columns = [name for key, _ in keys for name in key.column_keys]
    is_whole_table = sorted(columns) == sorted(model.fields)
    targets = {target.name for _, target in keys} - {model.name}
    return (
        is_whole_table
        and len(keys) == len(targets) == 2
        and all(source.column.primary_key for source in model.fields.values())
    )


def add_relations(
    model: ClassSource,
    keys: Mapping[str, list[Key]],
    classes: Mapping[str, ClassSource],
    notes: list[str],
) -> None:
    """Add the relationships of a model's foreign keys to both sides."""
    model_keys = keys[model.table.key]
    if _links(model, model_keys):
        (_, first), (_, second) = model_keys
        second_list = first.free(plural(second.table.name))
        first_list = second.free(plural(first.table.name))
        first.relations.append(
            RelationSource(second_list, second.name, first_list, True, model.name)
        )
        second.relations.append(
            RelationSource(first_list, first.name, second_list, True, model.name)
        )
        return
    added: list[tuple[set[str], list[RelationSource]]] = []
    for key, target in model_keys:
        key_count = sum(key_target is target for _, key_target in model_keys)
        if target is not model:
            key_count += sum(key_target is model for _, key_target in keys[target.table.key])
        relations = _relations_along(model, key, target, is_ambiguous=key_count > 1)
        if relations is None:
            columns = ", ".join(key.column_keys)
            notes.append(
                f"The foreign key of {model.table.name} ({columns}) has no relationship, because "
                "it refers to its own columns."
            )
            continue
        added.append((set(key.column_keys), relations))
    _mark_overlaps(added)


def _relations_along(
    model: ClassSource, key: sa.ForeignKeyConstraint, target: ClassSource, *, is_ambiguous: bool
) -> list[RelationSource] | None:
    """Add the relationships on both sides of a foreign key.

    Args:
        model: The model with the foreign key.
        key: The foreign key.
        target: The model that it refers to.
        is_ambiguous: Whether several foreign keys connect the two models.
    """
    source_names = [model.fields[name].name for name in key.column_keys]
    target_columns = [spec.rpartition(".")[2] for spec in specs_of(key)]
    target_names = [target.fields[name].name for name in target_columns]
    if target is model and set(source_names) & set(target_names):
        return None  # remote_side would be ambiguous
    single, many = relation_names(model.table, key)
    single = model.free(single)
    first = RelationSource(single, target.name, "", False)
    model.relations.append(first)
    many = target.free(many)
    first.back_populates = many
    rule = (key.ondelete or "").upper()
    second = RelationSource(
        many, model.name, single, True, passive_deletes=rule in ("CASCADE", "SET NULL")
    )
    target.relations.append(second)
    if is_ambiguous:
        first.options["foreign_keys"] = second.options["foreign_keys"] = _listed(
            model, source_names
        )
    if target is model:
        first.options["remote_side"] = _listed(model, target_names)
    return [first, second]


def _listed(model: ClassSource, names: list[str]) -> str:
    columns = ", ".join(f"{model.name}.{name}" for name in names)
    return columns if len(names) == 1 else f"[{columns}]"


def _mark_overlaps(added: list[tuple[set[str], list[RelationSource]]]) -> None:
    """Declare relationships whose foreign keys share a column as overlapping."""
    for columns, relations in added:
        others = [
            relation_pair
            for other_columns, relation_pair in added
            if relation_pair is not relations and other_columns & columns
        ]
        names = sorted({relation.name for other in others for relation in other})
        for relation in relations if names else ():
            relation.options["overlaps"] = ",".join(names)


def sorted_models(
    classes: Mapping[str, ClassSource], keys: Mapping[str, list[Key]]
) -> list[ClassSource]:
    """Sort models: link tables first, then the targets of foreign keys before their sources."""
    links = [name for name in classes if _links(classes[name], keys[name])]
    graph = {
        name: {target_model.table.key for _, target_model in keys[name]} - {name, *links}
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
