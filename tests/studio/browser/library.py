"""An app for the browser: books with authors, copies, links with fields, a tree, odd keys."""

import asyncio
import datetime as dt
from decimal import Decimal
from enum import Enum
from typing import Annotated, Any, Literal, Optional
from uuid import UUID

from fastapi import Cookie, Depends, FastAPI, HTTPException, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from pydantic import BaseModel
from sqlalchemy import ForeignKeyConstraint

from colonnade import (
    BigInteger,
    Database,
    Field,
    LargeBinary,
    Relationship,
    Resource,
    SQLModel,
    Studio,
    StudioView,
    Timestamps,
    problems,
)
from tests.studio.serving import ServedStudio

bearer = HTTPBearer(auto_error=False)


class Library:
    """The app, its Resources and its database.

    Attributes:
        users: Who may use Studio, by cookie or by bearer token.
        slow_method: The method of requests that take longer.
        server: Where it is served.
    """

    server: ServedStudio

    def __init__(self, db: Database) -> None:
        self.db = db
        self.users = {"admin", "other"}
        self.slow_method = ""
        self.app = FastAPI(title="Library", lifespan=db.lifespan)
        self.models = make_models()
        db.create_all()
        self._add_resources()
        self.app.middleware("http")(self.delay)
        problems(self.app)
        Studio(self.app, dependencies=[Depends(self.require_user)])

    async def delay(self, request: Request, call_next: Any) -> Any:
        if request.method == self.slow_method:
            await asyncio.sleep(0.4)
        return await call_next(request)

    def require_user(
        self,
        user: Annotated[str, Cookie()] = "",
        token: Annotated[HTTPAuthorizationCredentials | None, Depends(bearer)] = None,
    ) -> None:
        known = self.users & {user, token.credentials if token else ""}
        if not known:
            raise HTTPException(401, "You are not signed in.")

    def _add_resources(self) -> None:
        models, db = self.models, self.db
        copies = Resource(models["Copy"], db, include=["book"])
        tags = Resource(models["Tag"], db, include=["books"])
        books: Resource = Resource(
            models["Book"],
            db,
            include=["author", "series", "parts", "copies", "copies.count", "tags", "loans.reader"],
            nested={"copies": copies, "tags": tags},
            studio=StudioView(search=["title"], group="Catalogue"),
        )

        class Repricing(BaseModel):
            price: Decimal = Decimal("1.50")

        @books.action("Lend out", confirm="Lend these books out?")
        def lend(rows: list[Any]) -> str:
            for book in rows:
                book.in_stock = False
            return f"Lent {len(rows)}."

        @books.action("Set price")
        def set_price(rows: list[Any], form: Repricing) -> str:
            for book in rows:
                book.price = form.price
            return f"New price: {form.price}."

        resources = [
            books,
            Resource(models["Author"], db, include=["books", "books.count"]),
            copies,
            tags,
            Resource(models["Reader"], db, include=["loans"], studio=StudioView(group="People")),
            Resource(models["Shelf"], db),
            Resource(models["Box"], db, include=["shelf"]),
            Resource(models["Sheet"], db),
        ]
        for resource in resources:
            self.app.include_router(resource)

    def add(self, model: str, **values: Any) -> Any:
        """Store a row, and return its key."""
        with self.db.session() as session:
            row = self.models[model](**values)
            session.add(row)
            session.commit()
            keys = [
                getattr(row, column.name) for column in self.models[model].__table__.primary_key
            ]
            return keys[0] if len(keys) == 1 else tuple(keys)

    def change(self, model: str, key: Any, **values: Any) -> None:
        """Change a row, as someone else does."""
        with self.db.session() as session:
            row = session.get_one(self.models[model], key)
            for name, value in values.items():
                setattr(row, name, value)
            session.commit()

    def get(self, model: str, key: Any) -> Any:
        """Load a row."""
        with self.db.session() as session:
            return session.get(self.models[model], key)


class Binding(Enum):
    """How a book is bound."""

    HARD = "hardcover"
    SOFT = "paperback"


def make_models() -> dict[str, type[Any]]:
    """The models, defined for each test."""

    class Author(SQLModel, table=True):
        id: int | None = Field(default=None, primary_key=True)
        name: str = Field(min_length=1, max_length=80)
        books: list["Book"] = Relationship(back_populates="author", passive_deletes="all")

    class BookTag(SQLModel, table=True):
        book_id: int = Field(foreign_key="book.id", primary_key=True, ondelete="CASCADE")
        tag_id: int = Field(foreign_key="tag.id", primary_key=True, ondelete="CASCADE")

    class Tag(SQLModel, table=True):
        id: int | None = Field(default=None, primary_key=True)
        name: str = Field(unique=True, max_length=40)
        books: list["Book"] = Relationship(back_populates="tags", link_model=BookTag)

    class Loan(SQLModel, table=True):
        book_id: int | None = Field(
            default=None, foreign_key="book.id", primary_key=True, ondelete="CASCADE"
        )
        reader_id: str | None = Field(default=None, foreign_key="reader.id", primary_key=True)
        days: int = Field(default=14, ge=1, le=60)
        book: Optional["Book"] = Relationship(back_populates="loans")
        reader: Optional["Reader"] = Relationship(back_populates="loans")

    class Reader(SQLModel, table=True):
        id: str = Field(primary_key=True, max_length=80)
        name: str
        loans: list[Loan] = Relationship(back_populates="reader", passive_deletes="all")

    class Copy(SQLModel, table=True):
        id: int | None = Field(default=None, primary_key=True)
        barcode: str = Field(unique=True, pattern=r"^[A-Z]{2}\d+$", max_length=12)
        book_id: int | None = Field(default=None, foreign_key="book.id", ondelete="CASCADE")
        book: Optional["Book"] = Relationship(back_populates="copies")

    class Book(Timestamps, table=True):
        """A book, of which the library has copies."""

        id: int | None = Field(default=None, primary_key=True)
        title: str = Field(min_length=1, max_length=200)
        status: Literal["planned", "published", "withdrawn"] = "planned"
        price: Decimal | None = Field(default=None, max_digits=12, decimal_places=2, ge=0)
        in_stock: bool = True
        author_id: int | None = Field(default=None, foreign_key="author.id", ondelete="SET NULL")
        series_id: int | None = Field(default=None, foreign_key="book.id", ondelete="CASCADE")
        author: Author | None = Relationship(back_populates="books")
        series: Optional["Book"] = Relationship(
            back_populates="parts", sa_relationship_kwargs={"remote_side": "Book.id"}
        )
        parts: list["Book"] = Relationship(back_populates="series", passive_deletes="all")
        copies: list[Copy] = Relationship(back_populates="book", passive_deletes="all")
        tags: list[Tag] = Relationship(back_populates="books", link_model=BookTag)
        loans: list[Loan] = Relationship(back_populates="book", passive_deletes="all")

    class Shelf(SQLModel, table=True):
        """A table with a composite key of texts."""

        room: str = Field(primary_key=True)
        number: int = Field(primary_key=True)
        label: str | None = None

    class Box(SQLModel, table=True):
        """A table with a reference to a composite key."""

        __table_args__ = (ForeignKeyConstraint(["room", "number"], ["shelf.room", "shelf.number"]),)
        id: int | None = Field(default=None, primary_key=True)
        room: str | None = None
        number: int | None = None
        shelf: Shelf | None = Relationship()

    class Sheet(SQLModel, table=True):
        """A table with a column of each kind."""

        id: int | None = Field(default=None, primary_key=True)
        text: str
        note: str | None = None
        small: int = Field(default=0, ge=-10, le=10)
        big: int = Field(default=0, sa_type=BigInteger)
        ratio: float | None = None
        amount: Decimal = Field(default=Decimal(0), max_digits=15, decimal_places=4)
        flag: bool = False
        answer: bool | None = None
        level: Literal[1, 2, 3] = 1
        binding: Binding | None = None
        day: dt.date | None = None
        at: dt.time | None = None
        moment: dt.datetime | None = None
        took: dt.timedelta | None = None
        code: UUID | None = None
        tags: list[str] = Field(default_factory=list)
        settings: dict[str, Any] | None = None
        raw: bytes | None = Field(default=None, sa_type=LargeBinary)
        secret: str | None = Field(default=None, secret=True)
        checked_by: str = Field(default="nobody", readonly=True)

    local = dict(locals())
    names = ("Author", "Tag", "Loan", "Reader", "Copy", "Book", "Shelf", "Box", "Sheet")
    return {name: local[name] for name in names}
