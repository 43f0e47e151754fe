"""Columns of every type: the same models give no second revision, on either database."""

import ipaddress
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum, IntEnum
from pathlib import Path
from typing import Annotated, Any, Literal
from uuid import UUID

import pytest
import sqlalchemy as sa
from pydantic import BaseModel, NaiveDatetime, StringConstraints
from sqlalchemy.dialects import postgresql

from colonnade import Field, SQLModel, Timestamps, Versioned
from tests.migrations.lab import Lab


class Colour(Enum):
    RED = "red"
    BLUE = "it's blue: 100%"


class Level(IntEnum):
    LOW = 1
    HIGH = 2


class Wide(Enum):
    ONE = 1
    HUGE = 2**40


class Address(BaseModel):
    street: str
    lines: list[str]


def every_type() -> None:
    class Owner(SQLModel, table=True):
        a: int = Field(primary_key=True)
        b: str = Field(primary_key=True)

    class Everything(Timestamps, Versioned, table=True):
        id: int | None = Field(default=None, primary_key=True)
        text: str
        short: str = Field(max_length=20, min_length=2, index=True)
        stripped: Annotated[str, StringConstraints(max_length=5)] = "x"
        plain: str | None = Field(default=None, sa_type=sa.Text)
        varchar: str = Field(default="", sa_type=sa.String(30))
        email: str = ""
        unique_one: str = Field(unique=True)
        number: int = Field(default=0, ge=-5, lt=10)
        small: int = Field(default=0, sa_type=sa.SmallInteger)
        large: int = Field(default=0, le=2**50)
        ratio: float = Field(default=0.5, gt=-0.5, le=1.5)
        money: Decimal = Field(default=Decimal(0), max_digits=12, decimal_places=2, ge=0)
        numeric: Decimal = Field(default=Decimal(0), sa_type=sa.Numeric(20, 4))
        flag: bool = False
        day: date = Field(default=date(2026, 1, 1), ge=date(2000, 1, 1))
        clock: time = time(12)
        moment: datetime | None = Field(default=None, ge=datetime(2000, 1, 1, 12, 30))
        naive: NaiveDatetime | None = None
        span: timedelta = timedelta(0)
        data: bytes = Field(default=b"", max_length=100)
        key: UUID | None = None
        colour: Colour = Colour.RED
        level: Level = Level.LOW
        wide: Wide = Wide.ONE
        status: Literal["open", "it's", "a:b", "50%", 'q"'] = "open"
        step: Literal[1, 2] = 1
        ip: ipaddress.IPv4Address | None = None
        path: Path | None = None
        tags: list[str] = Field(default_factory=list, max_length=5)
        meta: dict[str, Any] = Field(default_factory=dict)
        address: Address | None = None
        defaulted: str = Field(default="x", sa_column_kwargs={"server_default": "it's"})
        counted: int = Field(default=0, sa_column_kwargs={"server_default": sa.text("1 + 1")})
        at: datetime | None = Field(
            default=None, sa_column_kwargs={"server_default": sa.func.current_timestamp()}
        )
        commented: str = Field(default="", sa_column_kwargs={"comment": "It's 100% :said"})
        order: int = Field(default=0, ge=0)  # a reserved word of SQL
        camelCase: int = Field(default=0, ge=0)
        parent_id: int | None = Field(default=None, foreign_key="everything.id", index=True)
        owner_a: int | None = None
        owner_b: str | None = None

        __table_args__ = (
            sa.ForeignKeyConstraint(["owner_a", "owner_b"], ["owner.a", "owner.b"]),
            sa.UniqueConstraint("number", "large"),
            sa.Index("ix_partial", "number", postgresql_where=sa.text("flag"),
                     sqlite_where=sa.text("flag")),
            sa.Index("ix_lower", sa.text("lower(text)")),
            sa.CheckConstraint("number <> large OR flag", name="ck_everything_rule"),
            {"comment": "All there is"},
        )  # fmt: skip


@pytest.mark.slow
def test_the_same_models_give_no_second_revision(lab: Lab) -> None:
    lab.change(every_type)
    assert lab.maybe() is None
    assert lab.drift() == []


@pytest.mark.slow
def test_the_same_models_give_no_revision_on_the_other_database(
    lab: Lab, postgresql_database: str
) -> None:
    """A history written on one database creates the same tables on PostgreSQL."""
    from colonnade import Database

    lab.change(every_type)
    other = Database(postgresql_database)
    other_lab = Lab(lab.root, other)
    other_lab.upgrade()
    assert [drift for drift in other_lab.drift() if "timestamp" not in drift.lower()] == []
    other.dispose()


@pytest.mark.slow
def test_create_all_and_the_history_create_the_same_tables(lab: Lab) -> None:
    lab.models(every_type)
    lab.migrate()
    lab.db.create_all()
    with lab.db.engine.begin() as connection:
        connection.execute(sa.text("CREATE TABLE alembic_version (version_num VARCHAR(32))"))
        connection.execute(
            sa.text("INSERT INTO alembic_version VALUES (:head)"), {"head": lab.history.head()}
        )
    assert lab.drift() == []


@pytest.mark.slow
def test_the_downgrade_to_base_drops_all_tables(lab: Lab) -> None:
    lab.change(every_type)
    lab.downgrade("base")
    names = sa.inspect(lab.db.engine).get_table_names()
    assert names == ["alembic_version"]


def postgresql_types() -> None:
    class Special(SQLModel, table=True):
        id: int | None = Field(
            default=None,
            primary_key=True,
            sa_column_kwargs={"server_default": sa.Identity(always=True, start=10)},
        )
        words: list[str] = Field(sa_type=postgresql.ARRAY(sa.String))
        raw: dict[str, Any] = Field(sa_type=postgresql.JSON)
        address: str = Field(sa_type=postgresql.INET)
        search: str | None = Field(default=None, sa_type=postgresql.TSVECTOR)
        doubled: int = Field(sa_column=sa.Column(sa.Integer, sa.Computed("id * 2", persisted=True)))

        __table_args__ = (sa.Index("ix_words", "words", postgresql_using="gin"),)


def test_types_of_postgresql_give_no_second_revision(lab: Lab) -> None:
    if lab.db.url.backend != "postgresql":
        return
    lab.change(postgresql_types)
    assert lab.maybe() is None
    assert lab.drift() == []


def test_json_is_converted_to_jsonb(lab: Lab) -> None:
    import sqlmodel

    def stock() -> None:
        class Note(sqlmodel.SQLModel, table=True):
            id: int | None = sqlmodel.Field(default=None, primary_key=True)
            data: dict[str, Any] = sqlmodel.Field(sa_type=sa.JSON)

    def ours() -> None:
        class Note(SQLModel, table=True):
            id: int | None = Field(default=None, primary_key=True)
            data: dict[str, Any]

    lab.change(stock)
    lab.run("INSERT INTO note (data) VALUES ('{\"a\"\\: 1}')")
    lab.models(ours)
    written = lab.maybe()
    assert (written is None) == (lab.db.url.backend == "sqlite")
    lab.upgrade()
    assert lab.drift() == []
    assert [row[0] for row in lab.rows("SELECT data FROM note")] in ([{"a": 1}], ['{"a": 1}'])
