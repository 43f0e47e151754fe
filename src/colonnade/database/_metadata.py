"""Collect the MetaData objects of all models: SQLModel's and those of custom base classes."""

from collections.abc import Iterator, Sequence
from typing import Any

import sqlmodel
from sqlalchemy import MetaData, Table

ORIGINAL = "colonnade.original"
"""The key in the ``info`` of a merged MetaData that maps table keys to the original tables."""


REFLECTED = "colonnade.reflected"
"""The key in the ``info`` of a MetaData whose tables were reflected from a database."""


def metadatas() -> list[MetaData]:
    """Return the MetaData of every table model in the program, SQLModel's own first."""
    collected = [sqlmodel.SQLModel.metadata]
    for model in _subclasses(sqlmodel.SQLModel):
        table = model.__dict__.get("__table__")
        if not isinstance(table, Table) or table.metadata.info.get(REFLECTED):
            continue
        if table.metadata.tables.get(table.key) is table:
            collected.append(table.metadata)
    return list({id(metadata): metadata for metadata in collected}.values())


def table_models() -> list[type[sqlmodel.SQLModel]]:
    """Return the table models in the program, except those that were reflected from a database."""
    return [
        model
        for model in dict.fromkeys(_subclasses(sqlmodel.SQLModel))
        if isinstance(table := model.__dict__.get("__table__"), Table)
        and not table.metadata.info.get(REFLECTED)
        and table.metadata.tables.get(table.key) is table
    ]


def _subclasses(model: Any) -> Iterator[Any]:
    for subclass in model.__subclasses__():
        yield subclass
        yield from _subclasses(subclass)


def merged(metadatas: Sequence[MetaData]) -> MetaData:
    """Merge several MetaData objects. A single one is returned as it is.

    Args:
        metadatas: The MetaData objects, whose tables are copied into a new one.

    Raises:
        ValueError: Two of them contain a table of the same name.
    """
    if len(metadatas) == 1:
        return metadatas[0]
    combined = MetaData()
    for table in (table for metadata in metadatas for table in metadata.tables.values()):
        if table.key in combined.tables:
            raise ValueError(
                f"Two models have a table named {table.key!r}, in different MetaData objects that "
                "share a database. Give one of them another __tablename__."
            )
        copy = table.to_metadata(combined)
        combined.info.setdefault(ORIGINAL, {})[copy.key] = table
        _keep_names(table, copy)
    return combined


def _keep_names(table: Table, copy: Table) -> None:
    """Restore the names of indexes and constraints, which copying may have changed."""
    for originals, copies in ((table.indexes, copy.indexes), (table.constraints, copy.constraints)):
        names = {_signature(original): original.name for original in originals}
        for copied in copies:
            copied.name = names.get(_signature(copied), copied.name)


def _signature(constraint: Any) -> Any:
    columns = tuple(
        str(getattr(column, "name", column)) for column in getattr(constraint, "columns", ())
    )
    return type(constraint).__name__, columns, str(getattr(constraint, "sqltext", ""))
