from datetime import UTC, datetime
from typing import Any

from pydantic import ConfigDict, model_validator
from sqlalchemy import String

from colonnade import Field, SQLModel

# The names that PostgreSQL gives by itself: the tables are older than this application.
SQLModel.metadata.naming_convention = {
    "pk": "%(table_name)s_pkey",
    "fk": "%(table_name)s_%(column_0_N_name)s_fkey",
    "uq": "%(table_name)s_%(column_0_N_name)s_key",
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
}


def now() -> datetime:
    return datetime.now(UTC)


class Article(SQLModel, table=True):
    __tablename__ = "articles"

    id: int | None = Field(default=None, primary_key=True)
    title: str = Field(sa_type=String(200))
    body: str = Field(default="", sa_type=String(10_000))
    updated_at: datetime = Field(
        default_factory=now, readonly=True, sa_column_kwargs={"onupdate": now}
    )


class ArticleCreate(Article, schema="create"):
    model_config = ConfigDict(extra="ignore")

    title: str = Field(min_length=1, max_length=200)
    body: str = Field(default="", max_length=10_000)


class ArticleUpdate(ArticleCreate, partial=True):
    @model_validator(mode="before")
    @classmethod
    def null_changes_nothing(cls, body: Any) -> Any:
        if not isinstance(body, dict):
            return body
        return {name: value for name, value in body.items() if value is not None}
