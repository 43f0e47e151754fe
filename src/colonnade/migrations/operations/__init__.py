"""Migration steps: Alembic operations that are safe on a table in use.

Modules import them as ``safe_ops``: ``safe_ops.AddIndex`` next to Alembic's ``ops.CreateIndexOp``.
"""

from colonnade.migrations.operations._base import (
    ASIDE_SUFFIX,
    BATCH_SIZE,
    Condition,
    Step,
    TableStep,
    aside_name,
    by_dialect,
    is_aside,
    name_before_aside,
)
from colonnade.migrations.operations._columns import (
    ChangeComputed,
    ChangeType,
    DropNotNull,
    Require,
    SetDefault,
    SetNotNull,
)
from colonnade.migrations.operations._constraints import (
    AddCheck,
    AddForeignKey,
    AddIndex,
    AddUnique,
    ChangeKey,
    DropCheck,
    DropForeignKey,
    DropIndex,
    ReplaceCheck,
)
from colonnade.migrations.operations._enum_types import ChangeEnum, CreateEnum, DropEnum, EnumStep
from colonnade.migrations.operations._names import (
    AsideStep,
    CreateSchema,
    DropSchema,
    PutAside,
    RenameCheck,
    RenameColumn,
    RenameConstraint,
    RenameIndex,
    RenameTable,
    TakeBack,
)
from colonnade.migrations.operations._row_batches import BatchFunction, ForEachBatch
from colonnade.migrations.operations._rows import Fill, MapValues

__all__ = [
    "ASIDE_SUFFIX",
    "BATCH_SIZE",
    "AddCheck",
    "AddForeignKey",
    "AddIndex",
    "AddUnique",
    "AsideStep",
    "BatchFunction",
    "ChangeComputed",
    "ChangeEnum",
    "ChangeKey",
    "ChangeType",
    "Condition",
    "CreateEnum",
    "CreateSchema",
    "DropCheck",
    "DropEnum",
    "DropForeignKey",
    "DropIndex",
    "DropNotNull",
    "DropSchema",
    "EnumStep",
    "Fill",
    "ForEachBatch",
    "MapValues",
    "PutAside",
    "RenameCheck",
    "RenameColumn",
    "RenameConstraint",
    "RenameIndex",
    "RenameTable",
    "ReplaceCheck",
    "Require",
    "SetDefault",
    "SetNotNull",
    "Step",
    "TableStep",
    "TakeBack",
    "aside_name",
    "by_dialect",
    "is_aside",
    "name_before_aside",
]
