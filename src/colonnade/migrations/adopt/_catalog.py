"""Queries of PostgreSQL's catalogs about the adopted tables."""

from collections.abc import Collection, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection, Table


class Catalog:
    """PostgreSQL's catalogs, limited to some tables.

    Args:
        connection: The database.
        tables: The tables.

    Attributes:
        tables: The tables by schema and name.
        schemas: The names of their schemas, sorted.
        default: The default schema.
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
        """The rows of a query with the parameters ``:tables`` (OIDs) and ``:schemas``."""
        bound = {"tables": self._oids, "schemas": self.schemas, **parameters}
        return self._connection.execute(sa.text(query), bound).all()

    def name(self, schema: str, name: str) -> str:
        """A quoted name, qualified with its schema unless that is the default."""
        quoted = self.quote(name)
        return quoted if schema == self.default else f"{self.quote(schema)}.{quoted}"

    def quote(self, name: str) -> str:
        """Quote an identifier for SQL."""
        return self._connection.dialect.identifier_preparer.quote(name)
