"""Run the migrations of a project through the project's ``env.py``, as Alembic does."""

import io
from contextlib import redirect_stdout
from pathlib import Path
from urllib.parse import parse_qsl, urlencode

from alembic import command
from alembic.config import Config

from colonnade.database import DatabaseURL
from colonnade.errors import MigrationError


def upgrade_with_alembic(settings: Path, text: str) -> None:
    """Upgrade a database to the newest revision with the project's ``env.py``.

    The pytest plugin uses it for a project whose ``env.py`` connects without Colonnade.

    Args:
        settings: The project's alembic.ini.
        text: The URL of the database. An ``env.py`` that creates an async engine receives it with
            the async driver.

    Raises:
        MigrationError: A migration failed; the message contains the error.

    Examples:
        ```python
        from pathlib import Path

        from colonnade import Database
        from colonnade.migrations import eject, upgrade_with_alembic
        from colonnade.testing import Project, environment

        eject(Project.find(Path.cwd()))
        db = Database("sqlite:///tracker.db")
        with environment("sqlite:///tracker.db"):
            upgrade_with_alembic(Path("alembic.ini"), "sqlite:///tracker.db")
        print(db.health().revisions)  # ('4edcb97abb17',)
        ```
    """
    config = Config(settings, stdout=io.StringIO())
    config.set_main_option("sqlalchemy.url", _url(config, text).replace("%", "%%"))
    try:
        with redirect_stdout(io.StringIO()):
            command.upgrade(config, "head")
    except Exception as error:
        raise MigrationError(
            f"The migrations of {settings} failed: {type(error).__name__}: {error}"
        ) from error


def _url(config: Config, text: str) -> str:
    """The URL for SQLAlchemy, with the driver for the kind of engine that ``env.py`` creates."""
    url = DatabaseURL.parse(text)
    location = config.get_main_option("script_location") or "migrations"
    file = Path(str(config.config_file_name)).parent / location / "env.py"
    is_async = file.is_file() and "async_engine" in file.read_text(encoding="utf-8")
    driver = (url.asynchronous if is_async else url.sync).url.drivername
    rest, _, query = text.partition("://")[2].partition("?")
    parameters = parse_qsl(query)
    if is_async:  # SQLAlchemy passes all parameters to asyncpg, which accepts only a few
        parameters = [("ssl" if key == "sslmode" else key, value) for key, value in parameters]
        parameters = [(key, value) for key, value in parameters if key in {"host", "port", "ssl"}]
    return f"{driver}://{rest}" + (f"?{urlencode(parameters)}" if parameters else "")
