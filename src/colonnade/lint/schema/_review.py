"""A metadata, reviewed by the rules."""

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
    """The tables of a metadata, with the classes of some registries."""
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
    """What the rules find in a metadata.

    Args:
        metadata: The tables, imported by the caller.
        registries: Where the classes that are mapped to them are registered.
    """
    with _mapped() as failures:
        schema = schema_of(metadata, registries, failures)
        return sorted(finding for rule in metadata_rules() for finding in rule.check(schema))


@contextmanager
def _mapped() -> Iterator[Failures]:
    """Map the classes that can be; gives those that cannot, and why.

    SQLAlchemy stops at the first that cannot be mapped, and asks before each whether to skip it.
    """
    failures: Failures = {}
    last: list[Mapper[object]] = []

    def skips(mapper: Mapper[object], _class: type) -> object:
        last[:] = [mapper]
        return EXT_SKIP if mapper in failures else None

    event.listen(Mapper, "before_mapper_configured", skips, retval=True)
    try:
        while True:
            try:
                configure_mappers()
                break
            except Exception as error:  # what a lambda in a relation raises, too
                if not last or last[0] in failures:
                    raise
                failures[last[0]] = error
        yield failures
    finally:
        event.remove(Mapper, "before_mapper_configured", skips)
