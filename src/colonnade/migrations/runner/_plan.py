"""What an upgrade or a downgrade would do, and the code that confirms it."""

import hashlib
import json
import os
from base64 import b32encode
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import sqlalchemy as sa
from alembic.runtime.migration import RevisionStep
from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from colonnade.database import Database
from colonnade.errors import MigrationError
from colonnade.migrations._history import History
from colonnade.migrations.guard._findings import Finding
from colonnade.migrations.runner._runner import Direction, revision_of
from colonnade.models import application_tables, schemas_with_tables

LOCAL_HOSTS = frozenset(("", "localhost", "127.0.0.1", "::1"))
"""Hosts of this machine; without one, the server is reached through a socket."""

CODE_LENGTH = 8
"""Characters of a code: 40 bits, so that no two plans of a project share one by accident."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What an upgrade or a downgrade would do.

    Attributes:
        direction: ``upgrade`` or ``downgrade``.
        database: The URL of the database, without its password.
        revisions: The ids of the revisions, in the order in which they would run.
        findings: The steps that are not safe, also those that are allowed.
        needs_confirmation: Whether it may lose data, or reverts revisions, of a database with rows.
        is_local: Whether the database is a file or a server of this machine.
        code: What confirms this plan and no other: it depends on the revisions and their source, on
            the findings, and on the database.

    Examples:
        ```python
        from pathlib import Path

        from colonnade import Database
        from colonnade.migrations import History, plan_migration
        from colonnade.testing import Project

        history = History(Project.find(Path.cwd()))
        plan = plan_migration(history, Database("sqlite:///tracker.db"))
        print(plan.revisions, plan.needs_confirmation)  # ('4edcb97abb17',) False
        ```
    """

    direction: Direction
    database: str
    revisions: tuple[str, ...]
    findings: tuple[Finding, ...]
    needs_confirmation: bool
    is_local: bool
    code: str

    @property
    def reason(self) -> str:
        """Why it needs a confirmation."""
        if self.direction == "downgrade":
            return f"This downgrade changes {self.database}, which has rows"
        return f"This upgrade loses rows of {self.database}"


class ConfirmationError(MigrationError):
    """A plan that loses rows was not confirmed, and nothing was run.

    With ``confirm = true`` in ``[tool.colonnade]``, such a plan only runs with its code: read the
    plan, and pass the code as ``confirm``.

    Args:
        plan: The plan.
        message: Why it did not run.

    Attributes:
        plan: The plan.

    Examples:
        ```python
        from dataclasses import replace
        from pathlib import Path

        from app.models import Task
        from colonnade import Database
        from colonnade.migrations import ConfirmationError, History, migrate_to
        from colonnade.testing import Project

        history = History(replace(Project.find(Path.cwd()), confirm=True))
        db = Database("sqlite:///tracker.db")
        migrate_to(history, db)
        with db.session() as session:
            session.add(Task(name="Write"))
            session.commit()
        try:
            migrate_to(history, db, "downgrade", "base", allow=frozenset({"loses-data"}))
        except ConfirmationError as error:
            print(error.plan.needs_confirmation)  # True
        ```
    """

    def __init__(self, plan: Plan, message: str) -> None:
        super().__init__(message)
        self.plan = plan


def make_plan(
    connection: Connection,
    database: Database,
    direction: Direction,
    steps: Sequence[RevisionStep],
    findings: Sequence[Finding],
    *,
    undone: Sequence[str] = (),
) -> Plan:
    """Return the plan of a run.

    Args:
        connection: The database.
        database: The same, for its URL.
        direction: The direction.
        steps: The revisions, in the order in which they would run.
        findings: The steps that are not safe.
        undone: The ids of unfinished revisions whose steps are reverted first.
    """
    loses = (
        direction == "downgrade"
        or bool(undone)
        # What is not known in advance may lose rows as well.
        or any(each.kind in {"loses-data", "not-judged"} for each in findings)
    )
    hosts = _hosts(database)
    return Plan(
        direction=direction,
        database=str(database.url),
        revisions=(*undone, *map(revision_of, steps)),
        findings=tuple(findings),
        needs_confirmation=bool(steps or undone) and loses and _holds_rows(connection),
        is_local=all(host in LOCAL_HOSTS or host.startswith("/") for host in hosts),
        code=_code(_identity(database, hosts), direction, steps, findings, undone),
    )


def confirm_plan(
    history: History, plan: Plan, code: str | None, *, target: str, by_person: bool
) -> None:
    """Refuse a plan that needs a confirmation and has none.

    Args:
        history: The history, for the settings of its project.
        plan: The plan.
        code: The code that the caller confirms; None without.
        target: The target of the run, for messages.
        by_person: Whether a person typed it.

    Raises:
        ConfirmationError: The code is missing, or that of another plan, or a person must type it.
    """
    project = history.project
    command = f"colonnade {plan.direction}{_argument(plan, target)}"
    if code is not None and code.strip().upper() != plan.code:
        raise ConfirmationError(
            plan,
            f"The code {code} is not that of this plan: the revisions, what they lose, or the "
            f"database differ. Nothing was run. Read the plan again: {command} --plan",
        )
    if not (project.asks_for_confirmation and plan.needs_confirmation):
        return
    if project.require_person and not (by_person or plan.is_local):
        raise ConfirmationError(
            plan,
            f"require-person in {project.root / 'pyproject.toml'} lets only a person at a terminal "
            f"confirm this plan on {plan.database}. Nothing was run. Run the command there, "
            "without --confirm.",
        )
    if code is None:
        raise ConfirmationError(
            plan,
            f"{plan.reason}, and confirm in {project.root / 'pyproject.toml'} asks for a "
            f"confirmation. Nothing was run. Show the plan to the person who is responsible: "
            f"{command} --plan. They confirm it with its code: --confirm CODE",
        )


def _argument(plan: Plan, target: str) -> str:
    is_default = target == ("-1" if plan.direction == "downgrade" else "heads")
    return "" if is_default else f" {target}"


def _holds_rows(connection: Connection) -> bool:
    """Whether any table of the application has a row, or may have rows that cannot be seen."""
    schemas = [None, *schemas_with_tables(connection)]
    tables = [
        sa.table(name, schema=schema)
        for schema in schemas
        for name in application_tables(connection, schema)
    ]
    try:
        if connection.dialect.name == "postgresql":
            # Policies would hide rows; with this, such a query fails instead.
            connection.exec_driver_sql("SET LOCAL row_security = off")
        return any(connection.scalar(sa.select(sa.exists().select_from(each))) for each in tables)
    except DBAPIError:
        return True
    finally:
        connection.rollback()


def _code(
    identity: Sequence[str],
    direction: Direction,
    steps: Sequence[RevisionStep],
    findings: Sequence[Finding],
    undone: Sequence[str],
) -> str:
    # What locks or fails depends on the number of rows, and on who asks.
    losses = sorted({each.name for each in findings if each.kind not in {"locks", "fails"}})
    sources = [[revision_of(step), _digest(Path(step.revision.path))] for step in steps]
    content = [direction, identity, list(undone), sources, losses]
    digest = hashlib.sha256(json.dumps(content).encode()).digest()
    return b32encode(digest).decode()[:CODE_LENGTH]


def _digest(source: Path) -> str:
    """A digest of a revision, the same with the line ends of every system."""
    return hashlib.sha256(source.read_bytes().replace(b"\r\n", b"\n")).hexdigest()


def _hosts(database: Database) -> list[str]:
    """Where the server is: what the URL says, or else the environment, as libpq reads it."""
    config = database.direct.sync
    hosts = [config.connect_args.get("hostaddr"), config.connect_args.get("host"), config.url.host]
    if not any(hosts) and database.direct.backend == "postgresql":
        hosts = [os.environ.get("PGHOSTADDR"), os.environ.get("PGHOST")]
    return [host for listed in hosts for host in str(listed or "").split(",")]


def _identity(database: Database, hosts: Sequence[str]) -> list[str]:
    """What the database is, whoever connects to it."""
    url = database.direct
    if url.file is not None:
        return [str(url.file.absolute())]
    address, connect = url.sync.url, url.sync.connect_args
    port = connect.get("port") or address.port or ""
    # The options of a session include its schemas.
    return [*hosts, str(port), address.database or "", str(connect.get("options", ""))]
