"""A project whose models a test changes, with revisions that it writes and runs."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from sqlalchemy import text
from sqlmodel.main import default_registry

from colonnade import Database, SQLModel
from colonnade.migrations import (
    Choices,
    History,
    Patience,
    Written,
    find_drift,
    migrate_to,
    write_revision,
)
from colonnade.migrations.autogenerate._reflected import stored_tables
from colonnade.project import Project

IMPATIENT = Patience(lock_timeout=0.2, attempts=2, runner_timeout=0.3)


class Lab:
    """A history in a directory, and a database."""

    def __init__(self, root: Path, db: Database) -> None:
        self.root = root
        self.db = db
        self.reopen()

    def reopen(self) -> None:
        self.history = History(Project(self.root))
        self.history.config.attributes["metadata"] = SQLModel.metadata

    def models(self, define: Callable[[], object]) -> None:
        SQLModel.metadata.clear()
        default_registry.dispose()
        define()
        self.classes = list(_subclasses(SQLModel))  # keeps them alive, as a module would

    def migrate(self, message: str | None = None, empty: bool = False, **choices: Any) -> Written:
        written = self.maybe(message, empty=empty, **choices)
        assert written is not None
        return written

    def maybe(
        self, message: str | None = None, *, empty: bool = False, **choices: Any
    ) -> Written | None:
        written, self.aside = write_revision(
            self.history,
            self.db.url,
            SQLModel.metadata,
            message,
            Choices(**choices),
            empty=empty,
        )
        return written

    def upgrade(self, target: str = "head", **options: Any) -> list[str]:
        return migrate_to(self.history, self.db, "upgrade", target, **options)

    def downgrade(self, target: str = "-1", **options: Any) -> list[str]:
        options.setdefault("guarded", False)
        return migrate_to(self.history, self.db, "downgrade", target, **options)

    def change(
        self, define: Callable[[], object], *, allow: Sequence[str] = (), **choices: Any
    ) -> str:
        """Change the models, write the revision and run it; returns its source."""
        self.models(define)
        written = self.migrate(**choices)
        self.upgrade(allow=allow)
        return written.path.read_text()

    def drift(self) -> list[str]:
        drifts = find_drift(self.history, self.db, SQLModel.metadata, url=self.db.url)
        return [str(drift) for drift in drifts]

    def write(self, body: str, down: str = "pass", imports: str = "") -> str:
        """Write a revision with the given code; returns its id."""
        written = self.migrate("by hand", empty=True)
        source = written.path.read_text()
        head, _, _ = source.partition("def upgrade")
        head = head.replace(
            "from collections.abc import Sequence\n",
            "from collections.abc import Sequence\nimport sqlalchemy as sa\n"
            f"from alembic import op\nfrom colonnade.migrations import steps\n{imports}\n",
        )
        upgrade = "\n".join(f"    {line}" for line in body.strip().splitlines())
        downgrade = "\n".join(f"    {line}" for line in down.strip().splitlines())
        written.path.write_text(
            f"{head}def upgrade():\n{upgrade}\n\n\ndef downgrade():\n{downgrade}\n"
        )
        self.history.clear_cache()
        return written.revision

    def run(self, *statements: str) -> None:
        with self.db.engine.begin() as connection:
            for statement in statements:
                connection.execute(text(statement))

    def indexes(self) -> dict[str, str]:
        """The definitions of the indexes as the database stores them."""
        with self.db.engine.connect() as connection:
            return {
                name: definition
                for table in stored_tables(connection).values()
                for name, definition in table.indexes.items()
            }

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        with self.db.engine.connect() as connection:
            return [tuple(row) for row in connection.execute(text(query))]


def _subclasses(model: Any) -> Iterator[Any]:
    for subclass in model.__subclasses__():
        yield subclass
        yield from _subclasses(subclass)
