"""Alembic migrations set up for SQLModel, with a guard that assesses them before they run."""

from colonnade.migrations import steps
from colonnade.migrations._alembic_env import upgrade_with_alembic
from colonnade.migrations._api import upgrade, upgrade_async
from colonnade.migrations._check import check
from colonnade.migrations._environment import (
    connect,
    models_of,
    options_for,
    unmanaged_table_counts,
)
from colonnade.migrations._history import History
from colonnade.migrations._maintenance import eject, merge, squash, stamp
from colonnade.migrations._startup import checked_lifespan
from colonnade.migrations.adopt._adopt import adopt_database, load_models, write_adopted_history
from colonnade.migrations.adopt._models import Adoption, models_source
from colonnade.migrations.autogenerate._choices import Asker, Choices
from colonnade.migrations.autogenerate._drift import Drift, database_drift, find_drift
from colonnade.migrations.autogenerate._revision_writer import Written, write_revision
from colonnade.migrations.guard._findings import Finding
from colonnade.migrations.operations import by_dialect
from colonnade.migrations.runner._baseline import load_baseline, write_baseline
from colonnade.migrations.runner._migrate import (
    Patience,
    RefusedError,
    migrate_to,
    plan_migration,
)
from colonnade.migrations.runner._offline_sql import (
    current_revision,
    preview_sql,
    unfinished_revisions,
)
from colonnade.migrations.runner._plan import ConfirmationError, Plan
from colonnade.migrations.runner._runner import Direction, Watcher

__all__ = [
    "Adoption",
    "Asker",
    "Choices",
    "ConfirmationError",
    "Direction",
    "Drift",
    "Finding",
    "History",
    "Patience",
    "Plan",
    "RefusedError",
    "Watcher",
    "Written",
    "adopt_database",
    "by_dialect",
    "check",
    "checked_lifespan",
    "connect",
    "current_revision",
    "database_drift",
    "eject",
    "find_drift",
    "load_baseline",
    "load_models",
    "merge",
    "migrate_to",
    "models_of",
    "models_source",
    "options_for",
    "plan_migration",
    "preview_sql",
    "squash",
    "stamp",
    "steps",
    "unfinished_revisions",
    "unmanaged_table_counts",
    "upgrade",
    "upgrade_async",
    "upgrade_with_alembic",
    "write_adopted_history",
    "write_baseline",
    "write_revision",
]
