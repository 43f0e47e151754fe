"""PostgreSQL's catalogs, asked about the tables that are adopted."""

from collections.abc import Collection, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection, Table


class Catalog:
    """What PostgreSQL knows of some tables.

    Args:
        connection: The database.
        tables: The tables.

    Attributes:
        schemas: Their schemas, by name.
        default: The schema of those that name none.
    """

    def __init__(self, connection: Connection, tables: Collection[Table]) -> None:
        self._connection = connection
        self.default = str(connection.dialect.default_schema_name)
        self.tables = {(table.schema or self.default, table.name): table for table in tables}
        self.schemas = sorted({schema for schema, _ in self.tables})
        names = [self.name(*key) for key in self.tables]
        query = sa.text("SELECT to_regclass(name)::oid FROM unnest(CAST(:names AS text[])) name")
        self._oids = list(connection.scalars(query, {"names": names}))

    def rows(self, query: str, **parameters: object) -> Sequence[sa.Row[Any]]:
        """The rows of a query, which may ask for ``:tables`` (their numbers) and ``:schemas``."""
        values = {"tables": self._oids, "schemas": self.schemas, **parameters}
        return self._connection.execute(sa.text(query), values).all()

    def name(self, schema: str, name: str) -> str:
        """A name in SQL, with its schema unless that is the default one."""
        quoted = self.quote(name)
        return quoted if schema == self.default else f"{self.quote(schema)}.{quoted}"

    def quote(self, name: str) -> str:
        """One word in SQL."""
        return self._connection.dialect.identifier_preparer.quote(name)
