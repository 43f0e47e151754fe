"""Update schemas and their tables."""

from collections.abc import Iterator

from colonnade.lint._context import Context
from colonnade.lint.project._models import Model
from colonnade.lint.project._schemas import is_update_schema, table_of


def update_schemas(context: Context) -> Iterator[tuple[Model, Model]]:
    """Yield each update schema that is not ``partial``, with its table."""
    for schema in context.models:
        partial = any(keyword.arg == "partial" for keyword in schema.node.keywords)
        if is_update_schema(schema) and not partial:
            table = table_of(schema)
            if table is not None:
                yield schema, table
