"""A model that is going to be written: its fields, its arguments, its relations."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import sqlalchemy as sa
from sqlalchemy import Table

from colonnade.migrations.adopt._columns import (
    FieldSource,
)
from colonnade.models import attribute_name

DATES = ("date", "datetime", "time", "timedelta")
MODULES = {
    **dict.fromkeys(DATES, "datetime"), "Decimal": "decimal", "Any": "typing",
    "Literal": "typing", "Optional": "typing", "UUID": "uuid", "NaiveDatetime": "pydantic",
    "postgresql": "sqlalchemy.dialects", "Field": "colonnade", "Relationship": "colonnade",
    "SQLModel": "colonnade", "Timestamps": "colonnade", "UTCTimestamp": "colonnade",
    "LooseText": "colonnade",
    "text": "sqlalchemy",
}  # fmt: skip
ARGUMENTS = (
    "CheckConstraint", "Computed", "ForeignKeyConstraint", "Identity", "Index",
    "PrimaryKeyConstraint", "UniqueConstraint",
)  # fmt: skip
_BUILTINS = frozenset(("int", "str", "bool", "float", "bytes", "list", "dict"))


@dataclass
class RelationSource:
    name: str
    target: str
    back: str
    many: bool
    link: str | None = None
    passive: bool = False
    options: dict[str, str] = field(default_factory=dict)

    def source(self) -> str:
        kind = f'list["{self.target}"]' if self.many else f'Optional["{self.target}"]'
        arguments = [f'back_populates="{self.back}"']
        arguments += [f"link_model={self.link}"] if self.link else []
        arguments += ['passive_deletes="all"'] if self.passive else []
        pairs = ", ".join(f'"{key}": "{value}"' for key, value in self.options.items())
        arguments += [f"sa_relationship_kwargs={{{pairs}}}"] if pairs else []
        return f"{self.name}: {kind} = Relationship({', '.join(arguments)})"


@dataclass
class ClassSource:
    table: Table
    name: str
    fields: dict[str, FieldSource] = field(default_factory=dict)
    arguments: list[str] = field(default_factory=list)
    relations: list[RelationSource] = field(default_factory=list)
    stamped: bool = False

    def free(self, name: str) -> str:
        """A name that no field and no relation has."""
        taken = {declared.name for declared in self.fields.values()} | {
            relation.name for relation in self.relations
        }
        # text() is for defaults alone: without one, ``text`` is free, a usual name of a column.
        allowed = (
            () if any(column.server_default is not None for column in self.table.c) else ("text",)
        )
        return free_name(name, taken, allowed)

    def sources(self) -> Iterator[str]:
        """The statements of its body."""
        if self.table.name != self.name.lower():
            yield f"__tablename__ = {str(self.table.name)!r}"
        options = {"comment": self.table.comment, "schema": self.table.schema}
        entries = ", ".join(f"{key!r}: {value!r}" for key, value in options.items() if value)
        arguments = [*self.arguments, *([f"{{{entries}}}"] if entries else [])]
        if arguments:
            yield f"__table_args__ = ({', '.join(arguments)},)"
        for declared in self.fields.values():
            if not (self.stamped and declared.name in ("created_at", "updated_at")):
                yield declared.source()
        yield from (relation.source() for relation in self.relations)


def free_name(wished: str, taken: Iterable[str], allowed: Iterable[str] = ()) -> str:
    """A name as Python has it, which hides none that the class needs."""
    used = dict.fromkeys(taken)
    name = attribute_name(wished, used)
    hidden = (_BUILTINS | MODULES.keys()).difference(DATES, allowed)
    while name in used or name in hidden:
        name = attribute_name(f"{name}_", used)
    return name


Key = tuple[sa.ForeignKeyConstraint, ClassSource]
