"""Which table a schema is a view of."""

import re

from colonnade.lint.project._models import Model

UPDATE = re.compile(r"(Update|Patch)")
READ = re.compile(r"(Read|Public|Response|Out|Detail|View)")
WORDS = re.compile(
    r"(Partial)?(Create|Update|Patch|Read|Public|Response|Output|Out|Input|In|Detail|View|Schema|DTO|"
    r"Request|Model|Base|Me|I(?=[A-Z]))"
)
BOUNDS = ("max_length", "min_length", "ge", "gt", "le", "lt", "pattern", "regex", "multiple_of")


def subject(schema: Model) -> Model | None:
    """The table that a schema is a view of, by its bases or else by its name; None if unclear."""
    names = schema.project.names
    tables = {
        heir
        for base in schema.bases
        for heir in (names.heirs.get(base.name, frozenset()) | {base.name}) & names.tables
    }
    if len(tables) == 1:
        return schema.project.model(tables.pop())
    title = WORDS.sub("", schema.title)
    if not title or title == schema.title:
        return None
    beside = f"{schema.name.rpartition('.')[0]}.{title}"
    model = schema.project.model(beside) or schema.project.model(
        schema.project.by_title(title, schema.module.name)
    )
    return model if model is not None and model.table else None


def is_update(schema: Model) -> bool:
    """Whether a schema is what a PATCH sends, by its name."""
    return schema.schema and UPDATE.search(schema.title) is not None
