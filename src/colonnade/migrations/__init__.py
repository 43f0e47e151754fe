"""How it changes: Alembic's migrations, set up for SQLModel, and a guard before they run."""

from colonnade.migrations import steps
from colonnade.migrations._adopting import adopted, adopted_revisions, defined_by
from colonnade.migrations._adoption import Adoption, models_source
from colonnade.migrations._baseline import load_baseline, write_baseline
from colonnade.migrations._checking import check
from colonnade.migrations._choices import Asker, Choices
from colonnade.migrations._drift import Drift, database_drift, find_drift
from colonnade.migrations._environment import connect, models_of, options_for, others_of
from colonnade.migrations._files import eject, merge, squash, stamp
from colonnade.migrations._finding import Finding
from colonnade.migrations._foreign import upgrade_with_alembic
from colonnade.migrations._history import History
from colonnade.migrations._operations import by_dialect
from colonnade.migrations._programs import upgrade, upgrade_async
from colonnade.migrations._review import sql_of, unfinished_of, where
from colonnade.migrations._running import Direction, Watcher
from colonnade.migrations._upgrading import Patience, RefusedError, move
from colonnade.migrations._writing import Written, write_revision

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
    "connect",
    "database_drift",
    "defined_by",
    "eject",
    "find_drift",
    "load_baseline",
    "merge",
    "models_of",
    "models_source",
    "move",
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
    "where",
    "write_baseline",
    "write_revision",
]
