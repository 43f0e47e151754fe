"""``db.using(url)`` redirects a Database to another database for a block."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from sqlalchemy import event

from colonnade import Database, Field, Resource, SQLModel, select
from colonnade.errors import DatabaseURLError


def note_table() -> Any:
    class Note(SQLModel, table=True):
        id: int | None = Field(default=None, primary_key=True)
        text: str

    return Note


def test_using_redirects_everything_for_the_block(db: Database, tmp_path: Path) -> None:
    note = note_table()
    db.create_all()
    home = str(db.url)
    with db.using(f"sqlite:///{tmp_path / 'other.db'}") as same:
        assert same is db
        assert str(db.url) != home
        db.create_all()
        with db.session() as session:
            session.add(note(text="away"))
            session.commit()

        async def texts() -> list[str]:
            async with db.session() as session:
                return list((await session.exec(select(note.text))).all())

        assert asyncio.run(texts()) == ["away"]
    assert str(db.url) == home
    with db.session() as session:
        assert session.exec(select(note)).all() == []


def test_a_resource_uses_the_backend_of_each_database(database_url: str, tmp_path: Path) -> None:
    note = note_table()
    db = Database(f"sqlite:///{tmp_path / 'home.db'}")
    app = FastAPI(lifespan=db.lifespan)
    app.include_router(Resource(note, db))
    db.create_all()
    for url in (database_url, None):
        if url is None:
            check_notes(app)
            continue
        with db.using(url):
            db.create_all()
            check_notes(app)
    db.dispose()


def check_notes(app: FastAPI) -> None:
    with TestClient(app) as client:
        created = client.post("/notes", json={"text": "one"})
        assert created.status_code == 201, created.text
        assert [row["text"] for row in client.get("/notes").json()] == ["one"]
        tag = created.headers["ETag"]
        assert (
            client.get(created.headers["Location"], headers={"If-None-Match": tag}).status_code
            == 304
        )


def test_connections_outlive_dispose_and_close_with_the_block(
    db: Database, database_url: str
) -> None:
    opened = []
    with db.using(database_url):
        event.listen(db.engine, "connect", lambda *_: opened.append(1))
        for _ in range(3):
            db.ping()
            db.dispose()
        engine = db.engine
    assert opened == [1]
    assert engine.pool.checkedin() == 0  # type: ignore[attr-defined]  # a QueuePool has it


def test_the_database_is_restored_after_an_error_or_an_invalid_url(db: Database) -> None:
    home = str(db.url)
    with pytest.raises(ZeroDivisionError), db.using("sqlite://"):
        _ = 1 / 0
    with pytest.raises(DatabaseURLError), db.using("nonsense"):
        pass
    assert str(db.url) == home
