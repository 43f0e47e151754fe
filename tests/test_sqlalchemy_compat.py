"""The internals of SQLAlchemy that Colonnade relies on, and what it does without them."""

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from sqlalchemy import (
    Boolean,
    CheckConstraint,
    Column,
    DefaultClause,
    Engine,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    Sequence,
    String,
    Table,
    bindparam,
    create_engine,
    event,
    func,
    insert,
    select,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship
from sqlalchemy.types import JSON, TypeEngine, UserDefinedType

from colonnade import _sqlalchemy_compat as compat


@pytest.fixture
def engine() -> Iterator[Engine]:
    engine = create_engine("sqlite://")
    yield engine
    engine.dispose()


def table(metadata: MetaData | None = None) -> Table:
    columns = Column("id", Integer, primary_key=True), Column("name", String, default=lambda: "x")
    return Table("author", metadata or MetaData(), *columns)


def test_a_compiled_statement_names_its_columns_and_processors() -> None:
    statement = select(table().c.name, bindparam("document", type_=JSON).label("copy"))
    parts = compat.compiled_parts(statement.compile(dialect=sqlite.dialect()))
    assert parts is not None
    assert parts.columns == ["name", "copy"]
    assert parts.processors["document"]([1]) == "[1]"


def test_a_compiled_statement_without_parts_is_left_to_sqlalchemy() -> None:
    assert compat.compiled_parts(SimpleNamespace()) is None


def test_the_parameter_of_a_default_has_the_name_of_its_column() -> None:
    authors = table()
    compiled: Any = insert(authors).values(id=1).compile(dialect=sqlite.dialect())
    assert [compat.parameter_name(compiled, column) for column in compiled.insert_prefetch] == [
        "name"
    ]
    assert compat.parameter_name(SimpleNamespace(), authors.c.name) == "name"


def test_an_engine_logs_its_statements_with_echo(engine: Engine) -> None:
    assert not compat.logs_statements(engine)
    assert compat.logs_statements(create_engine("sqlite://", echo=True))
    assert not compat.logs_statements(SimpleNamespace(echo=False))  # type: ignore[arg-type]  # an engine without the method


def test_listeners_of_statements_are_counted(engine: Engine) -> None:
    before = compat.count_statement_listeners(engine)
    event.listen(engine, "before_cursor_execute", lambda *_: None)
    event.listen(engine, "connect", lambda *_: None)  # which sees no statement
    assert compat.count_statement_listeners(engine) == before + 1


def test_listeners_of_all_engines_are_counted(engine: Engine) -> None:
    before = compat.count_statement_listeners(engine)

    def listener(*_: object) -> None: ...

    event.listen(Engine, "before_cursor_execute", listener)
    try:
        assert compat.count_statement_listeners(engine) == before + 1
        assert compat.count_statement_listeners(create_engine("sqlite://")) == 1
    finally:
        event.remove(Engine, "before_cursor_execute", listener)


def test_engines_share_what_they_have_compiled(engine: Engine) -> None:
    other = create_engine("sqlite://")
    with other.connect() as connection:
        connection.execute(select(func.abs(1)))
    compat.share_compiled_cache(engine, other)
    assert engine._compiled_cache is other._compiled_cache
    assert engine._compiled_cache
    other.dispose()


def test_metadata_with_a_sequence_or_a_listener_creates_more_than_tables() -> None:
    plain, with_sequence, with_listener = MetaData(), MetaData(), MetaData()
    Sequence("numbers", metadata=with_sequence)
    event.listen(with_listener, "before_create", lambda *_, **__: None)
    answers = [compat.creates_more_than_tables(m) for m in (plain, with_sequence, with_listener)]
    assert answers == [False, True, True]


def test_a_copy_of_a_column_belongs_to_no_table() -> None:
    column = table().c.name
    copy = compat.copy_item(column)
    assert (copy.name, copy.table is None) == ("name", True)


def test_a_default_becomes_that_of_a_column() -> None:
    column = table().c.name
    compat.set_parent(DefaultClause("nobody"), column)
    assert isinstance(column.server_default, DefaultClause)
    assert column.server_default.arg == "nobody"


def test_sqlite_resolves_the_name_of_a_type() -> None:
    assert isinstance(compat.sqlite_type(sqlite.dialect(), "INT"), Integer)


def test_an_index_is_created_where_its_ddl_if_says(engine: Engine) -> None:
    authors = table()
    anywhere = Index("ix_anywhere", authors.c.name)
    elsewhere = Index("ix_elsewhere", authors.c.name).ddl_if(dialect="postgresql")
    with engine.connect() as connection:
        assert compat.is_created_on(anywhere, connection)
        assert not compat.is_created_on(elsewhere, connection)


def test_the_check_of_a_type_belongs_to_it() -> None:
    is_open: Column[bool] = Column("is_open", Boolean(create_constraint=True, name="ck_open"))
    shop = Table("shop", MetaData(), is_open, CheckConstraint("1 = 1", name="ck_own"))
    checks = {
        constraint.name: constraint
        for constraint in shop.constraints
        if isinstance(constraint, CheckConstraint)
    }
    assert compat.belongs_to_type(checks["ck_open"])
    assert not compat.belongs_to_type(checks["ck_own"])


def test_a_type_knows_its_variants() -> None:
    kind = JSON().with_variant(postgresql.JSONB(), "postgresql")
    assert isinstance(compat.variants_of(kind)["postgresql"], postgresql.JSONB)
    assert not compat.variants_of(String())


class Wrapped(UserDefinedType[str]):
    cache_ok = True

    def bind_expression(self, bindvalue: Any) -> Any:
        return func.lower(bindvalue)


def test_a_type_may_wrap_sql_around_its_parameters() -> None:
    assert compat.has_bind_expression(Wrapped())
    assert not compat.has_bind_expression(String())


def test_the_remote_side_of_a_relationship_is_marked() -> None:
    class Base(DeclarativeBase):
        pass

    class Task(Base):
        __tablename__ = "task"
        id: Mapped[int] = mapped_column(primary_key=True)
        parent_id: Mapped[int | None] = mapped_column(ForeignKey("task.id"))
        parent: Mapped["Task | None"] = relationship(remote_side="Task.id")

    condition: Any = Task.parent.property.primaryjoin
    sides = {side.key: compat.is_remote(side) for side in (condition.left, condition.right)}
    assert sides == {"id": True, "parent_id": False}


def test_a_condition_loses_the_notes_of_the_orm() -> None:
    condition: Any = table().c.name == "x"
    annotated = condition._annotate({"note": 1})
    plain: Any = compat.without_annotations(annotated)
    assert (annotated._annotations, plain._annotations) == ({"note": 1}, {})


def test_a_driver_that_formats_its_parameters_doubles_percent_signs() -> None:
    pyformat: Any = postgresql.psycopg2.dialect
    assert compat.doubles_percent_signs(pyformat())
    assert not compat.doubles_percent_signs(sqlite.dialect())


def test_every_private_name_is_there() -> None:
    """A release of SQLAlchemy that renames one fails here, and falls back everywhere else."""
    assert {"_should_log_info", "_compiled_cache"} <= {*dir(create_engine("sqlite://"))}
    assert {"_sequences"} <= {*vars(MetaData())}
    assert {"_variant_mapping", "_has_bind_expression"} <= {*dir(TypeEngine)}
    assert {"_ddl_if"} <= {*dir(Index)}
    assert {"_type_bound"} <= {*dir(CheckConstraint("1 = 1"))}
    assert {"_deannotate", "_annotations"} <= {*dir(Column)}
    assert {"_copy", "_set_parent"} <= {*dir(DefaultClause)}
    assert {"_resolve_type_affinity"} <= {*dir(sqlite.dialect())}
    assert {"_double_percents"} <= {*dir(sqlite.dialect().identifier_preparer)}
