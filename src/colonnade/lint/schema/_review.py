"""Reviews a metadata with the rules."""

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import MetaData, event
from sqlalchemy.orm import Mapper, configure_mappers, registry
from sqlalchemy.orm.interfaces import EXT_SKIP

from colonnade.lint._findings import Finding
from colonnade.lint.schema._rule import Schema
from colonnade.lint.schema.rules import metadata_rules

Failures = dict[Mapper[object], Exception]


def schema_of(metadata: MetaData, registries: "list[registry]", failures: Failures) -> Schema:
    """The tables of a metadata, with the classes in registries that are mapped to them."""
    schema = Schema(metadata)
    tables = set(metadata.tables.values())
    for mapper in (mapper for each_registry in registries for mapper in each_registry.mappers):
        table = mapper.local_table
        if table not in tables:
            continue
        if mapper in failures:
            schema.unmapped.setdefault(table, (mapper, failures[mapper]))
        else:
            schema.mappers.setdefault(table, mapper)
    return schema


def review_metadata(metadata: MetaData, registries: "list[registry]") -> list[Finding]:
    """Review the tables of a metadata.

    Args:
        metadata: The tables, imported by the caller.
        registries: The registries of the classes that are mapped to them.
    """
    with _configured_mappers() as failures:
        schema = schema_of(metadata, registries, failures)
        return sorted(finding for rule in metadata_rules() for finding in rule.check(schema))


@contextmanager
def _configured_mappers() -> Iterator[Failures]:
    """Configure all mappers that can be configured, and yield the errors of the others.

    SQLAlchemy stops at the first mapper that fails. Before each mapper it fires an event whose
    listener can skip it.
    """
    failures: Failures = {}
    last: list[Mapper[object]] = []

    def skip_failed(mapper: Mapper[object], _class: type) -> object:
        last[:] = [mapper]
        return EXT_SKIP if mapper in failures else None

    event.listen(Mapper, "before_mapper_configured", skip_failed, retval=True)
    try:
        while True:
            try:
                configure_mappers()
                break
            except Exception as error:  # including the errors of lambdas in relations
                if not last or last[0] in failures:
                    raise
                failures[last[0]] = error
        yield failures
    finally:
        event.remove(Mapper, "before_mapper_configured", skip_failed)
