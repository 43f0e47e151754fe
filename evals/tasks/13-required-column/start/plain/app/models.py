from datetime import UTC, datetime

from sqlmodel import Field, SQLModel


def now() -> datetime:
    return datetime.now(UTC)


class ArticleCreate(SQLModel):
    title: str = Field(min_length=1, max_length=200)
    body: str = Field(default="", max_length=10_000)


class ArticleUpdate(SQLModel):
    title: str | None = Field(default=None, min_length=1, max_length=200)
    body: str | None = Field(default=None, max_length=10_000)


class Article(ArticleCreate, table=True):
    __tablename__ = "articles"

    id: int | None = Field(default=None, primary_key=True)
    updated_at: datetime = Field(default_factory=now, sa_column_kwargs={"onupdate": now})
