"""Update schemas, and the tables they are for."""

from collections.abc import Iterator

from colonnade.lint._context import Context
from colonnade.lint.project._models import Model
from colonnade.lint.project._schemas import is_update_schema, table_of


def updates(context: Context) -> Iterator[tuple[Model, Model]]:
    for schema in context.models:
        partial = any(keyword.arg == "partial" for keyword in schema.node.keywords)
        if is_update_schema(schema) and not partial:
            table = table_of(schema)
            if table is not None:
                yield schema, table
