"""What a rule about tables is, and what it is shown."""

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

ModuleScope = tuple[str, int, int, int]


@dataclass
class Schema:
    """The tables that are reviewed, and the classes they are mapped to.

    Attributes:
        metadata: The tables.
        mappers: The class that each table is mapped to, if one is.
        unmapped: The class of each table that cannot be mapped to it, and why.
    """

    metadata: MetaData
    mappers: dict[Table, "Mapper[object]"] = field(default_factory=dict)
    unmapped: dict[Table, tuple["Mapper[object]", Exception]] = field(default_factory=dict)

    @property
    def tables(self) -> list[Table]:
        """The tables, by their names."""
        return sorted(self.metadata.tables.values(), key=lambda table: table.fullname)

    @cached_property
    def _places(self) -> dict[Table, ModuleScope]:
        unmapped = {table: mapper for table, (mapper, _) in self.unmapped.items()}
        return {table: _place(mapper.class_) for table, mapper in (self.mappers | unmapped).items()}

    def finding(self, code: str, table: Table, message: str, advice: str | None = None) -> Finding:
        """A finding at the class of a table."""
        path, line, column, end = self._places.get(table, (table.fullname, 1, 1, 1))
        return Finding(path, line, column, code, message, line, end, advice=advice)


def _place(class_: type) -> ModuleScope:
    """Where a class is defined, from where the user stands, and where its name is in that line."""
    try:
        path = Path(inspect.getsourcefile(class_) or "")
        lines, line = inspect.getsourcelines(class_)
    except (OSError, TypeError):
        return class_.__module__, 1, 1, 1
    here = Path.cwd()
    shown = str(path.relative_to(here) if path.is_relative_to(here) else path)
    for number, text in enumerate(lines, line):
        match = re.match(rf"\s*class ({class_.__name__})\b", text)
        if match is not None:
            return shown, number, match.start(1) + 1, match.end(1) + 1
    return shown, line, 1, 1


class SchemaRule(BaseRule):
    """One thing that goes wrong in tables."""

    @abstractmethod
    def check(self, schema: Schema) -> Iterator[Finding]:
        """Find it."""


def names(columns: "list[Column[Any]]") -> str:
    """Columns, as messages list them: `a`, `b`."""
    return ", ".join(f"`{column.name}`" for column in columns)
