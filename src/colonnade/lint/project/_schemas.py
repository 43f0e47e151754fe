"""The relation between schemas and their tables."""

import re

from colonnade.lint.project._models import Model

UPDATE_NAME = re.compile(r"(Update|Patch)")
READ_NAME = re.compile(r"(Read|Public|Response|Out|Detail|View)")
SCHEMA_WORDS = re.compile(
    r"(Partial)?(Create|Update|Patch|Read|Public|Response|Output|Out|Input|In|Detail|View|Schema|DTO|"
    r"Request|Model|Base|Me|I(?=[A-Z]))"
)
BOUNDS = ("max_length", "min_length", "ge", "gt", "le", "lt", "pattern", "regex", "multiple_of")


def table_of(schema: Model) -> Model | None:
    """The table that a schema belongs to, by its bases or its name; None if that is unclear."""
    names = schema.project.names
    tables = {
        table_name
        for base in schema.bases
        for table_name in (names.subclasses.get(base.name, frozenset()) | {base.name})
        & names.tables
    }
    if len(tables) == 1:
        return schema.project.model(tables.pop())
    class_name = SCHEMA_WORDS.sub("", schema.class_name)
    if not class_name or class_name == schema.class_name:
        return None
    beside = f"{schema.name.rpartition('.')[0]}.{class_name}"
    table = schema.project.model(beside) or schema.project.model(
        schema.project.resolve_class_name(class_name, schema.module.name)
    )
    return table if table is not None and table.is_table else None


def is_update_schema(schema: Model) -> bool:
    """Whether a schema is the body of a PATCH request, judging by its name."""
    return schema.is_schema and UPDATE_NAME.search(schema.class_name) is not None
