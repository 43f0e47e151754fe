"""Inheritance of relations and type arguments; a table cannot be a base of a table."""

from typing import Generic, Optional, TypeVar
from uuid import UUID, uuid4

import pytest
from sqlmodel import Relationship

from colonnade import Database, Field, SQLModel, select
from colonnade.errors import ColumnTypeError, ModelError

T = TypeVar("T")


def test_a_table_cannot_inherit_from_a_table() -> None:
    class Asset(SQLModel, table=True):
        id: int | None = Field(default=None, primary_key=True)

    with pytest.raises(ModelError, match=r"Laptop inherits from the table Asset.*not supported"):

        class Laptop(Asset, table=True):
            ram: int | None = None


def test_a_view_is_refused() -> None:
    with pytest.raises(ModelError, match="Total is marked as a view"):

        class Total(SQLModel, table=True):
            __table_args__ = {"info": {"is_view": True}}
            item: str = Field(primary_key=True)


class TestGenericBases:
    def test_the_type_of_the_key_is_a_type_argument(self, db: Database) -> None:
        class Keyed(SQLModel, Generic[T]):
            id: T = Field(primary_key=True)
            seen: list[T] = Field(default_factory=list)
            other: T | None = None
            name: str = Field(max_length=5)

        class Thing(Keyed[UUID], table=True):
            pass

        class Count(Keyed[int], table=True):
            pass

        db.create_all()
        key = uuid4()
        with db.session() as session:
            session.add_all([Thing(id=key, name="a", seen=[key]), Count(id=1, name="b", other=2)])
            session.commit()
        with db.session() as session:
            thing = session.exec(select(Thing)).one()
            assert (thing.id, thing.seen, thing.other) == (key, [key], None)
            assert session.exec(select(Count)).one().other == 2

    def test_a_type_variable_is_refused(self) -> None:
        class Keyed(SQLModel, Generic[T]):
            id: T = Field(primary_key=True)

        with pytest.raises(ColumnTypeError, match=r"Thing.id: ~T is a type variable.*Base\[int\]"):

            class Thing(Keyed[T], table=True):
                pass


class TestRelationsOfABase:
    def test_each_table_has_a_copy(self, db: Database) -> None:
        class User(SQLModel, table=True):
            id: int | None = Field(default=None, primary_key=True)
            name: str

        def by(column: str) -> dict[str, str]:
            return {"foreign_keys": f"[{{cls}}.{column}]"}

        class Signed(SQLModel):
            author_id: int | None = Field(default=None, foreign_key="user.id")
            editor_id: int | None = Field(default=None, foreign_key="user.id")
            author: Optional[User] = Relationship(sa_relationship_kwargs=by("author_id"))
            editor: Optional[User] = Relationship(sa_relationship_kwargs=by("editor_id"))

        class Doc(Signed, table=True):
            id: int | None = Field(default=None, primary_key=True)

        class Note(Signed, table=True):
            id: int | None = Field(default=None, primary_key=True)

        db.create_all()
        with db.session() as session:
            ada, bob = User(name="Ada"), User(name="Bob")
            session.add_all([Doc(author=ada, editor=bob), Note(author=bob)])
            session.commit()
        with db.session() as session:
            doc, note = session.exec(select(Doc)).one(), session.exec(select(Note)).one()
            people = [doc.author, doc.editor, note.author, note.editor]
            assert [person and person.name for person in people] == ["Ada", "Bob", "Bob", None]
        assert "author" not in Signed.model_fields

    def test_a_relation_that_belongs_to_one_table_is_refused(self) -> None:
        from sqlalchemy.orm import relationship

        class User(SQLModel, table=True):
            id: int | None = Field(default=None, primary_key=True)

        class Signed(SQLModel):
            author: Optional[User] = Relationship(sa_relationship=relationship("User"))

        with pytest.raises(ModelError, match=r"Signed\.author: an sa_relationship belongs to one"):

            class Doc(Signed, table=True):
                id: int | None = Field(default=None, primary_key=True)
