"""``Run``: the databases of a test run, made once and kept from test to test."""

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
    """What the tests of one process share.

    Args:
        project: The project under test.
        directory: Where files go; all processes of a run have it in common.
        process: A name of this process among them.
        server: Answers the URL of a PostgreSQL server, for when one is asked for by name.
    """

    def __init__(
        self, project: Project, directory: Path, process: str, server: Callable[[], str]
    ) -> None:
        self.project = project
        self._directory = directory
        self._process = process
        self._server = server
        self._backends: dict[str, Backend] = {}
        self._places: dict[tuple[str, str], TemporaryDatabase] = {}
        self._homes: WeakKeyDictionary[Database, str] = WeakKeyDictionary()
        self._found: tuple[Any, Any, list[Database]] = (None, None, [])
        self._lent: set[Database] = set()
        self._wanted = ""
        self._lending = ExitStack()
        self._looping = ExitStack()

    @cached_property
    def portal(self) -> "BlockingPortal":
        """An event loop in a thread, for sync tests of async code."""
        from anyio.from_thread import start_blocking_portal

        return self._looping.enter_context(start_blocking_portal())

    @cached_property
    def own_database(self) -> Database:
        """A Database for a project whose app has none, or that has no app."""
        return Database("sqlite://")

    def databases(self, app: Any) -> list[Database]:
        """The Databases of a project; the one that fixtures mean comes first.

        Args:
            app: Its app; None if it has none.

        Raises:
            FixtureError: There are several, and nothing says which is meant.
        """
        lasting = self.project.databases()
        if self._found[:2] != (app, lasting):
            self._found = app, lasting, self._find(app)
        return self._found[2]

    def _find(self, app: Any) -> list[Database]:
        self.project.load_models()
        named = self.project.load_database()
        databases = list(dict.fromkeys([*self.project.databases(), *databases_of(app)]))
        if named is not None:
            return [named, *(database for database in databases if database is not named)]
        if len(set(map(self._home, databases))) > 1:
            raise FixtureError(
                f"The app has {len(databases)} databases. Say which the fixtures mean, in "
                f"{self.project.root / 'pyproject.toml'}:\n\n[tool.colonnade]\n"
                'database = "app.database:db"'
            )
        return databases or [self.own_database]

    def lend(
        self, databases: Sequence[Database], wanted: str, until: ExitStack
    ) -> TemporaryDatabase:
        """Have Databases be databases for tests.

        Args:
            databases: The Databases. Those that the project's modules have stay lent from test
                to test, so that their connections may.
            wanted: Which kind of database, or its URL.
            until: What the end of the test closes.

        Returns:
            Where the first of them is; ``DATABASE_URL`` says so, too.

        Raises:
            FixtureError: The database cannot be had.
        """
        if wanted != self._wanted:
            self._take_back()
            self._wanted = wanted
        lasting = {*self.project.databases(), self.own_database}
        places = [self._place(wanted, self._home(database)) for database in databases]
        for database, place in zip(databases, places, strict=True):
            if database not in lasting:
                until.enter_context(database.using(place.url))
            elif database not in self._lent:
                self._lending.enter_context(database.using(place.url))
                self._lent.add(database)
        until.enter_context(environment(places[0].text))
        return places[0]

    def lend_own(
        self, databases: Sequence[Database], wanted: str, until: ExitStack, *, tables: bool = True
    ) -> TemporaryDatabase:
        """``lend``, of databases that no other test has.

        Args:
            databases: The Databases.
            wanted: Which kind of database, or its URL.
            until: What the end of the test closes.
            tables: Whether they have the project's tables, or none.
        """
        places: dict[str, TemporaryDatabase] = {}
        until.callback(self.end_loop)  # and with it every connection of it
        for database in databases:
            home = self._home(database)
            if home not in places:
                places[home] = self.backend(wanted).place(self._make_schema if tables else None)
                until.callback(places[home].close)
            until.enter_context(database.using(places[home].url))
        self.end_loop()
        first = places[self._home(databases[0])]
        until.enter_context(environment(first.text))
        return first

    def settle(self) -> list[str]:
        """Have every database be as it was before the test.

        Returns:
            What the test left that it ought not to have, a sentence each.
        """
        complaints: list[str] = []
        for key, place in list(self._places.items()):
            settled = place.settle()
            complaints += settled.complaints
            if settled.is_lost:
                self._take_back()  # connections to it must not be used again
                del self._places[key]
                place.close()
        return complaints

    def end_loop(self) -> None:
        """End the event loop of sync tests; who asks again has a new one."""
        if "portal" in self.__dict__:
            del self.portal
            self._looping.close()

    def close(self) -> None:
        """Delete everything."""
        self._take_back()
        with suppress(FixtureError):  # the server is gone: so are its databases
            for place in self._places.values():
                place.close()
            for backend in self._backends.values():
                backend.close()

    def backend(self, wanted: str) -> Backend:
        """What makes databases of a kind.

        Args:
            wanted: ``sqlite``, ``postgresql`` or a URL.

        Raises:
            FixtureError: There is no such kind, or its server cannot be reached.
        """
        known = self._backends.get(wanted)
        if known is None:
            known = self._backends[wanted] = self._backend_of(wanted)
        return known

    def _backend_of(self, wanted: str) -> Backend:
        if wanted == "sqlite":
            return SQLiteBackend(self._directory, self._process)
        try:
            url = DatabaseURL.parse(self._server() if wanted == "postgresql" else wanted)
        except DatabaseURLError as error:
            raise FixtureError(f"--database must be sqlite, postgresql or a URL. {error}") from None
        if url.memory:
            return SQLiteBackend(self._directory, self._process, memory=True)
        if url.backend == "sqlite":
            raise FixtureError(
                f"--database {url}: tests would empty that file. Say --database sqlite for a new "
                "one, or sqlite:// for one in memory."
            )
        from colonnade.testing._postgresql import PostgreSQLBackend

        text = self._server() if wanted == "postgresql" else wanted
        return PostgreSQLBackend(text, f"test_{self._directory.name}".lower(), self._process)

    def _place(self, wanted: str, home: str) -> TemporaryDatabase:
        known = self._places.get((wanted, home))
        if known is None:
            known = self.backend(wanted).place(self._make_schema)
            self._places[wanted, home] = known
        return known

    def _make_schema(self, text: str) -> None:
        make_schema(self.project, text)

    def _home(self, database: Database) -> str:
        """Where a Database is when no test has it: what tells two databases apart."""
        home = self._homes.get(database)
        if home is None:
            url = database.url.sync.url
            home = self._homes[database] = url.render_as_string(hide_password=False)
        return home

    def _take_back(self) -> None:
        self._lending.close()
        self._lent.clear()
        self.end_loop()
