"""Rules about tables: an imported metadata, and optionally a running database.

The caller imports the user's code and passes the metadata; this package imports none of it.
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
    """Every rule about tables, sorted by code."""
    return tuple(sorted((*metadata_rules(), *live_rules()), key=lambda rule: rule.code))
