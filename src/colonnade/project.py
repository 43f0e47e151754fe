"""``Project``: the settings in ``[tool.colonnade]`` of a pyproject.toml, and what they name."""

import inspect
import os
import sys
import tomllib
import traceback
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from functools import lru_cache
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

from sqlalchemy import MetaData

from colonnade.database import Database
from colonnade.errors import ProjectError

EXAMPLE = '[tool.colonnade]\napp = "app.main:app"'


@dataclass(frozen=True, slots=True)
class Project:
    """The ``[tool.colonnade]`` table of a project.

    Attributes:
        root: The directory of its pyproject.toml.
        app: The application or its factory, as ``module:name``.
        models: A module that defines the tables when imported, for a project without an app.
        database: The Database to use, as ``module:name``, if the project has several.
        migrations: The folder of the revisions, by default ``migrations/versions``; or the path
            of an alembic.ini that is not beside pyproject.toml.
        metadata: The MetaDatas whose tables are migrated, or base classes that have one, each as
            ``module:name``. By default those of every SQLModel.
        baseline: The revision whose snapshot a replay of the history starts with, if the history
            cannot run in an empty database.
        confirm: Whether an upgrade that loses rows, or a downgrade, of a database that has rows
            needs the code of its plan.
        require_person: The same, and only a person at a terminal may confirm it, unless the
            database is on this machine.

    Examples:
        ```python
        from pathlib import Path

        from colonnade.testing import Project

        project = Project.find(Path.cwd() / "app")
        print(project.root == Path.cwd(), project.app)  # True app.main:app
        print(project.load_app().title)  # tracker
        print(project.choose_database().url)  # sqlite:///tracker.db
        ```
    """

    root: Path
    app: str | None = None
    models: str | None = None
    database: str | None = None
    migrations: str | None = None
    metadata: tuple[str, ...] = ()
    baseline: str | None = None
    confirm: bool = False
    require_person: bool = False

    @property
    def asks_for_confirmation(self) -> bool:
        """Whether what loses data needs the code of its plan, from whomever."""
        return self.confirm or self.require_person

    @classmethod
    def read(cls, root: Path) -> "Project":
        """Read the pyproject.toml of a directory.

        Args:
            root: The directory. Without a pyproject.toml, every setting has its default.

        Returns:
            The project.

        Raises:
            ProjectError: It is not TOML, an entry is unknown, or one has another type.
        """
        file = root / "pyproject.toml"
        try:
            settings = tomllib.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise ProjectError(f"{file} cannot be read: {error}") from None
        table = settings.get("tool", {}).get("colonnade", {})
        names = ("app", "models", "database", "migrations", "baseline")
        switches = {"confirm": "confirm", "require-person": "require_person"}
        _refuse_unknown_entries(file, table, (*names, *switches, "metadata", "check"))
        entries = {name: table.get(name) for name in names}
        for name, value in entries.items():
            if not isinstance(value, str | None):
                raise ProjectError(f"{file}: {name} in [tool.colonnade] must be a string.")
        for name in switches:
            if not isinstance(table.get(name, False), bool):
                raise ProjectError(f"{file}: {name} in [tool.colonnade] must be true or false.")
        metadata = table.get("metadata", [])
        metadata = [metadata] if isinstance(metadata, str) else metadata
        if not isinstance(metadata, list) or not all(isinstance(item, str) for item in metadata):
            raise ProjectError(
                f"{file}: metadata in [tool.colonnade] must be a list of module:name, such as "
                '["app.models:Base"].'
            )
        if entries["app"] is None:  # where FastAPI's command line looks for it
            entries["app"] = settings.get("tool", {}).get("fastapi", {}).get("entrypoint")
        allowed = {attribute: table.get(name, False) for name, attribute in switches.items()}
        return cls(root, **entries, **allowed, metadata=tuple(metadata))

    @classmethod
    def find(cls, directory: Path) -> "Project":
        """Read the nearest pyproject.toml, in a directory or above it.

        Args:
            directory: The directory.

        Returns:
            The project; without a pyproject.toml, one with ``directory`` as its root.

        Raises:
            ProjectError: It cannot be read, or has an invalid entry.
        """
        directory = directory.absolute()
        above = (
            folder
            for folder in (directory, *directory.parents)
            if (folder / "pyproject.toml").exists()
        )
        return cls.read(next(above, directory))

    @property
    def alembic_ini(self) -> Path | None:
        """The project's alembic.ini; None if it has none.

        Raises:
            ProjectError: ``migrations`` names an alembic.ini that does not exist.
        """
        named = self.migrations is not None and self.migrations.endswith(".ini")
        if self.migrations is not None and not named:
            return None  # a folder of revisions, whatever else Alembic is used for here
        file = self.root / (self.migrations if named and self.migrations else "alembic.ini")
        if named and not file.is_file():
            raise ProjectError(
                f"{file} does not exist, but migrations in [tool.colonnade] names it."
            )
        return file if file.is_file() else None

    @property
    def versions(self) -> Path:
        """The folder of the revisions, unless an alembic.ini names another."""
        named = self.migrations is not None and not self.migrations.endswith(".ini")
        return self.root / (self.migrations if named and self.migrations else "migrations/versions")

    @property
    def packages(self) -> frozenset[str]:
        """The top-level packages of the modules that the settings name."""
        paths = (self.app, self.models, self.database)
        return frozenset(path.partition(":")[0].partition(".")[0] for path in paths if path)

    @property
    def no_app_message(self) -> str:
        """The error message when an app is needed and the settings name none."""
        return (
            f"No app found. Name it in {self.root / 'pyproject.toml'}:\n\n{EXAMPLE}\n\n"
            "or define a fixture `app` that returns it."
        )

    def load_app(self) -> Any:
        """Import the application, or call its factory.

        Returns:
            The application.

        Raises:
            ProjectError: The settings name no app, or it cannot be imported.
        """
        if self.app is None:
            raise ProjectError(self.no_app_message)
        app = self._load(self.app)
        if inspect.isfunction(app) and not inspect.signature(app).parameters:
            return app()
        return app

    def load(self) -> None:
        """Import the models, the Database and the app that the settings name.

        Raises:
            ProjectError: One of them cannot be imported.
        """
        self.load_models()
        self.load_database()
        if self.app is not None:
            self.load_app()

    def load_models(self) -> None:
        """Import the models, which defines their tables.

        Raises:
            ProjectError: The models cannot be imported.
        """
        if self.models is not None:
            self._import(self.models)

    def load_metadata(self) -> list[MetaData]:
        """Import the MetaDatas that the settings name.

        Returns:
            The MetaDatas, in the order of the settings.

        Raises:
            ProjectError: One of them does not exist, or is something else.
        """
        collected = []
        for path in self.metadata:
            value = self._load(path)
            metadata = value if isinstance(value, MetaData) else getattr(value, "metadata", None)
            if not isinstance(metadata, MetaData):
                raise ProjectError(
                    f"{path} in metadata of [tool.colonnade] is neither a MetaData nor a class "
                    "with one. Name one of these, such as app.models:Base."
                )
            collected.append(metadata)
        return collected

    def other_metadata(self, known: Sequence[MetaData]) -> dict[str, MetaData]:
        """The other MetaDatas with tables in the project's modules, by ``module:name``.

        Args:
            known: The MetaDatas to leave out.

        Returns:
            The MetaDatas by ``module:name``.
        """
        collected: dict[str, MetaData] = {}
        seen = {id(metadata) for metadata in known}
        modules = [
            (name, module) for name, module in list(sys.modules.items())
            if name.partition(".")[0] in self.packages
        ]  # fmt: skip
        for name, module in modules:
            for attribute, value in list(vars(module).items()):
                metadata = value if isinstance(value, MetaData) else None
                if isinstance(value, type):
                    metadata = getattr(value, "metadata", None)
                if isinstance(metadata, MetaData) and metadata.tables and id(metadata) not in seen:
                    seen.add(id(metadata))
                    collected[f"{name}:{attribute}"] = metadata
        return collected

    def load_database(self) -> Database | None:
        """Import the Database that the settings name; None if they name none.

        Returns:
            The Database.

        Raises:
            ProjectError: It cannot be imported, or is not a Database.
        """
        if self.database is None:
            return None
        database = self._load(self.database)
        if not isinstance(database, Database):
            raise ProjectError(
                f"database in [tool.colonnade] must name a Database, and {self.database} is of "
                f"type {type(database).__name__}."
            )
        return database

    def choose_database(self) -> Database:
        """The Database that the settings name, else the only one of the project's modules.

        If they have none, it is the one of ``DATABASE_URL``.

        Returns:
            The Database.

        Raises:
            ProjectError: There is no Database and no ``DATABASE_URL``, or there are several.
        """
        named = self.load_database()
        if named is not None:
            return named
        databases = self.databases()
        if len(databases) == 1:
            return databases[0]
        if not databases and os.environ.get("DATABASE_URL"):
            return Database()
        file = self.root / "pyproject.toml"
        if not databases:
            raise ProjectError(
                "The project has no Database and DATABASE_URL is not set. Set it, pass "
                f"--database-url, or name the project's Database in {file}:\n\n"
                '[tool.colonnade]\ndatabase = "app.database:db"'
            )
        urls = ", ".join(str(database.url) for database in databases)
        raise ProjectError(
            f"The project has {len(databases)} Databases: {urls}. Name the one to use in {file}:"
            '\n\n[tool.colonnade]\ndatabase = "app.database:db"'
        )

    def databases(self) -> tuple[Database, ...]:
        """The Databases that are attributes of the project's imported modules.

        Returns:
            The Databases, each once.
        """
        return _databases_in(self.packages, len(sys.modules))

    def _load(self, path: str) -> Any:
        name, colon, attribute = path.partition(":")
        if not colon:
            raise ProjectError(f"{path!r} must have the form module:name, such as app.main:app.")
        module = self._import(name)
        try:
            value: Any = module
            for part in attribute.split("."):
                value = getattr(value, part)
        except AttributeError:
            raise ProjectError(
                f"{name} has no {attribute}, which {path!r} in [tool.colonnade] names."
            ) from None
        return value

    def _import(self, name: str) -> ModuleType:
        # First, as for `python -m`: another project's `app` may be installed in the environment.
        for directory in (self.root / "src", self.root):
            if directory.is_dir() and str(directory) not in sys.path:
                sys.path.insert(0, str(directory))
        try:
            return import_module(name)
        except (Exception, SystemExit) as error:
            raise ProjectError(
                f"{name} cannot be imported:\n{_format(error, self.root)}"
            ) from error


@lru_cache(maxsize=1)  # called for each test; the number of modules tells when to look again
def _databases_in(packages: frozenset[str], _: int) -> tuple[Database, ...]:
    modules = [module for name, module in sys.modules.items() if name.partition(".")[0] in packages]
    values = [value for module in modules for value in list(vars(module).values())]
    return tuple(dict.fromkeys(value for value in values if isinstance(value, Database)))


def _refuse_unknown_entries(file: Path, table: dict[str, Any], known: Sequence[str]) -> None:
    for name in table.keys() - set(known):
        near = get_close_matches(name, known, n=1)
        hint = f"Did you mean {near[0]}?" if near else f"The entries are {', '.join(known)}."
        raise ProjectError(f"{file}: unknown entry {name!r} in [tool.colonnade]. {hint}")


def _format(error: BaseException, root: Path) -> str:
    """An error with the part of its traceback that is in the project."""
    frames = traceback.extract_tb(error.__traceback__)
    own_frames = [frame for frame in frames if Path(frame.filename).is_relative_to(root)]
    own_frames = [frame for frame in own_frames if "site-packages" not in frame.filename]
    lines = traceback.format_exception_only(error)
    return "".join([*traceback.format_list(own_frames), *lines]).rstrip()
