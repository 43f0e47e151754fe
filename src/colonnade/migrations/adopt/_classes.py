"""The source of a model: its fields, table arguments and relationships."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import sqlalchemy as sa
from sqlalchemy import Table

from colonnade.migrations.adopt._columns import FieldSource
from colonnade.models import attribute_name

DATES = ("date", "datetime", "time", "timedelta")
ADDRESSES = (
    "IPv4Address", "IPv6Address", "IPv4Interface", "IPv6Interface", "IPv4Network", "IPv6Network",
)  # fmt: skip
MODULES = {
    **dict.fromkeys(DATES, "datetime"), "Decimal": "decimal", "Any": "typing",
    "Literal": "typing", "Optional": "typing", "UUID": "uuid", "NaiveDatetime": "pydantic",
    "postgresql": "sqlalchemy.dialects", "Field": "colonnade", "Relationship": "colonnade",
    "SQLModel": "colonnade", "Timestamps": "colonnade", "UTCTimestamp": "colonnade",
    "LooseText": "colonnade", "Range": "sqlalchemy.dialects.postgresql",
    **dict.fromkeys(ADDRESSES, "ipaddress"),
    "text": "sqlalchemy",
}  # fmt: skip
ARGUMENTS = (
    "CheckConstraint", "Computed", "ForeignKeyConstraint", "Identity", "Index",
    "PrimaryKeyConstraint", "UniqueConstraint",
)  # fmt: skip
_BUILTINS = frozenset(("int", "str", "bool", "float", "bytes", "list", "dict"))


@dataclass
class RelationSource:
    """The source of a relationship.

    Attributes:
        name: The name of the attribute.
        target: The class at the other end.
        back_populates: The name of the attribute at the other end.
        is_list: Whether the attribute is a list.
        link_model: The class of the link table, if there is one.
        passive_deletes: Whether the database deletes or updates the rows at the other end.
        options: Other arguments of SQLAlchemy's ``relationship()``, by name.
    """

    name: str
    target: str
    back_populates: str
    is_list: bool
    link_model: str | None = None
    passive_deletes: bool = False
    options: dict[str, str] = field(default_factory=dict)

    def source(self) -> str:
        kind = f'list["{self.target}"]' if self.is_list else f'Optional["{self.target}"]'
        arguments = [f'back_populates="{self.back_populates}"']
        arguments += [f"link_model={self.link_model}"] if self.link_model else []
        arguments += ['passive_deletes="all"'] if self.passive_deletes else []
        pairs = ", ".join(f'"{key}": "{value}"' for key, value in self.options.items())
        arguments += [f"sa_relationship_kwargs={{{pairs}}}"] if pairs else []
        return f"{self.name}: {kind} = Relationship({', '.join(arguments)})"


@dataclass
class ClassSource:
    """The source of a model class.

    Attributes:
        table: The reflected table.
        name: The name of the class.
        fields: The fields, by the names of their columns.
        arguments: The source of ``__table_args__``.
        relations: The relationships.
        has_timestamps: Whether the class uses the mixin ``Timestamps``.
    """

    table: Table
    name: str
    fields: dict[str, FieldSource] = field(default_factory=dict)
    arguments: list[str] = field(default_factory=list)
    relations: list[RelationSource] = field(default_factory=list)
    has_timestamps: bool = False

    def free(self, name: str) -> str:
        """A name that the model does not use yet, similar to the given one."""
        used_names = {source.name for source in self.fields.values()} | {
            relation.name for relation in self.relations
        }
        # The module imports text() for defaults only; without them a column may be named ``text``.
        allowed = (
            () if any(column.server_default is not None for column in self.table.c) else ("text",)
        )
        return free_name(name, used_names, allowed)

    def sources(self) -> Iterator[str]:
        """The statements in the body of the class."""
        if self.table.name != self.name.lower():
            yield f"__tablename__ = {str(self.table.name)!r}"
        options = {"comment": self.table.comment, "schema": self.table.schema}
        pairs = ", ".join(f"{key!r}: {value!r}" for key, value in options.items() if value)
        arguments = [*self.arguments, *([f"{{{pairs}}}"] if pairs else [])]
        if arguments:
            yield f"__table_args__ = ({', '.join(arguments)},)"
        for source in self.fields.values():
            if not (self.has_timestamps and source.name in ("created_at", "updated_at")):
                yield source.source()
        yield from (relation.source() for relation in self.relations)


def free_name(preferred: str, used_names: Iterable[str], allowed: Iterable[str] = ()) -> str:
    """A valid Python name that is unused and does not shadow a name that the class needs."""
    used = dict.fromkeys(used_names)
    name = attribute_name(preferred, used)
    hidden = (_BUILTINS | MODULES.keys()).difference(DATES, allowed)
    while name in used or name in hidden:
        name = attribute_name(f"{name}_", used)
    return name


Key = tuple[sa.ForeignKeyConstraint, ClassSource]
