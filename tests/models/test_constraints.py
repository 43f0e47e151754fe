"""Bounds and values as CHECK constraints, and the names of constraints."""

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Annotated, Any, Literal, Optional

import pytest
import sqlalchemy as sa
from pydantic import PositiveInt, StringConstraints
from sqlalchemy.exc import IntegrityError

from colonnade import (
    Column,
    Database,
    Field,
    SQLModel,
    String,
    text,
)
from tests.models.storing import Priority, store_and_read


@pytest.mark.parametrize(
    "annotation",
    [
        Literal["a", "b"],
        Optional[Literal["a", "b"]],
        Annotated[Literal["a", "b"], Field(index=True)],
        Priority,
    ],
)
def test_the_database_refuses_other_values(db: Database, annotation: Any) -> None:
    class Row(SQLModel, table=True):
        id: int | None = Field(default=None, primary_key=True)
        value: annotation

    db.create_all()
    with db.session() as session, pytest.raises(IntegrityError, match="ck_row_value_values"):
        session.connection().execute(text("INSERT INTO row (id, value) VALUES (1, 'z')"))
        session.commit()


BOUNDS: list[tuple[Any, str, Any, Any]] = [
    (Annotated[int, Field(ge=1)], "ge", 1, 0),
    (Annotated[int, Field(gt=0)], "gt", 1, 0),
    (PositiveInt, "gt", 1, 0),
    (Annotated[int, Field(le=9)], "le", 9, 10),
    (Annotated[int, Field(lt=10)], "lt", 9, 10),
    (Optional[Annotated[int, Field(ge=1)]], "ge", 1, 0),
    (Annotated[int | None, Field(ge=1)], "ge", None, 0),
    (Annotated[float, Field(le=0.5)], "le", 0.5, 0.75),
    (Annotated[Decimal, Field(max_digits=6, decimal_places=2, ge=Decimal("0.01"))], "ge",
     Decimal("0.01"), Decimal("0.00")),
    (Annotated[date, Field(ge=date(2020, 1, 1))], "ge", date(2020, 1, 1), date(2019, 12, 31)),
    (Annotated[datetime, Field(ge=datetime(2020, 1, 1, tzinfo=UTC))], "ge",
     datetime(2020, 1, 1, tzinfo=UTC), datetime(2019, 12, 31, 23, 59, tzinfo=UTC)),
    (Annotated[str, Field(max_length=3)], "max_length", "äöü", "abcd"),
    (Annotated[str, Field(min_length=2)], "min_length", "ab", "a"),
    (Annotated[str, StringConstraints(max_length=3)], "max_length", "abc", "abcd"),
    (Annotated[bytes, Field(max_length=2)], "max_length", b"\xff\xff", b"abc"),
    (Annotated[list[int], Field(max_length=1)], "max_length", [1], [1, 2]),
]  # fmt: skip


@pytest.mark.parametrize(("annotation", "bound", "inside", "outside"), BOUNDS, ids=str)
def test_the_database_checks_a_bound(
    db: Database, annotation: Any, bound: str, inside: Any, outside: Any
) -> None:
    class Row(SQLModel, table=True):
        id: int | None = Field(default=None, primary_key=True)
        value: annotation

    assert store_and_read(db, Row(value=inside)).value == inside
    with db.session() as session, pytest.raises(IntegrityError, match=f"ck_row_value_{bound}"):
        session.add(Row(value=outside))
        session.commit()


def test_bounds_of_a_shared_base_apply_to_each_table(db: Database) -> None:
    class Base(SQLModel):
        status: Literal["open", "done"] = "open"
        percent: int = Field(default=0, ge=0, le=100)
        note: str = Field(default="", sa_column=Column(String(20), nullable=False))

    class One(Base, table=True):
        id: int | None = Field(default=None, primary_key=True)

    class Two(Base, table=True):
        id: int | None = Field(default=None, primary_key=True)

    db.create_all()
    for model in (One, Two):
        with db.session() as session, pytest.raises(IntegrityError):
            session.add(model(percent=101))
            session.commit()


def test_every_constraint_has_a_name(db: Database) -> None:
    class Team(SQLModel, table=True):
        id: int | None = Field(default=None, primary_key=True)

    class Member(SQLModel, table=True):
        __table_args__ = (
            sa.UniqueConstraint("name", "team_id"),
            sa.CheckConstraint("length(name) > 0"),
        )
        id: int | None = Field(default=None, primary_key=True)
        name: str
        slug: str = Field(unique=True)
        team_id: int | None = Field(default=None, foreign_key="team.id", index=True)

    db.create_all()
    inspector = sa.inspect(db.engine)
    assert inspector.get_pk_constraint("member")["name"] == "pk_member"
    assert inspector.get_foreign_keys("member")[0]["name"] == "fk_member_team_id_team"
    unique = {constraint["name"] for constraint in inspector.get_unique_constraints("member")}
    assert unique == {"uq_member_slug", "uq_member_name_team_id"}
    checks = [constraint["name"] for constraint in inspector.get_check_constraints("member")]
    assert len(checks) == 1
    assert str(checks[0]).startswith("ck_member_")
    assert [index["name"] for index in inspector.get_indexes("member") if not index["unique"]] == [
        "ix_member_team_id"
    ]


def test_a_name_too_long_for_postgresql_is_shortened_the_same_everywhere() -> None:
    class Row(SQLModel, table=True):
        __tablename__ = "t" * 50
        id: int | None = Field(default=None, primary_key=True)
        a_column_with_quite_a_long_name: int = Field(ge=0)
        a_column_with_quite_a_long_name_too: int = Field(ge=0)

    names = {str(constraint.name) for constraint in Row.__table__.constraints}
    assert len(names) == 3
    assert all(len(name) <= 63 for name in names)


def test_a_naming_convention_of_the_metadata_has_priority() -> None:
    convention = {"ix": "ix_%(column_0_label)s", "pk": "primary_%(table_name)s"}
    SQLModel.metadata.naming_convention = convention
    try:

        class Row(SQLModel, table=True):
            id: int | None = Field(default=None, primary_key=True)

        assert Row.__table__.primary_key.name == "primary_row"
    finally:
        SQLModel.metadata.naming_convention = {"ix": "ix_%(column_0_label)s"}
