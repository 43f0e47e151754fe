"""The rule CLN115, float-money."""

import ast
import re
from collections.abc import Iterator

from colonnade.lint._context import Context
from colonnade.lint._findings import Finding
from colonnade.lint._rule import Rule
from colonnade.lint.project._models import ModelField

MONEY = re.compile(
    r"(^|_)(price|balance|salary|fee|fees|subtotal|revenue|payment|wage|refund)(_|$)|"
    r"(^|_)amount(_(paid|due|total|net|gross|usd|eur|gbp))?$"
)
NOT_MONEY = re.compile(
    r"(ratio|percent|pct|rate|factor|score|weight|token|function|time|ms|count|multiplier|"
    r"coefficient|index)"
)
FLOATS = frozenset({"float", "builtins.float"})
FLOAT_TYPES = frozenset(
    f"sqlalchemy.{name}" for name in ("Float", "FLOAT", "REAL", "Double", "DOUBLE")
)


def is_money(name: str) -> bool:
    """Whether a column holds an amount of money, judging by its name."""
    return MONEY.search(name) is not None and NOT_MONEY.search(name) is None


class FloatMoney(Rule):
    """A column that holds money is a float.

    0.1 + 0.2 is not 0.3: sums of prices drift, and comparisons for equality fail. `Decimal` with
    `max_digits` and `decimal_places` is exact in Python and in PostgreSQL; Colonnade's `Decimal`
    columns are exact on SQLite too.
    """

    code = "CLN115"
    name = "float-money"
    in_tests = False
    in_migrations = False
    source = (
        "https://www.postgresql.org/docs/current/datatype-numeric.html#DATATYPE-NUMERIC-DECIMAL"
    )
    bad = """
from sqlmodel import Field, SQLModel


class Task(SQLModel, table=True):
    id: int | None = Field(default=None, primary_key=True)
    price: float = 0  # CLN115
"""
    good = """
from decimal import Decimal

from sqlmodel import Field, SQLModel


class Task(SQLModel, table=True):
    id: int | None = Field(default=None, primary_key=True)
    price: Decimal = Field(default=Decimal(0), max_digits=12, decimal_places=2)
"""

    def check(self, context: Context) -> Iterator[Finding]:
        names = context.project.names
        for model in context.models:
            subclasses = names.subclasses.get(model.name, frozenset())
            if not (model.is_table or (model.is_sqlmodel and subclasses & names.tables)):
                continue
            for field in model.declared.values():
                if not isinstance(field, ModelField) or not _is_float(context, field):
                    continue
                if is_money(field.name):
                    message = (
                        f"`{field.name}` holds money, but is a float, whose sums are not exact"
                    )
                    advice = "Use `Decimal` with `max_digits` and `decimal_places`"
                    yield context.finding(self.code, field.node, message, advice=advice)


def _is_float(context: Context, field: ModelField) -> bool:
    """Whether the values of a field are floats, by its annotation or by the type of its column."""
    return field.hint.name in FLOATS or any(
        context.resolve(expression.func if isinstance(expression, ast.Call) else expression)
        in FLOAT_TYPES
        for expression in field.type_expressions()
    )
