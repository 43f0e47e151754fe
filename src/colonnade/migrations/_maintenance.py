"""What changes a history's files: squashing, merging, stamping, and handing Alembic's over."""

import shutil
from pathlib import Path

from alembic import command
from alembic.operations import ops
from sqlalchemy import Connection, MetaData

from colonnade.database import Database, DatabaseURL
from colonnade.errors import MigrationError
from colonnade.migrations import operations as safe_ops
from colonnade.migrations._environment import opened
from colonnade.migrations._history import ENVIRONMENT, History, explained
from colonnade.migrations.autogenerate._choices import Choices
from colonnade.migrations.autogenerate._descriptions import describe
from colonnade.migrations.autogenerate._drift import differences
from colonnade.migrations.autogenerate._revision_writer import Written, find_change, replay, write
from colonnade.migrations.autogenerate._schema_history import SchemaHistory
from colonnade.migrations.guard._dry_run import record
from colonnade.migrations.runner._runner import Watcher, current_heads
from colonnade.migrations.runner._throwaway_database import shadow
from colonnade.project import Project

_SETTINGS = """\
# Alembic's settings. The database, the models and how they are compared are in {script}/env.py.
[alembic]
script_location = %(here)s/{script}
version_locations = %(here)s/{versions}
path_separator = newline
file_template = {names}
prepend_sys_path = %(here)s
"""


def squash(
    history: History,
    url: DatabaseURL,
    metadata: MetaData,
    message: str | None = None,
    *,
    force: bool = False,
    watcher: Watcher | None = None,
) -> Written:
    """Make one revision of all.

    It keeps the id of the newest: a database that is there stays there, and one that is behind
    must be upgraded before.

    Args:
        history: The history.
        url: The kind of database to replay in.
        metadata: The models' tables.
        message: The message of the new revision.
        force: Even if revisions run their own SQL or Python, which is not in the new one.
        watcher: Told how the replay goes.

    Raises:
        MigrationError: Models and history disagree, a revision does more than change tables, or
            there is nothing to squash.
    """
    head = history.head()
    if head is None or len(history.revisions) < 2:
        raise MigrationError("There is at most one revision: nothing to squash.")
    with shadow(url) as connection:
        ledger = replay(history, connection, watcher=watcher)
        apart = [
            describe(difference) for difference in differences(connection, metadata, ledger=ledger)
        ]
        if apart:
            raise MigrationError(
                f"The models are ahead of the history ({'; '.join(apart)}). Run `colonnade "
                "migrate` first."
            )
        lost = [] if force else _more_than_tables(history, connection)
        if lost:
            raise MigrationError(
                "These revisions do more than change tables, which the new revision would "
                "leave out: "
                f"{'; '.join(lost)}. Use --force if new databases do not need it."
            )
    count = len(history.revisions)
    with shadow(url) as connection:
        change = find_change(connection, metadata, SchemaHistory(), Choices())
        with _away(history):
            title = message or f"squash {count} revisions"
            return write(history, connection, metadata, change, title, None, revision=head)


def _more_than_tables(history: History, connection: Connection) -> list[str]:
    own_doing = (ops.ExecuteSQLOp, ops.BulkInsertOp, safe_ops.ForEachBatch)
    operations: list[str] = []
    for revision in history.revisions:
        recording = record(connection, revision.module.upgrade)
        theirs = [
            operation for operation in recording.operations if isinstance(operation, own_doing)
        ]
        operations += [f"{revision.revision} ({describe(their)})" for their in theirs]
        if not recording.is_whole:
            operations.append(f"{revision.revision} (asks the database)")
    return operations


class _away:  # noqa: N801 - used as `with _away(history)`
    """The files of a history are out of the way: for good, or until something fails."""

    def __init__(self, history: History) -> None:
        self.history = history
        self.paths = [Path(revision.path) for revision in history.revisions]

    def __enter__(self) -> None:
        for path in self.paths:
            path.rename(path.with_suffix(".squashed"))
        self.history.forget()

    def __exit__(self, kind: object, *_: object) -> None:
        for path in self.paths:
            away = path.with_suffix(".squashed")
            if kind is None:
                away.unlink()
            else:
                away.rename(path)
        self.history.forget()


def merge(history: History, message: str | None = None) -> Path:
    """Write a revision that follows all heads.

    Raises:
        MigrationError: There is one head.
    """
    if len(history.heads) < 2:
        raise MigrationError("The history has one head: nothing to merge.")
    with explained(history.folder):
        script = command.merge(history.config, "heads", message or "merge")
    history.forget()
    assert script is not None
    return Path(script.path)


def stamp(history: History, database: Database, revision: str) -> None:
    """Say that a database is at a revision, without running anything.

    Args:
        history: The history.
        database: The database.
        revision: The revision, ``head`` or ``base``.

    Raises:
        MigrationError: There is no such revision.
    """
    with opened(database) as connection:
        unknown = [head for head in current_heads(connection) if not history.has(head)]
        history.config.attributes["connection"] = connection
        try:
            with explained(history.folder):
                command.stamp(history.config, revision, purge=bool(unknown))
        finally:
            del history.config.attributes["connection"]


def eject(project: Project) -> list[Path]:
    """Write Alembic's files into a project, which has them from then on.

    Args:
        project: The project.

    Returns:
        The files: alembic.ini, env.py and the template of a revision.

    Raises:
        MigrationError: One of them is there already.
    """
    versions = project.versions
    script = versions.parent if versions.parent != project.root else project.root / "migrations"
    settings = project.root / "alembic.ini"
    files = {name: script / name for name in ("env.py", "script.py.mako")}
    for path in (settings, *files.values()):
        if path.exists():
            raise MigrationError(f"{path} already exists, and nothing is overwritten.")
    script.mkdir(parents=True, exist_ok=True)
    versions.mkdir(parents=True, exist_ok=True)
    for name, path in files.items():
        shutil.copyfile(ENVIRONMENT / name, path)
    text = _SETTINGS.format(
        script=script.relative_to(project.root).as_posix(),
        versions=versions.relative_to(project.root).as_posix(),
        names="%%(year)d_%%(month).2d_%%(day).2d_%%(slug)s_%%(rev)s",
    )
    settings.write_text(text, encoding="utf-8")
    return [settings, *files.values()]
