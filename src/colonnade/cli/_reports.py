"""The results of commands, as ``--format json`` prints them.

Each class is the documented form of a command's output; docs/reference/command-output.md is
generated from them. Names may be added in a release, and none is removed or changed.
"""

from dataclasses import dataclass, field
from typing import Literal


@dataclass(frozen=True, slots=True)
class RevisionName:
    """A revision of the history.

    Attributes:
        revision: Its id.
        message: Its message; empty if it has none.
    """

    revision: str
    message: str


@dataclass(frozen=True, slots=True)
class RevisionRun:
    """A revision that was upgraded or downgraded.

    Attributes:
        revision: Its id.
        message: Its message; empty if it has none.
        seconds: How long it took; 0 if it only reverted what an interrupted run had done.
    """

    revision: str
    message: str
    seconds: float


@dataclass(frozen=True, slots=True)
class RevisionState:
    """A revision, and whether the database has it.

    Attributes:
        revision: Its id.
        message: Its message; empty if it has none.
        after: The ids of the revisions before it.
        is_applied: Whether the database has it.
        is_current: Whether the database is at it.
        is_unfinished: Whether it was interrupted.
    """

    revision: str
    message: str
    after: tuple[str, ...]
    is_applied: bool
    is_current: bool
    is_unfinished: bool


@dataclass(frozen=True, slots=True)
class UnfinishedRun:
    """A revision that was interrupted.

    Attributes:
        revision: Its id.
        direction: Whether its upgrade or its downgrade was interrupted.
        done: The number of completed steps.
        total: The number of steps; 0 if it is not known.
        what: A sentence about it, with the commands that finish or revert it.
    """

    revision: str
    direction: Literal["upgrade", "downgrade"]
    done: int
    total: int
    what: str


@dataclass(frozen=True, slots=True)
class Difference:
    """A difference between the history and the models or the database.

    Attributes:
        between: The side that differs from the history.
        what: A sentence about the difference.
    """

    between: Literal["models", "database"]
    what: str


@dataclass(frozen=True, slots=True)
class MigrateReport:
    """The output of ``migrate``, also with ``--merge`` and ``--eject``.

    Attributes:
        files: The files that were written; none if the models match the history.
        revision: The id of the new revision; null if there is none.
        message: Its message; null if there is none.
        steps: Descriptions of its steps.
        put_aside: The columns and tables that are kept under another name, see ``--aside``.
        not_migrated: The number of tables of each other MetaData, which no revision has.
    """

    files: tuple[str, ...]
    revision: str | None = None
    message: str | None = None
    steps: tuple[str, ...] = ()
    put_aside: tuple[str, ...] = ()
    not_migrated: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class RunReport:
    """The output of ``upgrade`` and of ``downgrade``.

    Attributes:
        database: The URL of the database, without its password.
        ran: The revisions that were run, in this order.
        heads: Where the database is now; several in a history with branches, none at the base.
        sql: The SQL, with ``--sql``, which runs nothing; null without.
    """

    database: str
    ran: tuple[RevisionRun, ...]
    heads: tuple[RevisionName, ...]
    sql: str | None = None


@dataclass(frozen=True, slots=True)
class GuardFinding:
    """A step that is not safe.

    Attributes:
        name: The value of ``--allow`` with which the step runs.
        revision: The id of its revision.
        step: A description of the step.
        why: What would happen.
        instead: A safe alternative; empty if there is none.
        can_be_allowed: Whether ``--allow`` can let it run; a step that would fail cannot.
    """

    name: str
    revision: str
    step: str
    why: str
    instead: str
    can_be_allowed: bool


@dataclass(frozen=True, slots=True)
class PlanReport:
    """The output of ``upgrade --plan`` and of ``downgrade --plan``, which run nothing.

    Attributes:
        database: The URL of the database, without its password.
        revisions: The revisions, in the order in which they would run.
        findings: The steps that are not safe.
        needs_confirmation: Whether ``confirm = true`` in ``[tool.colonnade]`` asks for the code:
            the database has rows, and the plan loses some or is a downgrade.
        code: What confirms this plan and no other.
    """

    database: str
    revisions: tuple[RevisionName, ...]
    findings: tuple[GuardFinding, ...]
    needs_confirmation: bool
    code: str


@dataclass(frozen=True, slots=True)
class CurrentReport:
    """The output of ``current``.

    Attributes:
        database: The URL of the database, without its password.
        heads: Where the database is; several in a history with branches, none at the base.
        behind: The number of revisions that ``upgrade`` would run.
        unfinished: The revisions that were interrupted.
    """

    database: str
    heads: tuple[RevisionName, ...]
    behind: int
    unfinished: tuple[UnfinishedRun, ...]


@dataclass(frozen=True, slots=True)
class HistoryReport:
    """The output of ``history``.

    Attributes:
        database: The URL of the database, without its password.
        revisions: The revisions, the oldest first.
        unfinished: The revisions that were interrupted.
    """

    database: str
    revisions: tuple[RevisionState, ...]
    unfinished: tuple[UnfinishedRun, ...]


@dataclass(frozen=True, slots=True)
class DriftReport:
    """The output of ``drift``. The exit code is 1 if there are differences.

    Attributes:
        database: The URL of the database, without its password; null with ``--offline``.
        differences: The differences; none if all sides agree.
    """

    database: str | None
    differences: tuple[Difference, ...]


@dataclass(frozen=True, slots=True)
class URLParameter:
    """A query parameter of a database URL.

    Attributes:
        name: Its name in the URL.
        value: Its value in the URL; ``***`` for a secret.
        sync: The option of the sync driver; null if it is dropped.
        asynchronous: The option of the async driver; null if it is dropped.
        why: Why it is dropped or changed; empty if it is neither.
    """

    name: str
    value: str
    sync: str | None
    asynchronous: str | None
    why: str


@dataclass(frozen=True, slots=True)
class DriverConnection:
    """A connection with one driver.

    Attributes:
        name: Which driver.
        driver: Its package.
        error: Why the connection failed; empty if it succeeded.
        server: The server and its version.
        tls: The TLS version and what was verified; empty for SQLite.
        connect_ms: Milliseconds to open the first connection.
        round_trip_ms: Milliseconds for a statement.
    """

    name: str
    driver: str
    error: str
    server: str
    tls: str
    connect_ms: float
    round_trip_ms: float


@dataclass(frozen=True, slots=True)
class DoctorReport:
    """The output of ``doctor``. The exit code is 1 if a driver cannot connect.

    Attributes:
        url: The URL of the database, without its password.
        kind: What the URL leads to: a file, memory, a pooler or a server.
        healthy: Whether both drivers connected.
        parameters: The query parameters of the URL.
        checks: The result for each driver.
        advice: What to change.
    """

    url: str
    kind: str
    healthy: bool
    parameters: tuple[URLParameter, ...]
    checks: tuple[DriverConnection, ...]
    advice: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class AdoptReport:
    """The output of ``adopt``.

    Attributes:
        module: The file with the models.
        models: The names of the models.
        revisions: The files of the revisions.
        notes: Sentences about everything that the models cannot express.
        differences: What differs between the history and the models or the database.
    """

    module: str
    models: tuple[str, ...]
    revisions: tuple[str, ...]
    notes: tuple[str, ...]
    differences: tuple[Difference, ...]


@dataclass(frozen=True, slots=True)
class DiagramReport:
    """The output of ``diagram``.

    Attributes:
        tables: The number of tables.
        relations: The number of lines between them.
        file: The file that was written or checked; null without ``--output``.
        mermaid: The diagram in Mermaid; null with ``--output``.
        left_out: The tables that are not drawn, with the reasons.
    """

    tables: int
    relations: int
    file: str | None
    mermaid: str | None
    left_out: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class FieldOverview:
    """A column of a table.

    Attributes:
        name: Its field in the model; that of the column in a link table without a model.
        type: The kind of its values, such as ``text`` or ``datetime``.
        choices: The values that it may have; null for any.
        nullable: Whether it may be null.
        primary_key: Whether it is part of the primary key.
        references: The table and the column that it refers to, as ``project.id``; null if it is not
            a foreign key.
    """

    name: str
    type: str
    choices: tuple[str | int, ...] | None
    nullable: bool
    primary_key: bool
    references: str | None


@dataclass(frozen=True, slots=True)
class RelationOverview:
    """A relation of a table.

    Attributes:
        name: Its attribute in the model.
        kind: ``one``, ``many``, ``many_to_many``, or ``association`` for rows of a link table with
            additional fields.
        table: The related table.
    """

    name: str
    kind: str
    table: str


@dataclass(frozen=True, slots=True)
class TableOverview:
    """A table.

    Attributes:
        name: Its name, with its schema unless that is the default one.
        model: Its class.
        fields: Its columns, in their order.
        relations: Its relations.
    """

    name: str
    model: str
    fields: tuple[FieldOverview, ...]
    relations: tuple[RelationOverview, ...]


@dataclass(frozen=True, slots=True)
class ResourceOverview:
    """A Resource of the application.

    Attributes:
        path: Its path, with that of the routers that include it.
        table: Its table.
        operations: The enabled operations.
        scope: The function that returns which rows a request may access; null for all rows.
        write_scope: The function that returns which of these a request may write; null for all.
    """

    path: str
    table: str
    operations: tuple[str, ...]
    scope: str | None
    write_scope: str | None


@dataclass(frozen=True, slots=True)
class RouteOverview:
    """A route in the OpenAPI document of the application.

    Attributes:
        method: Its method.
        path: Its path.
        summary: Its summary.
        resource: The path of the Resource that it belongs to; null for other endpoints.
    """

    method: str
    path: str
    summary: str
    resource: str | None


@dataclass(frozen=True, slots=True)
class InspectReport:
    """The output of ``inspect``.

    Attributes:
        app: The application, as ``module:name``; null if the project names none.
        models: The module with the models; null if the project names none.
        database: The URL of the database, without its password.
        tables: The tables, by name.
        resources: The Resources that the application includes.
        routes: The routes of the application.
        revisions: The number of revisions in the history.
        migrations: The state of the database; null if it cannot be reached.
        problem: Why ``migrations`` is null; null otherwise.
    """

    app: str | None
    models: str | None
    database: str
    tables: tuple[TableOverview, ...]
    resources: tuple[ResourceOverview, ...]
    routes: tuple[RouteOverview, ...]
    revisions: int
    migrations: CurrentReport | None
    problem: str | None


@dataclass(frozen=True, slots=True)
class ErrorDetails:
    """Why a command failed.

    Attributes:
        type: The class of the error, such as ``MigrationError``; ``UsageError`` for wrong options.
        message: What is wrong, and what to do.
        findings: The steps that the guard refused.
    """

    type: str
    message: str
    findings: tuple[GuardFinding, ...] = ()


@dataclass(frozen=True, slots=True)
class ErrorReport:
    """The output of every command that fails. The exit code is 1, or 2 for wrong options.

    Attributes:
        error: Why it failed.
    """

    error: ErrorDetails


REPORTS = {
    "migrate": MigrateReport,
    "upgrade": RunReport,
    "downgrade": RunReport,
    "upgrade --plan": PlanReport,
    "downgrade --plan": PlanReport,
    "current": CurrentReport,
    "history": HistoryReport,
    "drift": DriftReport,
    "adopt": AdoptReport,
    "doctor": DoctorReport,
    "diagram": DiagramReport,
    "inspect": InspectReport,
}
"""The output of each command."""
