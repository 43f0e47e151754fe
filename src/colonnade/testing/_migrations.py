"""``check_migrations``: a test of a project's migration history."""

from pathlib import Path

from colonnade.errors import MigrationError
from colonnade.project import Project


def check_migrations(directory: Path | None = None) -> None:
    """Assert that the history has one head, runs in both directions and creates the models' tables.

    It runs in a temporary database of the test's kind.

    Args:
        directory: The project, or a directory in it; by default the working directory.

    Raises:
        AssertionError: It does not; the message names the revision and the difference.

    Examples:
        ```python
        from colonnade.testing import check_migrations


        def test_migrations_match_the_models() -> None:
            check_migrations()


        test_migrations_match_the_models()
        ```
    """
    from colonnade.migrations import History, check, models_of

    project = Project.find(directory or Path.cwd())
    metadata = models_of(project)
    try:
        check(History(project), project.choose_database().direct, metadata)
    except MigrationError as error:
        raise AssertionError(str(error)) from error
