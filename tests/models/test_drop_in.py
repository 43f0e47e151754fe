"""A program that changes ``from sqlmodel import`` to ``from colonnade import`` keeps working."""

import sys
import textwrap
from pathlib import Path
from types import ModuleType
from typing import Any, ClassVar, Literal, Optional

import pytest
import sqlmodel
from pydantic import BaseModel, ValidationError

import colonnade
from colonnade import Database, Field, Relationship, SQLModel, select
from colonnade.errors import ColumnTypeError


def test_every_public_name_of_sqlmodel_is_exported() -> None:
    names = {
        name
        for name, value in vars(sqlmodel).items()
        if not name.startswith("_") and not isinstance(value, ModuleType)
    }
    assert names <= set(colonnade.__all__)
    different = {name for name in names if getattr(colonnade, name) is not getattr(sqlmodel, name)}
    assert different == {"Field", "SQLModel", "UTCDateTime"}


def test_the_public_names_are_unique() -> None:
    assert len(colonnade.__all__) == len(set(colonnade.__all__))
    assert all(hasattr(colonnade, name) for name in colonnade.__all__)


def test_sqlmodel_is_a_subclass_with_the_same_registry_and_metadata() -> None:
    assert issubclass(SQLModel, sqlmodel.SQLModel)
    assert SQLModel.metadata is sqlmodel.SQLModel.metadata
    assert type(SQLModel) is not type(sqlmodel.SQLModel)
    assert sqlmodel.SQLModel.metadata.naming_convention == {"ix": "ix_%(column_0_label)s"}


def test_plain_and_colonnade_tables_can_refer_to_each_other(db: Database) -> None:
    class Team(sqlmodel.SQLModel, table=True):
        id: int | None = sqlmodel.Field(default=None, primary_key=True)
        heroes: list["Hero"] = sqlmodel.Relationship(back_populates="team")

    class Hero(SQLModel, table=True):
        id: int | None = Field(default=None, primary_key=True)
        kind: Literal["good", "bad"] = "good"
        team_id: int | None = Field(default=None, foreign_key="team.id")
        team: Team | None = Relationship(back_populates="heroes")
        pets: list["Pet"] = Relationship(back_populates="owner")

    class Pet(sqlmodel.SQLModel, table=True):
        id: int | None = sqlmodel.Field(default=None, primary_key=True)
        owner_id: int | None = sqlmodel.Field(default=None, foreign_key="hero.id")
        owner: Hero | None = sqlmodel.Relationship(back_populates="pets")

    db.create_all()
    with db.session() as session:
        session.add(Team(heroes=[Hero(pets=[Pet()])]))
        session.commit()
    with db.session() as session:
        pet = session.exec(select(Pet)).one()
        assert pet.owner is not None
        assert pet.owner.team is not None
        assert pet.owner.team.heroes[0].pets == [pet]


def test_a_plain_schema_can_be_a_base_of_a_colonnade_table(db: Database) -> None:
    class Base(sqlmodel.SQLModel):
        kind: Literal["a", "b"] = "a"

    class Row(Base, SQLModel, table=True):
        id: int | None = Field(default=None, primary_key=True)

    db.create_all()
    with db.session() as session:
        session.add(Row(kind="b"))
        session.commit()


def define(tmp_path: Path, source: str) -> Any:
    """A module with this source, imported."""
    name = f"made_{tmp_path.name}".replace("-", "_")
    (tmp_path / f"{name}.py").write_text(textwrap.dedent(source))
    sys.path.insert(0, str(tmp_path))
    try:
        return __import__(name)
    finally:
        sys.path.remove(str(tmp_path))
        sys.modules.pop(name, None)


def test_postponed_annotations_work(tmp_path: Path, db: Database) -> None:
    module = define(
        tmp_path,
        """
        from __future__ import annotations
        from datetime import datetime
        from enum import Enum
        from typing import TYPE_CHECKING, Annotated, List, Literal, Optional
        from colonnade import Field, Relationship, SQLModel, Timestamps

        if TYPE_CHECKING:
            from nowhere import Team

        class Colour(Enum):
            RED = "red"

        class Base(SQLModel):
            status: Literal["a", "b"] = "a"

        class Hero(Base, Timestamps, table=True):
            id: Optional[int] = Field(default=None, primary_key=True)
            colour: Colour = Colour.RED
            seen: Annotated[datetime | None, Field(index=True)] = None
            tags: list[str] = Field(default_factory=list)
            team_id: int | None = Field(default=None, foreign_key="team.id")
            team: Optional[Team] = Relationship(back_populates="heroes")
            boss_id: int | None = Field(default=None, foreign_key="hero.id")
            boss: Hero | None = Relationship(
                back_populates="staff", sa_relationship_kwargs={"remote_side": "Hero.id"})
            staff: List["Hero"] = Relationship(back_populates="boss")

        class Team(SQLModel, table=True):
            id: int | None = Field(default=None, primary_key=True)
            heroes: list[Hero] = Relationship(back_populates="team")

        class Update(Base, partial=True):
            pass

        def local():
            class Local(Enum):
                X = "x"
            class Inner(SQLModel, table=True):
                id: int | None = Field(default=None, primary_key=True)
                local: Local = Local.X
            return Inner
        """,
    )
    inner = module.local()
    db.create_all()
    with db.session() as session:
        session.add(module.Team(heroes=[module.Hero(staff=[module.Hero()])]))
        session.add(inner())
        session.commit()
    with db.session() as session:
        hero = session.exec(select(module.Hero).where(module.Hero.team_id == 1)).one()
        assert hero.team.heroes == [hero]
        assert hero.staff[0].boss is hero
        assert hero.colour is module.Colour.RED
    assert module.Update(status="b").model_dump() == {"status": "b"}


def test_quoted_types_work() -> None:
    class Row(SQLModel, table=True):
        id: "int | None" = Field(default=None, primary_key=True)
        kind: "Literal['a', 'b']" = "a"
        name: Optional["str"] = None

    kind: Any = Row.model_fields["kind"].annotation
    assert kind == Literal["a", "b"]


def test_an_unknown_type_is_refused_with_advice(tmp_path: Path) -> None:
    with pytest.raises(ColumnTypeError, match=r"Row\.colour: the type .*Colour.* is not known"):
        define(
            tmp_path,
            """
            from __future__ import annotations
            from colonnade import Field, SQLModel

            class Row(SQLModel, table=True):
                id: int | None = Field(default=None, primary_key=True)
                colour: Colour

            class Colour: ...
            """,
        )


def test_schemas_are_still_pydantic_models() -> None:
    class Base(SQLModel):
        limit: ClassVar[int] = 3
        name: str = Field(max_length=3)

    class Child(Base):
        nested: BaseModel | None = None

    assert Child(name="abc").model_dump() == {"name": "abc", "nested": None}
    with pytest.raises(ValidationError):
        Child(name="abcd")
    assert Child.limit == 3


def test_a_subclass_of_a_table_is_not_a_second_table() -> None:
    class Row(SQLModel, table=True):
        id: int | None = Field(default=None, primary_key=True)

    class View(Row):
        pass

    assert View.__table__ is Row.__table__
