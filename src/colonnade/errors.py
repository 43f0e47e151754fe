"""Every error that Colonnade raises.

    ColonnadeError
    ├── ModelError             a model or a Resource has contradictory options  (TypeError)
    │   ├── ColumnTypeError        a field has a type that no column can hold  (ValueError)
    │   └── PartialError           a class cannot be partial
    ├── StoredValueError       a stored value does not fit the model  (ValueError)
    ├── LazyLoadError          async code read an attribute that is not loaded
    ├── DatabaseError          a database cannot be used
    │   ├── DatabaseURLError       a part of the URL is invalid  (ValueError)
    │   ├── MissingDriverError     the driver is not installed  (ImportError)
    │   ├── UnreachableError       the database cannot be connected to  (ConnectionError)
    │   ├── UncertainCommitError   it is not known whether a transaction was committed
    │   └── StatementTimeoutError  the server did not answer in time  (TimeoutError)
    ├── QueryError             the query string of a request is invalid  (ValueError)
    ├── ProjectError           the settings of a project are incomplete or wrong
    ├── MigrationError         a migration cannot be written or run
    ├── FixtureError           a test cannot have what it requests
    ├── CheckError             ``colonnade check`` cannot start
    └── CommandError           a command cannot do what its arguments ask for

A builtin class in brackets is a base class as well, so that code that expects it keeps working.
No message contains a password.
"""

from typing import Any


class ColonnadeError(Exception):
    """Base class of all errors that Colonnade raises.

    Catch it where any failure of Colonnade should be handled in the same way. Where you can do
    something about a particular failure, catch its class instead. Errors of a statement, such as a
    violated constraint outside of a ``Resource``, remain SQLAlchemy's:
    ``sqlalchemy.exc.DBAPIError``.

    Examples:
        ```python
        from colonnade import ColonnadeError, Database

        try:
            Database("mysql://localhost/tasks")
        except ColonnadeError as error:
            print(type(error).__name__)  # DatabaseURLError
        ```
    """


class ModelError(ColonnadeError, TypeError):
    """A model, or the options of a ``Resource``, contradict each other.

    It is raised when the class is defined or the ``Resource`` is created or included, so that a
    mistake stops the program at startup. The message names the class and the field, and says what
    to write instead. Correct the definition; there is nothing to handle at run time. Only a scope
    with an invalid result raises the error during a request.

    Examples:
        ```python
        from colonnade import SQLModel
        from colonnade.errors import ModelError

        try:

            class Comment(SQLModel, table=True):
                text: str

        except ModelError as error:
            print(error)
            # Comment is a table without a primary key. Add one, such as
            # id: int | None = Field(default=None, primary_key=True).
        ```
    """


class ColumnTypeError(ModelError, ValueError):
    """A field of a table has a type that no column can hold.

    It is raised when the table is defined. Choose a type with a column, set the column's type with
    ``Field(sa_type=...)``, or make the field a ``Relationship``. The error is a ``ValueError`` too,
    because sqlmodel raises that for the same mistake.

    Examples:
        ```python
        from typing import Literal

        from colonnade import Field, SQLModel
        from colonnade.errors import ColumnTypeError

        try:

            class Task(SQLModel, table=True):
                id: int | None = Field(default=None, primary_key=True)
                priority: Literal[1, 2, "urgent"] = 1

        except ColumnTypeError as error:
            print(error)
            # Task.priority: the values of a Literal column must be all strings or all integers,
            # not 1, 2, 'urgent'.
        ```
    """


class PartialError(ModelError):
    """``partial=True`` is set on a class that cannot be partial.

    It is raised when the class is defined: a table has every column, a class without inherited
    fields has nothing to make optional, and a ``RootModel`` has no fields. Remove ``partial=True``,
    or derive the schema of a table with ``schema="update"``.

    Examples:
        ```python
        from colonnade import Field, SQLModel
        from colonnade.errors import PartialError

        try:

            class Task(SQLModel, table=True, partial=True):
                id: int | None = Field(default=None, primary_key=True)

        except PartialError as error:
            print(error)
            # Task: a table cannot be partial, since a row has every column. Remove
            # table=True or partial=True.
        ```
    """


class StoredValueError(ColonnadeError, ValueError):
    """The database holds a value that the type of the field does not accept.

    It is raised when a row is read and a JSON value does not fit its type, and when a value is
    written or compared that is not a member of an ``Enum``. A change of the model without a
    migration of the data, or another program, causes it. Correct the stored value, or widen the
    type of the field.

    Examples:
        ```python
        from colonnade import Database, Field, SQLModel, select, text
        from colonnade.errors import StoredValueError


        class Task(SQLModel, table=True):
            id: int | None = Field(default=None, primary_key=True)
            votes: dict[str, int] = {}


        db = Database("sqlite://")
        db.create_all()
        with db.session() as session:
            session.exec(text("INSERT INTO task (votes) SELECT json_object('ann', 'yes')"))
            try:
                session.exec(select(Task)).all()
            except StoredValueError as error:
                print(str(error).splitlines()[0])
                # Task.votes holds JSON that its type does not accept:
                # 1 validation error for dict[str,int]
        ```
    """


class LazyLoadError(ColonnadeError):
    """Async code read an attribute that has not been loaded from the database.

    Loading it would need a statement, and an attribute cannot be awaited. The message names the
    attribute and the ``selectinload()`` that loads it with the row. For a row that is loaded
    already, use ``await session.refresh(row, ["name"])``. Sync sessions load the attribute instead.

    Examples:
        ```python
        import asyncio
        from typing import Optional

        from colonnade import Database, Field, Relationship, SQLModel, select
        from colonnade.errors import LazyLoadError


        class Project(SQLModel, table=True):
            id: int | None = Field(default=None, primary_key=True)
            tasks: list["Task"] = Relationship(back_populates="project")


        class Task(SQLModel, table=True):
            id: int | None = Field(default=None, primary_key=True)
            project_id: int | None = Field(default=None, foreign_key="project.id")
            project: Optional["Project"] = Relationship(back_populates="tasks")


        async def main() -> None:
            db = Database("sqlite://")
            await db.create_all_async()
            async with db.session() as session:
                session.add(Project(tasks=[Task()]))
                await session.commit()
            async with db.session() as session:
                project = (await session.exec(select(Project))).one()
                try:
                    project.tasks
                except LazyLoadError:
                    await session.refresh(project, ["tasks"])
                print(len(project.tasks))  # 1


        asyncio.run(main())
        ```
    """


class DatabaseError(ColonnadeError):
    """A database cannot be used, or not in this way.

    Its subclasses say why. It is raised itself if code uses the engine or the session of the other
    kind: ``db.async_engine`` without a running event loop, or a dependency override of
    ``db.get_session`` that provides something other than a session. Use the one that the message
    names.

    Examples:
        ```python
        from colonnade import Database
        from colonnade.errors import DatabaseError

        try:
            Database("sqlite://").async_engine
        except DatabaseError as error:
            print(error)
            # The async engine needs a running event loop, and there is none. In sync code,
            # use `with db.session()` or `db.engine`.
        ```
    """


class DatabaseURLError(DatabaseError, ValueError):
    """A part of a database URL is invalid.

    ``Database()`` raises it before it connects. The message names the part, suggests a correction,
    and never contains the password. Correct the URL; in a program that receives the URL from a
    user, print the message and exit.

    Examples:
        ```python
        from colonnade import Database
        from colonnade.errors import DatabaseURLError

        try:
            Database("postgresql://ann:secret@localhost/tasks?sslmod=require")
        except DatabaseURLError as error:
            print(error)
            # Unknown parameter 'sslmod' in a PostgreSQL URL. Did you mean sslmode?
        ```
    """


class MissingDriverError(DatabaseError, ImportError):
    """The driver that a URL needs is not installed.

    It is raised when an engine is first needed: ``psycopg`` serves sync code, and ``asyncpg``
    serves async code. Run ``pip install 'colonnade[postgresql]'``, which installs both. SQLite
    needs neither.

    Examples:
        ```python
        from colonnade import Database
        from colonnade.errors import MissingDriverError

        db = Database("postgresql://localhost/tasks")
        try:
            engine = db.engine
        except MissingDriverError as error:
            raise SystemExit(str(error)) from None
        ```
    """


class UnreachableError(DatabaseError, ConnectionError):
    """The database cannot be connected to: nothing was done.

    Colonnade first tries for ``pool_timeout`` seconds. ``db.ping()`` and ``db.lifespan`` raise the
    error when an app starts, so that an app with a wrong URL stops. A ``Resource`` answers with 503
    and ``Retry-After``, and so does every other endpoint after ``problems(app)``. Retrying later is
    safe.

    Examples:
        ```python
        from colonnade import Database
        from colonnade.errors import UnreachableError

        db = Database("sqlite:///missing/tasks.db")
        try:
            db.ping()
        except UnreachableError as error:
            print(error)
            # Cannot connect to sqlite:///missing/tasks.db: the directory missing does not
            # exist.
        ```
    """


class UncertainCommitError(DatabaseError):
    """The connection was lost after COMMIT was sent: it is not known whether it took effect.

    The whole transaction was committed, or none of it. Read the data before you run the work again.
    If running it twice has the same outcome as running it once, pass ``idempotent=True``, and
    Colonnade retries it instead of raising the error. A ``Resource`` answers with 503 and the kind
    ``uncertain``.

    Examples:
        ```python
        from colonnade import Database, Field, Session, SQLModel
        from colonnade.errors import UncertainCommitError


        class Payment(SQLModel, table=True):
            number: str = Field(primary_key=True)


        def pay(session: Session) -> None:
            session.add(Payment(number="2026-17"))


        db = Database("postgresql://localhost/shop")
        try:
            db.transaction(pay)
        except UncertainCommitError:
            with db.session() as session:
                is_paid = session.get(Payment, "2026-17") is not None
            if not is_paid:
                db.transaction(pay)
        ```
    """


class StatementTimeoutError(DatabaseError, TimeoutError):
    """A server did not answer a statement within ``statement_timeout``, not even to cancel it.

    Colonnade closes the connection. Whether the statement took effect is not known, unless the
    transaction was still open: then it is rolled back. A server that does respond cancels the
    statement itself, which raises SQLAlchemy's ``OperationalError``. A ``Resource`` answers to both
    with 503 and the kind ``busy``.

    Examples:
        ```python
        from colonnade import Database, text
        from colonnade.errors import StatementTimeoutError

        db = Database("postgresql://localhost/tasks", statement_timeout=2.0)
        try:
            with db.session(read_only=True) as session:
                count = session.exec(text("SELECT count(*) FROM task")).scalar()
        except StatementTimeoutError:
            count = None  # the page is shown without the number
        ```
    """


class QueryError(ColonnadeError, ValueError):
    """The query string of a request is invalid.

    A ``Resource`` answers with 422 and names the parameter. ``Resource.query`` turns the error into
    FastAPI's ``RequestValidationError`` for endpoints that you write.

    Attributes:
        errors: The errors, one dict each, in the form of Pydantic and FastAPI: ``type``, ``loc``,
            ``msg`` and ``input``.

    Examples:
        ```python
        from fastapi import FastAPI
        from fastapi.testclient import TestClient

        from colonnade import Database, Field, Resource, SQLModel
        from colonnade.errors import QueryError, error_entry


        class Task(SQLModel, table=True):
            id: int | None = Field(default=None, primary_key=True)


        db = Database("sqlite://")
        db.create_all()
        app = FastAPI()
        app.include_router(Resource(Task, db))
        response = TestClient(app).get("/tasks?colour=red")
        print(response.status_code, response.json()["detail"])
        # 422 query.colour: Unknown parameter colour.

        try:
            raise QueryError([error_entry("missing", ("query", "year"), "Pass a year.")])
        except QueryError as error:
            print(error.errors[0]["loc"])  # ('query', 'year')
        ```
    """

    def __init__(self, errors: list[dict[str, Any]]) -> None:
        self.errors = errors
        where = ".".join(str(part) for part in errors[0]["loc"]) if errors else "query"
        super().__init__(f"{where}: {errors[0]['msg']}" if errors else where)


def error_entry(
    kind: str, loc: tuple[str | int, ...], message: str, value: object = None
) -> dict[str, Any]:
    """Build an entry of ``QueryError.errors``, in the form that Pydantic and FastAPI use.

    Args:
        kind: A code for programs, such as ``extra_forbidden``.
        loc: The location of the value: ``("query", "limit")``.
        message: What is wrong, for people.
        value: The value.

    Returns:
        The entry.

    Examples:
        ```python
        from colonnade.errors import error_entry

        entry = error_entry("less_than", ("query", "year"), "Use a year before 2100.", 2500)
        print(entry["loc"], entry["input"])  # ('query', 'year') 2500
        ```
    """
    return {"type": kind, "loc": loc, "msg": message, "input": value}


class ProjectError(ColonnadeError):
    """``[tool.colonnade]`` is incomplete, or names a module that cannot be imported.

    Commands and the pytest plugin raise it when they look for the app, the models or the database
    of a project. Complete ``[tool.colonnade]`` in pyproject.toml as the message shows. If an import
    fails, the message contains the part of its traceback that is in the project. Commands print the
    message and exit with code 1.

    Examples:
        ```python
        from pathlib import Path

        from colonnade.errors import ProjectError
        from colonnade.testing import Project

        try:
            Project(Path.cwd(), app="app.server:app").load_app()
        except ProjectError as error:
            print(str(error).splitlines()[0])  # app.server cannot be imported:
        ```
    """


class MigrationError(ColonnadeError):
    """A migration cannot be written or run, or it failed.

    The message names the revision, says what was completed, and names the command that continues.
    On PostgreSQL a step may have been committed before the failure; ``colonnade upgrade`` resumes
    after it. Commands print the message and exit with code 1. ``checked_lifespan`` raises the error
    if the database of an app is not up to date.

    Examples:
        ```python
        from pathlib import Path

        from colonnade import Database
        from colonnade.errors import MigrationError
        from colonnade.migrations import History, stamp
        from colonnade.testing import Project

        history = History(Project.find(Path.cwd()))
        try:
            stamp(history, Database("sqlite:///tasks.db"), "0000aaaa")
        except MigrationError as error:
            print("0000aaaa does not exist" in str(error))  # True
        ```
    """


class FixtureError(ColonnadeError):
    """A test cannot have the app, the database or the row that it requests.

    The fixtures of the pytest plugin and ``make`` raise it: the project has several databases, the
    temporary server does not start, a migration fails, or a required parent row cannot be built.
    The message says what to install, set or pass.

    Examples:
        ```python
        from colonnade import Field, SQLModel
        from colonnade.errors import FixtureError
        from colonnade.testing import make


        class Project(SQLModel, table=True):
            id: int | None = Field(default=None, primary_key=True)


        class Task(SQLModel, table=True):
            id: int | None = Field(default=None, primary_key=True)
            project_id: int = Field(foreign_key="project.id")


        try:
            make(Task)
        except FixtureError as error:
            print(error)
            # Task needs a row of project, and has no relation to it. Pass project_id=...,
            # the key of a stored row.
        task = make(Task, project_id=1)
        ```
    """


class CheckError(ColonnadeError):
    """``colonnade check`` cannot start: a path, a setting or the code of a rule is invalid.

    The command prints the message and exits with code 2, which tells a script that nothing was
    checked. Findings exit with code 1.

    Examples:
        ```python
        import subprocess
        import sys

        command = [sys.executable, "-m", "colonnade", "check", "missing.py"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        print("The path missing.py does not exist" in done.stderr)  # True
        print(done.returncode)  # 2
        ```
    """


class CommandError(ColonnadeError):
    """A command cannot do what its arguments ask for.

    ``colonnade new`` raises it for a name that cannot be used and for a folder that is not empty,
    and ``colonnade serve`` for a module without tables. The command prints the message, which says
    what to pass instead, and exits with code 1.

    Examples:
        ```python
        import subprocess
        import sys

        command = [sys.executable, "-m", "colonnade", "new", "class"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        print(done.stderr)
        # error: 'class' is a Python keyword. Choose another project name.
        print(done.returncode)  # 1
        ```
    """
