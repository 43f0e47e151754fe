"""Columns whose type stock sqlmodel infers from the annotation."""

import ast
from collections.abc import Iterator

from colonnade.lint._context import Context
from colonnade.lint.project._models import Model, ModelField

COLLECTIONS = frozenset({"list", "List", "set", "Set", "Sequence", "tuple", "Tuple"})
MAPPINGS = frozenset({"dict", "Dict", "typing.Dict", "builtins.dict", "typing.Mapping"})


def stock_columns(context: Context) -> Iterator[tuple[Model, ModelField, list[str]]]:
    """Yield the fields whose column stock sqlmodel creates: model, field, names of the tables."""
    names = context.project.names
    for model in context.models:
        if not model.is_stock_sqlmodel:
            continue
        subclasses = names.subclasses.get(model.name, frozenset()) & names.tables
        tables = [model.name] if model.is_table else sorted(subclasses)
        if not tables:
            continue
        for field in model.declared.values():
            if isinstance(field, ModelField) and has_inferred_type(field):
                affected = [
                    table
                    for table in tables
                    if (subclass := context.project.model(table)) is not None
                    and subclass.fields.get(field.name) is field
                    and subclass.is_stock_sqlmodel
                ]
                if affected:
                    yield model, field, affected


def has_inferred_type(field: ModelField) -> bool:
    """Whether a field sets no column type, so that sqlmodel infers it."""
    return field.options.keys().isdisjoint({"sa_type", "sa_column", "sa_column_args"}) and not (
        isinstance(field.node, ast.AnnAssign) and field.node.simple == 0
    )
