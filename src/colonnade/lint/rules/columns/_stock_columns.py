"""Columns as sqlmodel itself makes them."""

import ast
from collections.abc import Iterator

from colonnade.lint._context import Context
from colonnade.lint.project._models import Attribute, Model

COLLECTIONS = frozenset({"list", "List", "set", "Set", "Sequence", "tuple", "Tuple"})


MAPPINGS = frozenset({"dict", "Dict", "typing.Dict", "builtins.dict", "typing.Mapping"})


def stock_columns(at: Context) -> Iterator[tuple[Model, Attribute, list[str]]]:
    """The fields that become columns of sqlmodel's, and the tables they do so in."""
    names = at.project.names
    for model in at.models:
        if not model.stock:
            continue
        heirs = names.heirs.get(model.name, frozenset()) & names.tables
        tables = [model.name] if model.table else sorted(heirs)
        if not tables:
            continue
        for field in model.own.values():
            if isinstance(field, Attribute) and plain(field):
                hidden = [
                    table
                    for table in tables
                    if (heir := at.project.model(table)) is not None
                    and heir.attributes.get(field.name) is field
                    and heir.stock
                ]
                if hidden:
                    yield model, field, hidden


def plain(field: Attribute) -> bool:
    return field.options.keys().isdisjoint({"sa_type", "sa_column", "sa_column_args"}) and not (
        isinstance(field.node, ast.AnnAssign) and field.node.simple == 0
    )
