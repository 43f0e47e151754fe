"""The tables of a project: by its history where it has one, else as its models say."""

from sqlalchemy import inspect

from colonnade.database import Database, metadatas
from colonnade.errors import FixtureError, MigrationError
from colonnade.project import Project
from colonnade.testing._environment import environment


def make_schema(project: Project, text: str) -> None:
    """Make a project's tables.

    Args:
        project: The project; its models are imported.
        text: The URL of an empty database.

    Raises:
        FixtureError: Its history fails, or does not make every table of its models.
    """
    database = Database(text)
    try:
        if not has_history(project):
            database.create_all()
            return
        _upgrade(project, database, text)
        models = [table for metadata in metadatas() for table in metadata.tables.values()]
        inspector = inspect(database.engine)
        there = {
            (schema, name)
            for schema in {table.schema for table in models}
            for name in inspector.get_table_names(schema)
        }
    finally:
        database.dispose()
    missing = [model.name for model in models if (model.schema, model.name) not in there]
    if missing:
        raise FixtureError(
            f"The migrations do not make {', '.join(sorted(missing))}, which the models have: "
            "write a revision that does (colonnade migrate)."
        )


def has_history(project: Project) -> bool:
    """Whether a project has revisions, or Alembic's files for some."""
    return project.settings is not None or any(project.versions.glob("*.py"))


def _upgrade(project: Project, database: Database, text: str) -> None:
    from colonnade.migrations import History, load_baseline, migrate_to, upgrade_with_alembic

    history = History(project)
    try:
        if project.settings is None or not history.has_alembic_env:
            load_baseline(history, database)
            migrate_to(history, database, guarded=False)
            return
        with environment(text):  # an env.py of the project's own may read it from there
            upgrade_with_alembic(project.settings, text)
    except MigrationError as error:
        raise FixtureError(str(error)) from error
