"""A schema that only Pydantic can write is written by Pydantic, and says why."""

from datetime import timedelta
from typing import Annotated, Any

from pydantic import (
    BaseModel,
    StringConstraints,
    computed_field,
    field_serializer,
)
from sqlalchemy import Integer, Numeric

from colonnade import Database, Field, SQLModel
from colonnade.query import QueryableTable
from colonnade.rows import View
from tests.rows.writers import by_database, by_pydantic


class Point(BaseModel):
    x: int = 0
    y: int | None = None


class TestFallbackReasons:
    def reasons(self, model: Any, **options: Any) -> tuple[str, ...]:
        return View(QueryableTable.of(model, **options)).fallback_reasons

    def test_plain_columns_are_written_by_the_database(self, words: Any) -> None:
        assert self.reasons(words) == ()

    def test_a_computed_field(self, db: Database) -> None:
        class Name(SQLModel, table=True):
            id: int | None = Field(default=None, primary_key=True)
            first: str
            last: str

            @computed_field  # type: ignore[prop-decorator]  # mypy has no stacked property decorators
            @property
            def whole(self) -> str:
                return f"{self.first} {self.last}"

        assert self.reasons(Name) == ("NameRead.whole is a computed field",)
        db.create_all()
        with db.session() as session:
            session.add(Name(first="Ada", last="Lovelace"))
            session.commit()
        assert by_database(db, Name) == by_pydantic(db, Name)
        assert by_database(db, Name)[0]["whole"] == "Ada Lovelace"
        assert by_database(db, Name, "fields=last") == [{"last": "Lovelace"}]

    def test_a_computed_field_of_what_nobody_sees(self, db: Database) -> None:
        class Account(SQLModel, table=True):
            id: int | None = Field(default=None, primary_key=True)
            password: str | None = Field(default=None, secret=True)
            first: str = Field(default="a", exclude=True)

            @computed_field  # type: ignore[prop-decorator]  # mypy has no stacked property decorators
            @property
            def is_safe(self) -> bool:
                return self.password is not None and self.first == "a"

        db.create_all()
        with db.session() as session:
            session.add_all([Account(password="x"), Account()])
            session.commit()
        rows = [{"id": 1, "is_safe": True}, {"id": 2, "is_safe": False}]
        assert by_database(db, Account) == by_pydantic(db, Account) == rows
        assert by_database(db, Account, "fields=id") == [{"id": 1}, {"id": 2}]

    def test_a_serializer_of_a_field_that_is_not_asked_for(self, db: Database) -> None:
        class Book(SQLModel, table=True):
            id: int | None = Field(default=None, primary_key=True)
            title: str
            name: str

            @field_serializer("name")
            def whole(self, name: str) -> str:
                return f"{self.title}: {name}"

        db.create_all()
        with db.session() as session:
            session.add(Book(title="t", name="n"))
            session.commit()
        assert by_database(db, Book, "fields=name") == [{"name": "t: n"}]

    def test_a_field_of_another_type_than_its_column(self, db: Database) -> None:
        class Odd(SQLModel, table=True):
            id: int | None = Field(default=None, primary_key=True)
            ratio: float = Field(sa_type=Numeric(10, 2))
            count: int = Field(sa_type=Numeric(20, 0))
            flag: bool = Field(sa_type=Integer)

        assert len(self.reasons(Odd)) == 3
        db.create_all()
        with db.session() as session:
            session.add(Odd(ratio=1.5, count=3, flag=True))
            session.commit()
        assert by_database(db, Odd) == [{"id": 1, "ratio": 1.5, "count": 3, "flag": True}]

    def test_what_changes_a_value_on_the_way(self, words: Any, db: Database) -> None:
        class Loud(SQLModel):
            id: int
            word: Annotated[str, StringConstraints(to_upper=True)]

        class Shy(SQLModel):
            id: int
            word: str | None = Field(schema_extra={"exclude_if": lambda word: len(word) > 3})

        class Short(SQLModel):
            id: int
            word: Annotated[str, StringConstraints(max_length=100)]

        assert self.reasons(words, read=Loud)
        assert by_database(db, words, read=Loud)[0]["word"].startswith("A\tB")
        assert by_database(db, words, read=Shy) == [{"id": 1}]
        assert self.reasons(words, read=Short) == ()

    def test_names_that_are_each_others(self, db: Database) -> None:
        class Swap(SQLModel, table=True):
            id: int | None = Field(default=None, primary_key=True)
            a: str = Field(alias="b")
            b: str = Field(alias="a")
            data: bytes = b""

        db.create_all()
        with db.session() as session:
            make: Any = Swap
            swap = make(data=b"")
            swap.a, swap.b = "A", "B"
            session.add(swap)
            session.commit()
        assert by_database(db, Swap) == [{"id": 1, "b": "A", "a": "B", "data": ""}]
        assert by_database(db, Swap, "fields=a") == [{"a": "B"}]

    def test_a_serializer(self, db: Database) -> None:
        class Price(SQLModel, table=True):
            id: int | None = Field(default=None, primary_key=True)
            cents: int

            @field_serializer("cents")
            def euros(self, cents: int) -> str:
                return f"{cents / 100:.2f} €"

        assert self.reasons(Price) == ("PriceRead.euros is a serializer",)
        db.create_all()
        with db.session() as session:
            session.add(Price(cents=1234))
            session.commit()
        assert by_database(db, Price) == [{"id": 1, "cents": "12.34 €"}]

    def test_a_schema_of_another_type(self, words: Any, db: Database) -> None:
        class NoteRead(SQLModel):
            id: str
            word: str

        (reason,) = self.reasons(words, read=NoteRead)
        assert reason == "NoteRead.id has another type than its column"

    def test_a_nested_model_and_what_else_has_no_exact_form(self) -> None:
        class Thing(SQLModel, table=True):
            id: int | None = Field(default=None, primary_key=True)
            point: Point
            span: timedelta
            data: bytes

        assert len(self.reasons(Thing)) == 2
