"""The rule CLN507, float-money-column."""

from collections.abc import Iterator

from sqlalchemy import (
    Float,
)

from colonnade.lint._findings import Finding
from colonnade.lint.rules.columns.float_money import is_money
from colonnade.lint.schema._rule import Schema, SchemaRule


class FloatMoneyColumn(SchemaRule):
    """A column that holds money is a float.

    This is CLN115 for every table, however it is defined: 0.1 + 0.2 is not 0.3, so sums are not
    exact. Use NUMERIC, which is `Decimal` in Python.
    """

    code = "CLN507"
    name = "float-money-column"
    source = (
        "https://www.postgresql.org/docs/current/datatype-numeric.html#DATATYPE-NUMERIC-DECIMAL"
    )
    bad = """
class Task(SQLModel, table=True):
    id: int | None = Field(default=None, primary_key=True)
    price: float = 0
"""
    good = """
class Task(SQLModel, table=True):
    id: int | None = Field(default=None, primary_key=True)
    price: Decimal = Field(default=Decimal(0), max_digits=12, decimal_places=2)
"""

    def check(self, schema: Schema) -> Iterator[Finding]:
        for table in schema.tables:
            for column in table.columns:
                if isinstance(column.type, Float) and is_money(column.name):
                    message = f"`{table.name}.{column.name}` holds money, but is a float"
                    yield schema.finding(self.code, table, message, "Use NUMERIC (`Decimal`)")
