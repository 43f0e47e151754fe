"""A table with one text column."""

from typing import Any

import pytest

from colonnade import Database, Field, SQLModel


@pytest.fixture
def words(db: Database) -> Any:
    class Word(SQLModel, table=True):
        id: int | None = Field(default=None, primary_key=True)
        word: str = ""

    db.create_all()
    with db.session() as session:
        session.add(Word(word='a\tb\n"c"\\ 😀 \x7f\u2028'))
        session.commit()
    return Word
