"""``Run``: the temporary databases of a test run, created once and restored after each test."""

from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from colonnade.database import Database, DatabaseURL
from colonnade.errors import DatabaseURLError, FixtureError
from colonnade.project import Project
from colonnade.testing._apps import databases_of
from colonnade.testing._environment import environment
from colonnade.testing._schema import make_schema
from colonnade.testing._sqlite import SQLiteBackend
from colonnade.testing._temporary_databases import Backend, TemporaryDatabase

if TYPE_CHECKING:
    from anyio.from_thread import BlockingPortal


class Run:
    """The temporary databases and the event loop that the tests of one process share.

    The pytest plugin creates one for each process. Use it to build fixtures for another test
    framework, together with ``CurrentTest``.

    Args:
        project: The project under test.
        directory: The directory for files, the same for all processes of a run.
        process: The name of this process, unique in the run.
        server: Returns the URL of a PostgreSQL server. Called for ``--database postgresql``.

    Attributes:
        project: The project under test.

    Examples:
        ```python
        from contextlib import ExitStack
        from pathlib import Path

        from colonnade.testing import Project, Run

        project = Project.find(Path.cwd())
        run = Run(project, Path.cwd(), "main", server=lambda: "postgresql://localhost/test")
        with ExitStack() as test:
            databases = run.databases(project.load_app())
            run.redirect(databases, "sqlite", test)
            print(databases[0].is_overridden)  # True
            run.restore()
        run.close()
        ```
    """

    def __init__(
        self, project: Project, directory: Path, process: str, server: Callable[[], str]
    ) -> None:
        self.project = project
        self._directory = directory
        self._process = process
        self._server = server
        self._backends: dict[str, Backend] = {}
        self._temporary: dict[tuple[str, str], TemporaryDatabase] = {}
        self._original_urls: WeakKeyDictionary[Database, str] = WeakKeyDictionary()
        self._last_found: tuple[Any, Any, list[Database]] = (None, None, [])
        self._redirected: set[Database] = set()
        self._option = ""
        self._redirections = ExitStack()
        self._portal_stack = ExitStack()

    @cached_property
    def portal(self) -> "BlockingPortal":
        """An event loop in a thread, for sync tests of async code."""
        from anyio.from_thread import start_blocking_portal

        return self._portal_stack.enter_context(start_blocking_portal())

    @cached_property
    def fallback_database(self) -> Database:
        """The Database of a project whose app has none, or that has no app."""
        return Database("sqlite://")

    def databases(self, app: Any) -> list[Database]:
        """The Databases of the project, the one of the fixtures first.

        Args:
            app: The app; None if the project has none.

        Returns:
            The Databases. The fixtures use the first one.

        Raises:
            FixtureError: There are several, and the settings do not name the one of the fixtures.
        """
        of_modules = self.project.databases()
        if self._last_found[:2] != (app, of_modules):
            self._last_found = app, of_modules, self._find_databases(app)
        return self._last_found[2]

    def _find_databases(self, app: Any) -> list[Database]:
        self.project.load_models()
        named = self.project.load_database()
        databases = list(dict.fromkeys([*self.project.databases(), *databases_of(app)]))
        if named is not None:
            return [named, *(database for database in databases if database is not named)]
        if len(set(map(self._original_url, databases))) > 1:
            raise FixtureError(
                f"The app has {len(databases)} databases. Name the one that the fixtures use in "
                f"{self.project.root / 'pyproject.toml'}:\n\n[tool.colonnade]\n"
                'database = "app.database:db"'
            )
        return databases or [self.fallback_database]

    def redirect(
        self, databases: Sequence[Database], option: str, until: ExitStack
    ) -> TemporaryDatabase:
        """Redirect Databases to temporary databases, and set ``DATABASE_URL`` to the first.

        Databases that are attributes of the project's modules stay redirected after the test,
        which keeps their connections open.

        Args:
            databases: The Databases.
            option: A value of ``--database``: ``sqlite``, ``postgresql`` or a URL.
            until: Is closed at the end of the test.

        Returns:
            The temporary database of the first Database.

        Raises:
            FixtureError: The temporary database cannot be created.
        """
        if option != self._option:
            self._end_redirections()
            self._option = option
        lasting = {*self.project.databases(), self.fallback_database}
        targets = [
            self._temporary_database(option, self._original_url(database)) for database in databases
        ]
        for database, target in zip(databases, targets, strict=True):
            if database not in lasting:
                until.enter_context(database.using(target.url))
            elif database not in self._redirected:
                self._redirections.enter_context(database.using(target.url))
                self._redirected.add(database)
        until.enter_context(environment(targets[0].url_string))
        return targets[0]

    def redirect_to_new(
        self, databases: Sequence[Database], option: str, until: ExitStack, *, tables: bool = True
    ) -> TemporaryDatabase:
        """``redirect``, to temporary databases that only this test uses.

        Args:
            databases: The Databases.
            option: A value of ``--database``: ``sqlite``, ``postgresql`` or a URL.
            until: Is closed at the end of the test.
            tables: Whether to create the project's tables.

        Returns:
            The temporary database of the first Database.
        """
        targets: dict[str, TemporaryDatabase] = {}
        until.callback(self.close_event_loop)  # which closes its connections to them
        for database in databases:
            original_url = self._original_url(database)
            if original_url not in targets:
                schema = self._make_schema if tables else None
                targets[original_url] = self.backend(option).create(schema, restored=False)
                until.callback(targets[original_url].close)
            until.enter_context(database.using(targets[original_url].url))
        self.close_event_loop()
        first = targets[self._original_url(databases[0])]
        until.enter_context(environment(first.url_string))
        return first

    def restore(self) -> list[str]:
        """Restore every database to its state before the test.

        Returns:
            What the test left running or open, one sentence each.
        """
        leaks: list[str] = []
        for key, temporary in list(self._temporary.items()):
            result = temporary.restore()
            leaks += result.leaks
            if result.needs_replacement:
                self._end_redirections()  # no later test may use the connections to it
                del self._temporary[key]
                temporary.close()
        return leaks

    def close_event_loop(self) -> None:
        """Close the event loop of sync tests. The next use of ``portal`` starts another."""
        if "portal" in self.__dict__:
            del self.portal
            self._portal_stack.close()

    def close(self) -> None:
        """Delete the databases."""
        self._end_redirections()
        with suppress(FixtureError):  # the server is gone, and its databases with it
            for temporary in self._temporary.values():
                temporary.close()
            for backend in self._backends.values():
                backend.close()

    def backend(self, option: str) -> Backend:
        """The backend that creates databases for a value of ``--database``.

        Args:
            option: ``sqlite``, ``postgresql`` or a URL.

        Returns:
            The backend.

        Raises:
            FixtureError: The option is invalid, or its server cannot be reached.
        """
        backend = self._backends.get(option)
        if backend is None:
            backend = self._backends[option] = self._make_backend(option)
        return backend

    def _make_backend(self, option: str) -> Backend:
        if option == "sqlite":
            return SQLiteBackend(self._directory, self._process)
        try:
            url = DatabaseURL.parse(self._server() if option == "postgresql" else option)
        except DatabaseURLError as error:
            raise FixtureError(f"--database must be sqlite, postgresql or a URL. {error}") from None
        if url.memory:
            return SQLiteBackend(self._directory, self._process, memory=True)
        if url.backend == "sqlite":
            raise FixtureError(
                f"--database {url} names a file, which the tests would empty. Use "
                "--database sqlite for a temporary file, or --database sqlite:// for a database "
                "in memory."
            )
        from colonnade.testing._postgresql import PostgreSQLBackend

        server = self._server() if option == "postgresql" else option
        return PostgreSQLBackend(server, f"test_{self._directory.name}".lower(), self._process)

    def _temporary_database(self, option: str, original_url: str) -> TemporaryDatabase:
        temporary = self._temporary.get((option, original_url))
        if temporary is None:
            temporary = self.backend(option).create(self._make_schema)
            self._temporary[option, original_url] = temporary
        return temporary

    def _make_schema(self, url: str) -> None:
        make_schema(self.project, url)

    def _original_url(self, database: Database) -> str:
        """The URL of a Database when it is not redirected, which identifies its database."""
        original_url = self._original_urls.get(database)
        if original_url is None:
            url = database.url.sync.url
            original_url = url.render_as_string(hide_password=False)
            self._original_urls[database] = original_url
        return original_url

    def _end_redirections(self) -> None:
        self._redirections.close()
        self._redirected.clear()
        self.close_event_loop()
