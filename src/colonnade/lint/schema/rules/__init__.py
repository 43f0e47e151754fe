"""The rules about metadata, one per file."""

from colonnade.lint.schema._rule import SchemaRule
from colonnade.lint.schema.rules.cascade_mismatch import CascadeMismatch
from colonnade.lint.schema.rules.float_money_column import FloatMoneyColumn
from colonnade.lint.schema.rules.foreign_key_cycle import ForeignKeyCycle
from colonnade.lint.schema.rules.key_type_mismatch import KeyTypeMismatch
from colonnade.lint.schema.rules.link_without_key import LinkWithoutKey
from colonnade.lint.schema.rules.nullable_mismatch import NullableMismatch
from colonnade.lint.schema.rules.redundant_index import RedundantIndex
from colonnade.lint.schema.rules.unindexed_foreign_key import UnindexedForeignKey
from colonnade.lint.schema.rules.unmapped_model import UnmappedModel
from colonnade.lint.schema.rules.unnamed_constraint import UnnamedConstraint


def metadata_rules() -> tuple[SchemaRule, ...]:
    """Every rule about metadata, sorted by code."""
    return (
        UnindexedForeignKey(),
        LinkWithoutKey(),
        CascadeMismatch(),
        NullableMismatch(),
        KeyTypeMismatch(),
        RedundantIndex(),
        FloatMoneyColumn(),
        UnnamedConstraint(),
        ForeignKeyCycle(),
        UnmappedModel(),
    )
