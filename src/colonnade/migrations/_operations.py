"""Every step, as one module: ``own.AddIndex`` beside Alembic's ``ops.CreateIndexOp``."""

from colonnade.migrations._constraint_steps import (
    AddCheck,
    AddForeignKey,
    AddIndex,
    AddUnique,
    DropCheck,
    DropForeignKey,
    DropIndex,
    ReplaceCheck,
)
from colonnade.migrations._enum_steps import ChangeEnum, CreateEnum, DropEnum, EnumStep
from colonnade.migrations._name_steps import (
    PutAside,
    RenameCheck,
    RenameColumn,
    RenameIndex,
    RenameTable,
    TakeBack,
)
from colonnade.migrations._row_steps import (
    ChangeType,
    DropNotNull,
    Fill,
    ForEachBatch,
    MapValues,
    Require,
    SetDefault,
    SetNotNull,
    Work,
)
from colonnade.migrations._step import ASIDE, BATCH, Condition, Step, by_dialect

__all__ = [
    "ASIDE",
    "BATCH",
    "AddCheck",
    "AddForeignKey",
    "AddIndex",
    "AddUnique",
    "ChangeEnum",
    "ChangeType",
    "Condition",
    "CreateEnum",
    "DropCheck",
    "DropEnum",
    "DropForeignKey",
    "DropIndex",
    "DropNotNull",
    "EnumStep",
    "Fill",
    "ForEachBatch",
    "MapValues",
    "PutAside",
    "RenameCheck",
    "RenameColumn",
    "RenameIndex",
    "RenameTable",
    "ReplaceCheck",
    "Require",
    "SetDefault",
    "SetNotNull",
    "Step",
    "TakeBack",
    "Work",
    "by_dialect",
]
