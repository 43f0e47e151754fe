"""JSON columns that do not track changes inside their values."""

import ast

from colonnade.lint._context import Context
from colonnade.lint.project._models import ModelField
from colonnade.lint.rules.columns._stock_columns import COLLECTIONS, MAPPINGS

MUTABLE = ("Mutable", "mutable", "as_mutable")


def is_untracked_json(context: Context, field: ModelField) -> bool:
    """Whether a field is a collection in a JSON column that does not track changes inside it."""
    model = field.owner
    if not (model.is_stock_sqlmodel or model.is_declarative):
        return False
    is_mapping = field.hint.name in MAPPINGS
    if not (field.hint.collection in COLLECTIONS or is_mapping):
        return False
    types = list(field.type_expressions())
    text = " ".join(ast.unparse(type_expression) for type_expression in types)
    return "JSON" in text and not any(word in text for word in MUTABLE)
