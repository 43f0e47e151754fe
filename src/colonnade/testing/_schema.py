"""``make_schema``: creates the tables of a project, by its migrations if it has any."""

from sqlalchemy import inspect

from colonnade.database import Database, metadatas
from colonnade.errors import FixtureError, MigrationError
from colonnade.project import Project
from colonnade.testing._environment import environment


def make_schema(project: Project, url: str) -> None:
    """Create a project's tables: run its migrations, or ``create_all`` if it has none.

    Args:
        project: The project, whose models are already imported.
        url: The URL of an empty database.

    Raises:
        FixtureError: A migration fails, or the migrations do not create every table.

    Examples:
        ```python
        from pathlib import Path

        from colonnade import Database, inspect
        from colonnade.testing import Project, make_schema

        project = Project.find(Path.cwd())
        project.load()
        make_schema(project, "sqlite:///empty.db")
        tables = inspect(Database("sqlite:///empty.db").engine).get_table_names()
        print("task" in tables)  # True
        ```
    """
    database = Database(url)
    try:
        if not has_history(project):
            database.create_all()
            return
        _upgrade(project, database, url)
        models = [table for metadata in metadatas() for table in metadata.tables.values()]
        inspector = inspect(database.engine)
        existing = {
            (schema, name)
            for schema in {table.schema for table in models}
            for name in inspector.get_table_names(schema)
        }
    finally:
        database.dispose()
    missing = [model.name for model in models if (model.schema, model.name) not in existing]
    if missing:
        raise FixtureError(
            f"The migrations do not create all tables of the models; missing: "
            f"{', '.join(sorted(missing))}. Write a revision with `colonnade migrate`."
        )


def has_history(project: Project) -> bool:
    """Whether a project has revisions, or an alembic.ini."""
    return project.alembic_ini is not None or any(project.versions.glob("*.py"))


def _upgrade(project: Project, database: Database, url: str) -> None:
    from colonnade.migrations import History, load_baseline, migrate_to, upgrade_with_alembic

    history = History(project)
    try:
        if project.alembic_ini is None or not history.has_alembic_env:
            load_baseline(history, database)
            migrate_to(history, database, guarded=False)
            return
        with environment(url):  # the project's env.py may read the URL from there
            upgrade_with_alembic(project.alembic_ini, url)
    except MigrationError as error:
        raise FixtureError(str(error)) from error
