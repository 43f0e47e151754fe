"""Maintain a history: squash, merge, stamp, and eject Alembic's files."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from alembic import command
from alembic.operations import ops
from sqlalchemy import Connection, MetaData

from colonnade.database import Database, DatabaseURL
from colonnade.errors import MigrationError
from colonnade.migrations import operations as safe_ops
from colonnade.migrations._environment import migration_connection
from colonnade.migrations._history import ENVIRONMENT, History, translated_errors
from colonnade.migrations.autogenerate._choices import Choices
from colonnade.migrations.autogenerate._descriptions import describe
from colonnade.migrations.autogenerate._drift import differences
from colonnade.migrations.autogenerate._revision_writer import Written, find_change, replay, write
from colonnade.migrations.autogenerate._schema_history import SchemaHistory
from colonnade.migrations.guard._dry_run import record_operations
from colonnade.migrations.runner._runner import Watcher, current_heads
from colonnade.migrations.runner._throwaway_database import throwaway_database
from colonnade.project import Project

_SETTINGS = """\
# Alembic's settings. {script}/env.py has the database, the models and the comparison options.
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
    """Replace all revisions by one.

    The new revision has the id of the newest one: up-to-date databases stay up to date, others must
    be upgraded first.

    Args:
        history: The history.
        url: A database of the same kind as the one to replay the history in.
        metadata: The models' tables.
        message: The message of the new revision.
        force: Whether to leave out raw SQL and Python code of the revisions.
        watcher: Receives the progress of the replay.

    Returns:
        The new revision.

    Raises:
        MigrationError: The models differ from the history, a revision does more than change
            tables, or there is nothing to squash.

    Examples:
        ```python
        from pathlib import Path

        from colonnade.migrations import History, models_of, squash, write_revision
        from colonnade.testing import Project

        with Path("app/models.py").open("a") as file:
            print("    weight: int | None = None", file=file)
        project = Project.find(Path.cwd())
        history, tables = History(project), models_of(project)
        url = project.choose_database().url
        write_revision(history, url, tables, "weights")
        squash(history, url, tables, "all tables")
        print(len(history.revisions))  # 1
        ```
    """
    head = history.head()
    if head is None or len(history.revisions) < 2:
        raise MigrationError("There is nothing to squash: the history has fewer than 2 revisions.")
    with throwaway_database(url) as connection:
        schema_history = replay(history, connection, watcher=watcher)
        changes = [
            describe(difference)
            for difference in differences(connection, metadata, schema_history=schema_history)
        ]
        if changes:
            raise MigrationError(
                f"The models are ahead of the history: {'; '.join(changes)}. Run `colonnade "
                "migrate` first."
            )
        lost = [] if force else _custom_code(history, connection)
        if lost:
            raise MigrationError(
                "The new revision would not contain the SQL and the Python code of these "
                f"revisions: {'; '.join(lost)}. Use --force if new databases do not need them."
            )
    count = len(history.revisions)
    with throwaway_database(url) as connection:
        change = find_change(connection, metadata, SchemaHistory(), Choices())
        with _replaced_files(history):
            message = message or f"squash {count} revisions"
            return write(history, connection, metadata, change, message, None, revision=head)


def _custom_code(history: History, connection: Connection) -> list[str]:
    """The raw SQL and Python code of a history, which autogenerate would not write again."""
    custom_operations = (ops.ExecuteSQLOp, ops.BulkInsertOp, safe_ops.ForEachBatch)
    descriptions: list[str] = []
    for revision in history.revisions:
        recording = record_operations(connection, revision.module.upgrade)
        descriptions += [
            f"{revision.revision} ({describe(operation)})"
            for operation in recording.operations
            if isinstance(operation, custom_operations)
        ]
        if not recording.is_complete:
            descriptions.append(f"{revision.revision} (queries the database)")
    return descriptions


@contextmanager
def _replaced_files(history: History) -> Iterator[None]:
    """Delete the files of a history at the end; keep them if an error is raised."""
    renamed = {
        path: path.with_suffix(".squashed")
        for path in (Path(revision.path) for revision in history.revisions)
    }
    for path, backup in renamed.items():
        path.rename(backup)
    history.clear_cache()
    try:
        yield
    except BaseException:
        for path, backup in renamed.items():
            backup.rename(path)
        raise
    else:
        for backup in renamed.values():
            backup.unlink()
    finally:
        history.clear_cache()


def merge(history: History, message: str | None = None) -> Path:
    """Write a revision that follows all heads.

    Args:
        history: The history.
        message: The message of the revision; by default it names the heads.

    Returns:
        The file of the revision.

    Raises:
        MigrationError: The history has fewer than two heads.

    Examples:
        ```python
        from pathlib import Path

        from colonnade.migrations import History, merge
        from colonnade.testing import Project

        for name in ("left", "right"):
            file = Path(f"migrations/versions/{name}.py")
            file.write_text(f"revision, down_revision = '{name}', '4edcb97abb17'")
        history = History(Project.find(Path.cwd()))
        print(sorted(history.heads))  # ['left', 'right']
        merge(history)
        print(len(history.heads))  # 1
        ```
    """
    if len(history.heads) < 2:
        raise MigrationError("There is nothing to merge: the history has fewer than 2 heads.")
    with translated_errors(history.folder):
        script = command.merge(history.config, "heads", message or "merge")
    history.clear_cache()
    assert script is not None
    return Path(script.path)


def stamp(history: History, database: Database, revision: str) -> None:
    """Record that a database is at a revision, without running anything.

    Args:
        history: The history.
        database: The database.
        revision: The revision, ``head`` or ``base``.

    Raises:
        MigrationError: The history does not have this revision.

    Examples:
        ```python
        from pathlib import Path

        from colonnade import Database
        from colonnade.migrations import History, current_revision, stamp
        from colonnade.testing import Project

        history = History(Project.find(Path.cwd()))
        db = Database("sqlite:///tracker.db")
        stamp(history, db, "head")
        print(current_revision(history, db))  # (('4edcb97abb17',), 0)
        ```
    """
    with migration_connection(database) as connection:
        unknown = [head for head in current_heads(connection) if not history.has(head)]
        history.config.attributes["connection"] = connection
        try:
            with translated_errors(history.folder):
                command.stamp(history.config, revision, purge=bool(unknown))
        finally:
            del history.config.attributes["connection"]


def eject(project: Project) -> list[Path]:
    """Write Alembic's files into a project, so that it can change them.

    Args:
        project: The project.

    Returns:
        The files: alembic.ini, env.py and the revision template.

    Raises:
        MigrationError: One of the files already exists.

    Examples:
        ```python
        from pathlib import Path

        from colonnade.migrations import eject
        from colonnade.testing import Project

        files = eject(Project.find(Path.cwd()))
        print([file.name for file in files])  # ['alembic.ini', 'env.py', 'script.py.mako']
        ```
    """
    versions = project.versions
    script = versions.parent if versions.parent != project.root else project.root / "migrations"
    settings = project.root / "alembic.ini"
    files = {name: script / name for name in ("env.py", "script.py.mako")}
    for path in (settings, *files.values()):
        if path.exists():
            raise MigrationError(
                f"{path} already exists, and --eject does not overwrite files. Move or delete it "
                "first."
            )
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
