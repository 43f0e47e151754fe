"""The project at hand: what ``[tool.colonnade]`` in its pyproject.toml says, and what it has."""

import inspect
import os
import sys
import tomllib
import traceback
from collections.abc import Sequence
from dataclasses import dataclass
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
    """What a project says of itself.

    Attributes:
        root: Where its pyproject.toml is.
        app: Where its app is, as ``module:name``: the application, or what makes it.
        models: A module whose import defines its tables, for a project without an app.
        database: Where its Database is, as ``module:name``, when it has several.
        migrations: Where its revisions are, when that is not ``migrations/versions``: a folder;
            or an alembic.ini, when that is not beside pyproject.toml.
        metadata: Where the MetaDatas are whose tables are migrated, or the base classes that have
            them, each as ``module:name``. The default is those of every SQLModel.
        baseline: The revision from whose snapshot its history is replayed, if that cannot begin
            in an empty database.
    """

    root: Path
    app: str | None = None
    models: str | None = None
    database: str | None = None
    migrations: str | None = None
    metadata: tuple[str, ...] = ()
    baseline: str | None = None

    @classmethod
    def read(cls, root: Path) -> "Project":
        """What the pyproject.toml in a directory says.

        Raises:
            ProjectError: It is not TOML, or one of its entries is not a string.
        """
        file = root / "pyproject.toml"
        try:
            settings = tomllib.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise ProjectError(f"{file} cannot be read: {error}") from None
        ours = settings.get("tool", {}).get("colonnade", {})
        names = ("app", "models", "database", "migrations", "baseline")
        entries = {name: ours.get(name) for name in names}
        for name, value in entries.items():
            if not isinstance(value, str | None):
                raise ProjectError(f"{file}: {name} in [tool.colonnade] must be a string.")
        metadata = ours.get("metadata", [])
        metadata = [metadata] if isinstance(metadata, str) else metadata
        if not isinstance(metadata, list) or not all(isinstance(item, str) for item in metadata):
            raise ProjectError(
                f"{file}: metadata in [tool.colonnade] must be a list of module:name, such as "
                '["app.models:Base"].'
            )
        if entries["app"] is None:  # as FastAPI's own command line has it
            entries["app"] = settings.get("tool", {}).get("fastapi", {}).get("entrypoint")
        return cls(root, **entries, metadata=tuple(metadata))

    @classmethod
    def find(cls, directory: Path) -> "Project":
        """The project that a directory is in: what the nearest pyproject.toml says.

        Raises:
            ProjectError: It cannot be read.
        """
        directory = directory.absolute()
        above = (
            folder
            for folder in (directory, *directory.parents)
            if (folder / "pyproject.toml").exists()
        )
        return cls.read(next(above, directory))

    @property
    def settings(self) -> Path | None:
        """Its alembic.ini, if it keeps Alembic's files itself.

        Raises:
            ProjectError: It names one that is not there.
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
        """The folder of its revisions, where it has no alembic.ini that says so."""
        named = self.migrations is not None and not self.migrations.endswith(".ini")
        return self.root / (self.migrations if named and self.migrations else "migrations/versions")

    @property
    def packages(self) -> frozenset[str]:
        """The packages that its modules are in."""
        named = (self.app, self.models, self.database)
        return frozenset(place.partition(":")[0].partition(".")[0] for place in named if place)

    @property
    def without_app(self) -> str:
        """What to say to who asks for an app, when there is none."""
        return (
            f"No app found. Name it in {self.root / 'pyproject.toml'}:\n\n{EXAMPLE}\n\n"
            "or define a fixture `app` that returns it."
        )

    def load_app(self) -> Any:
        """Its application.

        Raises:
            ProjectError: It does not say which, or that cannot be imported.
        """
        if self.app is None:
            raise ProjectError(self.without_app)
        app = self._load(self.app)
        if inspect.isfunction(app) and not inspect.signature(app).parameters:
            return app()
        return app

    def load(self) -> None:
        """Import everything it names.

        Raises:
            ProjectError: Something cannot be imported.
        """
        self.load_models()
        self.load_database()
        if self.app is not None:
            self.load_app()

    def load_models(self) -> None:
        """Have its tables defined.

        Raises:
            ProjectError: Its models cannot be imported.
        """
        if self.models is not None:
            self._import(self.models)

    def load_metadata(self) -> list[MetaData]:
        """The MetaDatas that it names; none if it names none.

        Raises:
            ProjectError: One of them is not there, or is something else.
        """
        collected = []
        for place in self.metadata:
            thing = self._load(place)
            metadata = thing if isinstance(thing, MetaData) else getattr(thing, "metadata", None)
            if not isinstance(metadata, MetaData):
                raise ProjectError(
                    f"{place} is neither a MetaData nor a class with one, which metadata in "
                    "[tool.colonnade] requires."
                )
            collected.append(metadata)
        return collected

    def other_metadata(self, known: Sequence[MetaData]) -> dict[str, MetaData]:
        """The MetaDatas of its modules that are none of some, by where they are.

        Args:
            known: Those that are known.
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
        """The Database it names; None if it names none.

        Raises:
            ProjectError: The name does not exist.
        """
        if self.database is None:
            return None
        database = self._load(self.database)
        if not isinstance(database, Database):
            raise ProjectError(f"{self.database} is a {type(database).__name__}, not a Database.")
        return database

    def choose_database(self) -> Database:
        """Its Database: the one it names, or that its modules have; else that of DATABASE_URL.

        Raises:
            ProjectError: Its modules have none and DATABASE_URL is not set, or they have several.
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
            f"There are {len(databases)} Databases: {urls}. "
            f'Name the one meant in {file}: [tool.colonnade] database = "app.database:db".'
        )

    def databases(self) -> tuple[Database, ...]:
        """The Databases that its modules have under a name."""
        return _databases_in(self.packages, len(sys.modules))

    def _load(self, place: str) -> Any:
        name, colon, attribute = place.partition(":")
        if not colon:
            raise ProjectError(f"{place!r} must have the form module:name, such as app.main:app.")
        module = self._import(name)
        try:
            thing: Any = module
            for part in attribute.split("."):
                thing = getattr(thing, part)
        except AttributeError:
            raise ProjectError(f"{name} has no {attribute}, which {place!r} asks for.") from None
        return thing

    def _import(self, name: str) -> ModuleType:
        for directory in (self.root, self.root / "src"):
            if directory.is_dir() and str(directory) not in sys.path:
                sys.path.append(str(directory))
        try:
            return import_module(name)
        except Exception as error:
            raise ProjectError(f"{name} cannot be imported:\n{_told(error, self.root)}") from error


@lru_cache(maxsize=1)  # asked for each test; modules do not come and go
def _databases_in(packages: frozenset[str], _: int) -> tuple[Database, ...]:
    modules = [module for name, module in sys.modules.items() if name.partition(".")[0] in packages]
    values = [value for module in modules for value in list(vars(module).values())]
    return tuple(dict.fromkeys(value for value in values if isinstance(value, Database)))


def _told(error: Exception, root: Path) -> str:
    """An error and where it was raised, as far as that is in the project."""
    frames = traceback.extract_tb(error.__traceback__)
    own_frames = [frame for frame in frames if Path(frame.filename).is_relative_to(root)]
    own_frames = [frame for frame in own_frames if "site-packages" not in frame.filename]
    lines = traceback.format_exception_only(error)
    return "".join([*traceback.format_list(own_frames), *lines]).rstrip()
