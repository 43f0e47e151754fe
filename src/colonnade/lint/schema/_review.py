"""A metadata, reviewed by the rules."""

from sqlalchemy import MetaData
from sqlalchemy.orm import Mapper, configure_mappers, registry

from colonnade.lint._findings import Finding
from colonnade.lint.schema._rule import Schema
from colonnade.lint.schema.rules import metadata_rules


def schema_of(metadata: MetaData, registries: "list[registry]") -> Schema:
    """The tables of a metadata, with the classes of some registries.

    Raises:
        sqlalchemy.exc.SQLAlchemyError: The classes do not fit together.
    """
    configure_mappers()
    mappers: dict[object, Mapper[object]] = {}
    for one in registries:
        for mapper in one.mappers:
            mappers.setdefault(mapper.local_table, mapper)
    return Schema(
        metadata,
        {table: mappers[table] for table in metadata.tables.values() if table in mappers},
    )


def review_metadata(metadata: MetaData, registries: "list[registry]") -> list[Finding]:
    """What the rules find in a metadata.

    Args:
        metadata: The tables, imported by the caller.
        registries: Where the classes that are mapped to them are registered.

    Raises:
        sqlalchemy.exc.SQLAlchemyError: The classes do not fit together.
    """
    schema = schema_of(metadata, registries)
    return sorted(one for rule in metadata_rules() for one in rule.check(schema))
