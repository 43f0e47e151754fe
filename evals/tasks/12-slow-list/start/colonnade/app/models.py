from datetime import UTC, datetime

from sqlalchemy import String

from colonnade import Field, Relationship, SQLModel

# The names that PostgreSQL gives by itself: the tables are older than this application.
SQLModel.metadata.naming_convention = {
    "pk": "%(table_name)s_pkey",
    "fk": "%(table_name)s_%(column_0_N_name)s_fkey",
    "uq": "%(table_name)s_%(column_0_N_name)s_key",
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
}


def now() -> datetime:
    return datetime.now(UTC)


class Person(SQLModel, table=True):
    __tablename__ = "people"

    id: int | None = Field(default=None, primary_key=True)
    name: str = Field(sa_type=String(100))
    tickets: list["Ticket"] = Relationship(back_populates="reporter")


class TicketLabel(SQLModel, table=True):
    __tablename__ = "ticket_labels"

    ticket_id: int = Field(foreign_key="tickets.id", primary_key=True)
    label_id: int = Field(foreign_key="labels.id", primary_key=True)


class Label(SQLModel, table=True):
    __tablename__ = "labels"

    id: int | None = Field(default=None, primary_key=True)
    name: str = Field(sa_type=String(50), unique=True)
    tickets: list["Ticket"] = Relationship(back_populates="labels", link_model=TicketLabel)


class Ticket(SQLModel, table=True):
    __tablename__ = "tickets"

    id: int | None = Field(default=None, primary_key=True)
    subject: str = Field(sa_type=String(200))
    status: str = Field(sa_type=String(20))
    created_at: datetime = Field(default_factory=now)
    reporter_id: int | None = Field(default=None, foreign_key="people.id")
    reporter: Person | None = Relationship(back_populates="tickets")
    labels: list[Label] = Relationship(back_populates="tickets", link_model=TicketLabel)
    comments: list["Comment"] = Relationship(back_populates="ticket")


class Comment(SQLModel, table=True):
    __tablename__ = "comments"

    id: int | None = Field(default=None, primary_key=True)
    body: str = Field(sa_type=String(1000))
    hidden: bool = False
    created_at: datetime = Field(default_factory=now)
    ticket_id: int = Field(foreign_key="tickets.id")
    ticket: Ticket = Relationship(back_populates="comments")


class TicketCreate(SQLModel):
    subject: str = Field(min_length=1, max_length=200)
    status: str = Field(default="open", min_length=1, max_length=20)
    reporter_id: int | None = None


class CommentCreate(SQLModel):
    body: str = Field(min_length=1, max_length=1000)
    hidden: bool = False


class CommentRead(Comment, schema="read"): ...


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
