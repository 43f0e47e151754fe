"""The test that every history deserves."""

from pathlib import Path

from colonnade.errors import MigrationError
from colonnade.project import Project


def check_migrations(directory: Path | None = None) -> None:
    """Assert that a history has one head, goes up and down and up, and makes the models' tables.

    In a throwaway database of the kind that the test has.

    Args:
        directory: The project, or a directory in it; None: the working directory.

    Raises:
        AssertionError: It does not; the message says which revision, and what.
    """
    from colonnade.migrations import History, check, models_of

    project = Project.find(directory or Path.cwd())
    metadata = models_of(project)
    try:
        check(History(project), project.choose_database().direct, metadata)
    except MigrationError as error:
        raise AssertionError(str(error)) from error
