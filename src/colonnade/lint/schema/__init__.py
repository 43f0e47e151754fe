"""Rules about tables as they are: an imported metadata, and the database, if there is one.

This part of the reviewer is handed what others imported; it imports no user code either.
"""

from colonnade.lint.schema._live import LiveRule, live_rules, review_database
from colonnade.lint.schema._review import review_metadata
from colonnade.lint.schema._rule import SchemaRule
from colonnade.lint.schema.rules import metadata_rules

__all__ = [
    "LiveRule",
    "SchemaRule",
    "live_rules",
    "metadata_rules",
    "review_database",
    "review_metadata",
    "schema_rules",
]


def schema_rules() -> tuple[SchemaRule | LiveRule, ...]:
    """Every rule about tables, by its code."""
    return tuple(sorted((*metadata_rules(), *live_rules()), key=lambda rule: rule.code))
