"""What `migrate` and `drift` compare: keys, indexes, constraints and columns in full detail."""

import warnings
from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from colonnade import Field, SQLModel
from colonnade.migrations import check
from colonnade.migrations.autogenerate._reflected import stored_tables
from colonnade.project import Project
from tests.migrations.lab import Lab


def table(*arguments: Any, **columns: Any) -> Callable[[], object]:
    """Return a function that defines two tables.

    Its arguments create the constraints, indexes and further columns of one of them, anew for each
    definition: SQLAlchemy attaches such objects to their table.
    """

    def define() -> object:
        class Other(SQLModel, table=True):
            id: str = Field(primary_key=True)

        table_args = tuple(argument() for argument in arguments)
        body: dict[str, Any] = {name: make() for name, make in columns.items()}
        body |= {"__annotations__": dict.fromkeys(columns, int | None), "__module__": __name__}

        class Base(SQLModel):
            id: int | None = Field(default=None, primary_key=True)
            a: str
            b: str

        make: Any = type(SQLModel)
        return make("Task", (Base,), {**body, "__table_args__": table_args}, table=True)

    return define


def index(*columns: Any, name: str = "ix", **options: Any) -> Callable[[], sa.Index]:
    return lambda: sa.Index(name, *columns, **options)


def key(**options: Any) -> Callable[[], sa.ForeignKeyConstraint]:
    return lambda: sa.ForeignKeyConstraint(["b"], ["other.id"], **options)


def unique(**options: Any) -> Callable[[], sa.UniqueConstraint]:
    return lambda: sa.UniqueConstraint("a", name="uq", **options)


def computed(sql: str) -> Callable[[], Any]:
    return lambda: Field(
        default=None, sa_column=sa.Column(sa.Integer, sa.Computed(sql, persisted=True))
    )


def identity(**options: Any) -> Callable[[], Any]:
    return lambda: Field(default=None, sa_column=sa.Column(sa.Integer, sa.Identity(**options)))


CHANGES: dict[str, tuple[Callable[[], object], Callable[[], object]]] = {
    "columns of an index": (table(index("a")), table(index("a", "b"))),
    "a unique index": (table(index("a")), table(index("a", unique=True))),
    "an order": (table(index("a")), table(index(sa.text("a DESC")))),
    "an expression": (table(index(sa.text("lower(a)"))), table(index(sa.text("upper(a)")))),
    "a condition": (
        table(index("a", sqlite_where=sa.text("b = 'x'"), postgresql_where=sa.text("b = 'x'"))),
        table(index("a", sqlite_where=sa.text("b = 'y'"), postgresql_where=sa.text("b = 'y'"))),
    ),
    "a rule of a foreign key": (table(key()), table(key(onupdate="CASCADE"))),
    "a computed column": (table(z=computed("length(a)")), table(z=computed("length(b)"))),
}
ON_POSTGRESQL: dict[str, tuple[Callable[[], object], Callable[[], object]]] = {
    "USING": (table(index("a")), table(index("a", postgresql_using="hash"))),
    "an operator class": (
        table(index("a")), table(index("a", postgresql_ops={"a": "text_pattern_ops"}))
    ),
    "INCLUDE": (table(index("a")), table(index("a", postgresql_include=["b"]))),
    "NULLS NOT DISTINCT": (
        table(index("a", unique=True)),
        table(index("a", unique=True, postgresql_nulls_not_distinct=True)),
    ),
    "a deferrable UNIQUE": (
        table(unique()), table(unique(deferrable=True, initially="DEFERRED"))
    ),
    "a deferrable foreign key": (
        table(key()), table(key(deferrable=True, initially="DEFERRED"))
    ),
    "an identity": (table(z=identity()), table(z=identity(always=True, start=5))),
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize(("old", "new"), CHANGES.values(), ids=CHANGES)
def test_a_difference_is_detected_applied_and_undone(lab: Lab, old: Any, new: Any) -> None:
    lab.change(old)
    lab.change(new)
    assert lab.drift() == []
    assert lab.maybe() is None
    lab.downgrade()
    lab.models(old)
    drifts = [drift for drift in lab.drift() if "behind" not in drift and "history" not in drift]
    assert drifts == []
    lab.models(new)
    lab.upgrade()
    assert lab.drift() == []


@pytest.mark.slow
@pytest.mark.parametrize(("old", "new"), ON_POSTGRESQL.values(), ids=ON_POSTGRESQL)
def test_a_difference_on_postgresql_is_detected_applied_and_undone(
    lab: Lab, old: Any, new: Any
) -> None:
    if lab.db.url.backend != "postgresql":
        pytest.skip("SQLite has none")
    test_a_difference_is_detected_applied_and_undone(lab, old, new)


def test_int_is_the_same_as_integer_on_sqlite(lab: Lab) -> None:
    """Models cannot declare INT, but tables that were not created by Colonnade may have it."""
    if lab.db.url.backend != "sqlite":
        pytest.skip("PostgreSQL says integer of both")
    lab.models(table())
    lab.write(
        "op.execute('CREATE TABLE other (id VARCHAR NOT NULL, "
        "CONSTRAINT pk_other PRIMARY KEY (id))')\n"
        "op.execute('CREATE TABLE task (id INT NOT NULL, a VARCHAR NOT NULL, b VARCHAR NOT NULL, "
        "CONSTRAINT pk_task PRIMARY KEY (id))')",
        "op.execute('SELECT 1')",
    )
    lab.upgrade()
    assert lab.drift() == []


def test_a_type_of_postgresql_is_converted_to_text_and_back(lab: Lab) -> None:
    if lab.db.url.backend != "postgresql":
        pytest.skip("SQLite has none")

    def hosts(kind: Any) -> Callable[[], object]:
        def define() -> None:
            class Host(SQLModel, table=True):
                id: int | None = Field(default=None, primary_key=True)
                address: str = Field(sa_type=kind)

        return define

    lab.change(hosts(postgresql.INET))
    lab.run("INSERT INTO host (address) VALUES ('10.0.0.1')")
    lab.change(hosts(sa.String))
    assert lab.rows("SELECT address FROM host") == [("10.0.0.1/32",)]
    lab.downgrade(guarded=True)
    assert lab.rows("SELECT host(address) FROM host") == [("10.0.0.1",)]


@pytest.mark.slow
def test_tables_that_refer_to_each_other_need_one_revision(lab: Lab) -> None:
    def circle() -> None:
        class Team(SQLModel, table=True):
            id: int | None = Field(default=None, primary_key=True)
            captain_id: int | None = Field(default=None, foreign_key="player.id")

        class Player(SQLModel, table=True):
            id: int | None = Field(default=None, primary_key=True)
            team_id: int | None = Field(default=None, foreign_key="team.id")

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", sa.exc.SAWarning)  # SQLAlchemy cannot sort the two
        lab.change(circle)
        assert lab.maybe() is None
        assert lab.drift() == []
        lab.downgrade("base")
        lab.upgrade()
        assert lab.drift() == []


def links(third: bool) -> Callable[[], object]:
    def define() -> None:
        class Link(SQLModel, table=True):
            a: int = Field(primary_key=True)
            b: int = Field(primary_key=True)
            c: int = Field(primary_key=third)

    return define


@pytest.mark.slow
def test_a_primary_key_changes(lab: Lab) -> None:
    lab.change(links(False))
    lab.run("INSERT INTO link (a, b, c) VALUES (1, 1, 1)")
    text = lab.change(links(True))
    assert '"link", ["a", "b", "c"], ["a", "b"]' in text
    lab.run("INSERT INTO link (a, b, c) VALUES (1, 1, 2)")
    assert lab.drift() == []
    with pytest.raises(Exception, match="2 rows have the same a, b"):
        lab.downgrade(guarded=True)
    lab.run("DELETE FROM link WHERE c = 2")
    lab.downgrade(guarded=True)


def test_a_quoted_default_needs_one_revision(lab: Lab) -> None:
    def quoted() -> None:
        class Note(SQLModel, table=True):
            id: int | None = Field(default=None, primary_key=True)
            kind: str = Field(default="a", sa_column_kwargs={"server_default": "'quoted'"})

    lab.change(quoted)
    assert lab.maybe() is None
    lab.run("INSERT INTO note (id) VALUES (1)")
    assert lab.rows("SELECT kind FROM note") == [("'quoted'",)]


@pytest.mark.slow
@pytest.mark.parametrize(
    "options", [{"server_default": "[]"}, {"comment": "x"}, {"server_default": sa.text("'{}'")}]
)
def test_a_json_column_changes(lab: Lab, options: dict[str, Any]) -> None:
    def tagged(**options: Any) -> Callable[[], object]:
        def define() -> None:
            class Note(SQLModel, table=True):
                id: int | None = Field(default=None, primary_key=True)
                tags: list[str] = Field(default_factory=list, sa_column_kwargs=options)

        return define

    lab.change(tagged())
    lab.models(tagged(**options))
    lab.maybe()
    lab.upgrade()
    assert lab.drift() == []


@pytest.mark.slow
def test_a_referenced_unique_is_renamed_with_its_column(lab: Lab) -> None:
    def items(name: str) -> Callable[[], object]:
        def define() -> None:
            make: Any = type(SQLModel)
            body = {"__module__": __name__, "__annotations__": {"id": int | None, name: str}}
            make("Item", (SQLModel,), {
                **body, "id": Field(default=None, primary_key=True), name: Field(unique=True),
            }, table=True)  # fmt: skip

            class Use(SQLModel, table=True):
                id: int | None = Field(default=None, primary_key=True)
                item: str = Field(foreign_key=f"item.{name}")

        return define

    lab.change(items("slug"))
    text = lab.change(items("code"), renames={"item.slug": "code"})
    assert 'steps.rename_constraint("item", "uq_item_slug", "uq_item_code")' in text
    assert "add_unique" not in text
    lab.downgrade()
    lab.upgrade()
    assert lab.drift() == []


@pytest.mark.slow
def test_a_table_copy_keeps_a_computed_column(lab: Lab) -> None:
    def bounded(**bound: Any) -> Callable[[], object]:
        def define() -> None:
            class Task(SQLModel, table=True):
                id: int | None = Field(default=None, primary_key=True)
                a: int = Field(**bound)  # type: ignore[misc]  # its arguments are a variable
                b: int | None = Field(
                    default=None,
                    sa_column=sa.Column(sa.Integer, sa.Computed("a + 1", persisted=True)),
                )

        return define

    lab.change(bounded())
    lab.run("INSERT INTO task (a) VALUES (1)")
    lab.change(bounded(ge=0))
    assert lab.rows("SELECT a, b FROM task") == [(1, 2)]
    lab.downgrade()


@pytest.mark.slow
def test_tables_in_schemas_are_compared_on_postgresql(lab: Lab) -> None:
    if lab.db.url.backend != "postgresql":
        pytest.skip("SQLite has no schemas")

    def shops(**more: Any) -> Callable[[], object]:
        def define() -> None:
            class User(SQLModel, table=True):
                __table_args__ = {"schema": "auth"}
                id: int | None = Field(default=None, primary_key=True)
                email: str = Field(unique=True, **more)  # type: ignore[misc]  # its arguments are a variable

            class Note(SQLModel, table=True):
                id: int | None = Field(default=None, primary_key=True)
                user_id: int | None = Field(default=None, foreign_key="auth.user.id")

        return define

    text = lab.change(shops())
    assert 'steps.create_schema("auth")' in text
    assert lab.drift() == []
    assert lab.maybe() is None
    lab.change(shops(index=True))
    check(lab.history, lab.db.url, SQLModel.metadata)
    lab.downgrade("base")
    assert "auth" not in sa.inspect(lab.db.engine).get_schema_names()


PROJECT = """
from sqlalchemy import Integer, MetaData
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, registry
from colonnade import Database, Field, SQLModel

class Apart(SQLModel, registry=registry(metadata=MetaData())):
    pass

class Foreign(DeclarativeBase):
    pass

class User(Apart, table=True):
    id: int | None = Field(default=None, primary_key=True)

class Task(SQLModel, table=True):
    id: int | None = Field(default=None, primary_key=True)

class Old(Foreign):
    __tablename__ = "old"
    id: Mapped[int] = mapped_column(Integer, primary_key=True)

db = Database("sqlite://")
"""


def test_the_metadatas_of_a_project_are_found(
    tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Tables of every SQLModel base are found; those of other bases are reported and ignored."""
    from colonnade.errors import ProjectError
    from colonnade.migrations import models_of, unmanaged_table_counts

    (tmp_path / "models_apart.py").write_text(PROJECT)
    monkeypatch.syspath_prepend(str(tmp_path))
    project = Project(tmp_path, models="models_apart")
    metadata = models_of(project)
    assert {"task", "user"} <= set(metadata.tables)
    assert unmanaged_table_counts(metadata) == {"models_apart:Foreign": 1}
    named = Project(tmp_path, models="models_apart", metadata=("models_apart:Foreign",))
    assert set(models_of(named).tables) == {"old"}
    with pytest.raises(ProjectError, match="is neither a MetaData nor a class with one"):
        models_of(Project(tmp_path, models="models_apart", metadata=("models_apart:db",)))


@pytest.mark.slow
def test_tables_of_another_metadata_are_ignored(lab: Lab) -> None:
    from colonnade.migrations._environment import UNMANAGED_TABLES

    lab.change(table())
    lab.write(
        "op.create_table('legacy', sa.Column('id', sa.Integer, primary_key=True))",
        "op.drop_table('legacy')",
    )
    lab.upgrade()
    SQLModel.metadata.info[UNMANAGED_TABLES] = {(None, "legacy"): "app.legacy:Base"}
    try:
        assert lab.maybe() is None
        assert lab.drift() == []
    finally:
        del SQLModel.metadata.info[UNMANAGED_TABLES]
    assert "put legacy aside" in str(lab.migrate().steps)


def test_metadatas_with_tables_of_the_same_name_are_refused() -> None:
    from colonnade.database import merged

    metadatas = [sa.MetaData(), sa.MetaData()]
    for metadata in metadatas:
        sa.Table("task", metadata, sa.Column("id", sa.Integer))
    with pytest.raises(ValueError, match="Two models have a table named 'task'"):
        merged(metadatas)


@pytest.mark.slow
def test_an_index_of_the_other_database_is_ignored(lab: Lab) -> None:
    """An index with ``ddl_if`` exists on one database only."""

    def elsewhere() -> sa.Index:
        other = "postgresql" if lab.db.url.backend == "sqlite" else "sqlite"
        return sa.Index("ix_elsewhere", "a").ddl_if(dialect=other)

    def here() -> sa.Index:
        return sa.Index("ix_here", "a").ddl_if(dialect=lab.db.url.backend)

    written = lab.change(table(elsewhere, here))
    assert "ix_here" in written
    assert "ix_elsewhere" not in written
    assert lab.drift() == []
    lab.write('op.create_index("ix_elsewhere", "task", ["a"])')
    lab.upgrade(allow=frozenset({"cannot-undo"}))
    assert lab.drift() == []


def test_an_index_created_by_sql_is_dropped_and_recreated(lab: Lab) -> None:
    lab.change(table())
    lab.write(
        'op.execute("CREATE UNIQUE INDEX ix_sql ON task (lower(a) DESC, b, (length(b) + 1)) "\n'
        "           \"WHERE a <> 'x:y' AND length(b) > 1\")",
        'op.drop_index("ix_sql", "task")',
    )
    lab.upgrade(guarded=False)
    stored = lab.indexes()
    lab.migrate()
    lab.upgrade()
    assert lab.indexes() == {}
    lab.downgrade()
    assert lab.indexes() == stored


@pytest.mark.slow
def test_now_and_current_timestamp_are_the_same_default(lab: Lab) -> None:
    lab.change(table())
    lab.write(
        'op.drop_table("task")\n'
        'op.create_table("task", sa.Column("id", sa.Integer(), primary_key=True),\n'
        '    sa.Column("created", sa.DateTime(), server_default=sa.text("CURRENT_TIMESTAMP")))'
    )
    lab.upgrade(guarded=False)

    def models() -> None:
        class Other(SQLModel, table=True):
            id: str = Field(primary_key=True)

        class Task(SQLModel, table=True):
            id: int | None = Field(default=None, primary_key=True)
            created: datetime | None = Field(
                default=None,
                sa_column=sa.Column(sa.DateTime, server_default=sa.func.now()),
            )

    lab.models(models)
    assert lab.drift() == []


def test_a_unique_constraint_is_compared_next_to_an_unnamed_key(lab: Lab) -> None:
    lab.models(lambda: None)
    lab.run(
        "CREATE TABLE place (town VARCHAR NOT NULL, street VARCHAR NOT NULL, "
        "CONSTRAINT uq_place UNIQUE (town, street), PRIMARY KEY (town))"
    )
    with lab.db.engine.connect() as connection:
        assert stored_tables(connection)[None, "place"].uniques == {
            "uq_place": "UNIQUE (town, street)"
        }


@pytest.mark.slow
def test_an_unnamed_foreign_key_gets_a_name(lab: Lab) -> None:
    """Models of other base classes may lack a naming convention."""

    def models(*arguments: Any) -> Callable[[], None]:
        def define() -> None:
            # Plain SQLAlchemy tables, without a naming convention.
            metadata = SQLModel.metadata
            sa.Table("town", metadata, sa.Column("id", sa.Integer, primary_key=True))
            sa.Table(
                "place",
                metadata,
                sa.Column("id", sa.Integer, primary_key=True),
                sa.Column("town_id", sa.Integer, *arguments),
            )

        return define

    lab.change(models())
    lab.models(models(sa.ForeignKey("town.id")))
    assert lab.drift() == [
        "The history lacks a foreign key of place (town_id to town), unlike the models"
    ]
    written = lab.change(models(sa.ForeignKey("town.id")))
    assert '"fk_place_town_id_town"' in written
    assert lab.drift() == []
    lab.downgrade()
    lab.upgrade()
    lab.change(models())
    assert lab.drift() == []
    lab.downgrade()
    assert sa.inspect(lab.db.engine).get_foreign_keys("place")


def test_an_unnamed_foreign_key_is_dropped(lab: Lab) -> None:
    lab.models(lambda: None)
    key = "INTEGER" if lab.db.url.backend == "sqlite" else "SERIAL"
    lab.write(
        'op.execute("CREATE TABLE other (id VARCHAR NOT NULL PRIMARY KEY)")\n'
        'op.execute("CREATE TABLE task (id ' + key + ' NOT NULL PRIMARY KEY, "\n'
        '           "a VARCHAR NOT NULL, b VARCHAR NOT NULL, "\n'
        '           "FOREIGN KEY (b) REFERENCES other (id))")'
    )
    lab.upgrade(guarded=False)
    lab.change(table(), allow=["loses-data", "cannot-undo"])
    assert sa.inspect(lab.db.engine).get_foreign_keys("task") == []
    lab.downgrade()
    assert sa.inspect(lab.db.engine).get_foreign_keys("task")


NAMES = ("id", "a", "b")


@pytest.mark.slow
def test_an_unnamed_unique_constraint_gets_a_name(lab: Lab) -> None:
    def models(*constraints: Any) -> Callable[[], None]:
        def define() -> None:
            columns = [sa.Column(name, sa.Integer, primary_key=name == "id") for name in NAMES]
            copies = [sa.UniqueConstraint(*constraint) for constraint in constraints]
            sa.Table("place", SQLModel.metadata, *columns, *copies)

        return define

    lab.change(models(["a"], ["id"]))
    assert lab.drift() == []
    written = lab.change(models(["a"], ["id"], ["a", "b"]))
    assert '"uq_place_a_b"' in written
    assert lab.drift() == []
    assert lab.maybe() is None
    lab.downgrade()
    lab.upgrade()
    assert lab.drift() == []


def test_an_index_may_be_defined_twice(lab: Lab) -> None:
    """SQLAlchemy keeps both definitions; in a database each name exists once."""
    twice = [index("a", name=name) for name in ("ix_a", "ix_a", "ix_b", "ix_c")]
    lab.change(table(*twice[1:]))
    lab.models(table(*twice))
    assert lab.drift() == []
    assert lab.maybe() is None


@pytest.mark.slow
def test_a_collation_changes(lab: Lab) -> None:
    def models(collation: str | None) -> Callable[[], None]:
        def define() -> None:
            class Task(SQLModel, table=True):
                id: int | None = Field(default=None, primary_key=True)
                a: str | None = Field(sa_column=sa.Column(sa.String(collation=collation)))

        return define

    collation = "NOCASE" if lab.db.url.backend == "sqlite" else "C"
    lab.change(models(None))
    lab.run("INSERT INTO task (a) VALUES ('x')")
    assert f"collation={collation!r}".replace("'", '"') in lab.change(models(collation))
    assert lab.drift() == []
    lab.downgrade()
    lab.models(models(None))
    behind, differs = lab.drift()
    assert "1 revision behind" in behind
    assert "task.a has another type" in differs
    assert lab.rows("SELECT a FROM task") == [("x",)]
