"""How it changes: Alembic's migrations, set up for SQLModel, and a guard before they run."""

from colonnade.migrations import steps
from colonnade.migrations._alembic_env import upgrade_with_alembic
from colonnade.migrations._api import upgrade, upgrade_async
from colonnade.migrations._check import check
from colonnade.migrations._environment import connect, models_of, options_for, others_of
from colonnade.migrations._history import History
from colonnade.migrations._maintenance import eject, merge, squash, stamp
from colonnade.migrations._startup import checked_lifespan
from colonnade.migrations.adopt._adopt import adopted, adopted_revisions, defined_by
from colonnade.migrations.adopt._models import Adoption, models_source
from colonnade.migrations.autogenerate._choices import Asker, Choices
from colonnade.migrations.autogenerate._drift import Drift, database_drift, find_drift
from colonnade.migrations.autogenerate._revision_writer import Written, write_revision
from colonnade.migrations.guard._findings import Finding
from colonnade.migrations.operations import by_dialect
from colonnade.migrations.runner._baseline import load_baseline, write_baseline
from colonnade.migrations.runner._migrate import Patience, RefusedError, migrate_to
from colonnade.migrations.runner._offline_sql import current_revision, sql_of, unfinished_of
from colonnade.migrations.runner._runner import Direction, Watcher

__all__ = [
    "Adoption",
    "Asker",
    "Choices",
    "Direction",
    "Drift",
    "Finding",
    "History",
    "Patience",
    "RefusedError",
    "Watcher",
    "Written",
    "adopted",
    "adopted_revisions",
    "by_dialect",
    "check",
    "checked_lifespan",
    "connect",
    "current_revision",
    "database_drift",
    "defined_by",
    "eject",
    "find_drift",
    "load_baseline",
    "merge",
    "migrate_to",
    "models_of",
    "models_source",
    "options_for",
    "others_of",
    "sql_of",
    "squash",
    "stamp",
    "steps",
    "unfinished_of",
    "upgrade",
    "upgrade_async",
    "upgrade_with_alembic",
    "write_baseline",
    "write_revision",
]
