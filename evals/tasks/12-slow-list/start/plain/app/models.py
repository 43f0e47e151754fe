from datetime import UTC, datetime
from typing import Optional

from sqlmodel import Field, Relationship, SQLModel


def now() -> datetime:
    return datetime.now(UTC)


class Person(SQLModel, table=True):
    __tablename__ = "people"

    id: int | None = Field(default=None, primary_key=True)
    name: str = Field(max_length=100)


class TicketLabel(SQLModel, table=True):
    __tablename__ = "ticket_labels"

    ticket_id: int = Field(foreign_key="tickets.id", primary_key=True)
    label_id: int = Field(foreign_key="labels.id", primary_key=True)


class Label(SQLModel, table=True):
    __tablename__ = "labels"

    id: int | None = Field(default=None, primary_key=True)
    name: str = Field(max_length=50, unique=True)


class TicketCreate(SQLModel):
    subject: str = Field(min_length=1, max_length=200)
    status: str = Field(default="open", min_length=1, max_length=20)
    reporter_id: int | None = None


class Ticket(SQLModel, table=True):
    __tablename__ = "tickets"

    id: int | None = Field(default=None, primary_key=True)
    subject: str = Field(max_length=200)
    status: str = Field(max_length=20)
    created_at: datetime = Field(default_factory=now)
    reporter_id: int | None = Field(default=None, foreign_key="people.id")
    reporter: Optional["Person"] = Relationship()
    labels: list["Label"] = Relationship(link_model=TicketLabel)
    comments: list["Comment"] = Relationship()


class CommentCreate(SQLModel):
    body: str = Field(min_length=1, max_length=1000)
    hidden: bool = False


class Comment(CommentCreate, table=True):
    __tablename__ = "comments"

    id: int | None = Field(default=None, primary_key=True)
    created_at: datetime = Field(default_factory=now)
    ticket_id: int = Field(foreign_key="tickets.id")


class TicketRow(SQLModel):
    id: int
    subject: str
    status: str
    created_at: datetime
    reporter: str | None
    labels: list[str]
    comments: int
    last_comment_at: datetime | None


class TicketPage(SQLModel):
    total: int
    items: list[TicketRow]


class StatusRow(SQLModel):
    status: str
    tickets: int
    comments: int
