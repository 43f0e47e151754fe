"""The base class of rules about tables, and the schema that they check."""

import inspect
import re
from abc import abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from sqlalchemy import Column, MetaData, Table
from sqlalchemy.orm import Mapper

from colonnade.lint._findings import Finding
from colonnade.lint._rule import BaseRule

Location = tuple[str, int, int, int]


@dataclass
class Schema:
    """The tables to review, and the classes that are mapped to them.

    Attributes:
        metadata: The tables.
        mappers: The mapper of each table that has one.
        unmapped: The mapper of each table whose class cannot be mapped, and the error.
    """

    metadata: MetaData
    mappers: dict[Table, "Mapper[object]"] = field(default_factory=dict)
    unmapped: dict[Table, tuple["Mapper[object]", Exception]] = field(default_factory=dict)

    @property
    def tables(self) -> list[Table]:
        """The tables, sorted by name."""
        return sorted(self.metadata.tables.values(), key=lambda table: table.fullname)

    @cached_property
    def _locations(self) -> dict[Table, Location]:
        unmapped = {table: mapper for table, (mapper, _) in self.unmapped.items()}
        return {
            table: _class_location(mapper.class_)
            for table, mapper in (self.mappers | unmapped).items()
        }

    def finding(self, code: str, table: Table, message: str, advice: str | None = None) -> Finding:
        """Make a finding at the class that is mapped to a table."""
        path, line, column, end = self._locations.get(table, (table.fullname, 1, 1, 1))
        return Finding(path, line, column, code, message, line, end, advice=advice)


def _class_location(class_: type) -> Location:
    """The file that defines a class, and the line and columns of its name there."""
    try:
        path = Path(inspect.getsourcefile(class_) or "")
        lines, line = inspect.getsourcelines(class_)
    except (OSError, TypeError):
        return class_.__module__, 1, 1, 1
    here = Path.cwd()
    displayed_path = str(path.relative_to(here) if path.is_relative_to(here) else path)
    for number, text in enumerate(lines, line):
        match = re.match(rf"\s*class ({class_.__name__})\b", text)
        if match is not None:
            return displayed_path, number, match.start(1) + 1, match.end(1) + 1
    return displayed_path, line, 1, 1


class SchemaRule(BaseRule):
    """A rule about tables."""

    @abstractmethod
    def check(self, schema: Schema) -> Iterator[Finding]:
        """Yield the findings in a schema."""


def names(columns: "list[Column[Any]]") -> str:
    """The names of columns, as messages list them: `a`, `b`."""
    return ", ".join(f"`{column.name}`" for column in columns)
