"""The MetaDatas that models' tables are in: SQLModel's, and those that a base class names."""

from collections.abc import Iterator, Sequence
from typing import Any

import sqlmodel
from sqlalchemy import MetaData, Table

ORIGINAL = "colonnade.original"
"""Under which the ``info`` of a metadata of copies has the tables themselves, by their keys."""


REFLECTED = "colonnade.reflected"
"""Under which the ``info`` of a metadata says that its tables were read from a database."""


def metadatas() -> list[MetaData]:
    """Those of every table model that a program defines, SQLModel's own first."""
    collected = [sqlmodel.SQLModel.metadata]
    for model in _subclasses(sqlmodel.SQLModel):
        table = model.__dict__.get("__table__")
        if not isinstance(table, Table) or table.metadata.info.get(REFLECTED):
            continue
        if table.metadata.tables.get(table.key) is table:
            collected.append(table.metadata)
    return list({id(metadata): metadata for metadata in collected}.values())


def _subclasses(model: Any) -> Iterator[Any]:
    for subclass in model.__subclasses__():
        yield subclass
        yield from _subclasses(subclass)


def merged(collected: Sequence[MetaData]) -> MetaData:
    """Several MetaDatas as one: itself if there is one, else one with copies of their tables.

    Args:
        found: The MetaDatas.

    Raises:
        ValueError: Two of them have a table of the same name.
    """
    if len(collected) == 1:
        return collected[0]
    both = MetaData()
    for table in (table for metadata in collected for table in metadata.tables.values()):
        if table.key in both.tables:
            raise ValueError(
                f"Two tables are called {table.key}, in two MetaDatas that share a database. Give "
                "one of them another __tablename__."
            )
        copy = table.to_metadata(both)
        both.info.setdefault(ORIGINAL, {})[copy.key] = table
        _keep_names(table, copy)
    return both


def _keep_names(table: Table, copy: Table) -> None:
    """Have indexes and constraints be called as they are, whatever their copies were called."""
    for here, there in ((table.indexes, copy.indexes), (table.constraints, copy.constraints)):
        names = {_signature(constraint): constraint.name for constraint in here}
        for constraint in there:
            constraint.name = names.get(_signature(constraint), constraint.name)


def _signature(thing: Any) -> Any:
    columns = tuple(
        str(getattr(column, "name", column)) for column in getattr(thing, "columns", ())
    )
    return type(thing).__name__, columns, str(getattr(thing, "sqltext", ""))
