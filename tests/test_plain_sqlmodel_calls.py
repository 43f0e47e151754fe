"""Existing code with sqlmodel's calls works unchanged on Colonnade's models.

It covers hand-written schemas, engines and sessions, CRUD endpoints and queries, sync and async.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator
from datetime import datetime
from typing import Any, Literal, Optional

import pytest
from fastapi import Depends, FastAPI, HTTPException
from fastapi.testclient import TestClient
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.orm import selectinload
from sqlalchemy.pool import NullPool
from sqlmodel.ext.asyncio.session import AsyncSession

from colonnade import (
    Database,
    Field,
    Relationship,
    Session,
    SQLModel,
    and_,
    col,
    create_engine,
    func,
    or_,
    select,
)


class NoteBase(SQLModel):
    title: str = Field(max_length=200, index=True)
    body: Optional[str] = None
    state: Literal["draft", "sent"] = "draft"
    stars: int = Field(default=0, ge=0, le=5)


class NoteCreate(NoteBase):
    pass


class NoteUpdate(SQLModel):
    title: Optional[str] = None
    body: Optional[str] = None
    state: Optional[str] = None
    stars: Optional[int] = Field(default=None, ge=0, le=5)


class NoteRead(NoteBase):
    id: int
    made_at: datetime
    seen_at: datetime


def tables() -> Any:
    class Folder(SQLModel, table=True):
        id: Optional[int] = Field(default=None, primary_key=True)
        notes: list["Note"] = Relationship(back_populates="folder")

    class Note(NoteBase, table=True):
        id: Optional[int] = Field(default=None, primary_key=True)
        made_at: datetime = Field(default_factory=datetime.now)
        seen_at: datetime = Field(default_factory=datetime.now)
        folder_id: Optional[int] = Field(default=None, foreign_key="folder.id")
        folder: Optional[Folder] = Relationship(back_populates="notes")

    return Note, Folder


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Any) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'plain.db'}"
    plain: str = request.getfixturevalue("postgresql_database")
    return plain


def async_engine(url: str) -> AsyncEngine:
    driver = "postgresql+asyncpg://" if url.startswith("postgresql") else "sqlite+aiosqlite://"
    return create_async_engine(driver + url.split("://", 1)[1], poolclass=NullPool)


def test_crud_endpoints_work_on_a_plain_async_engine(url: str) -> None:
    Note, _ = tables()
    engine = async_engine(url)

    async def get_session() -> AsyncIterator[AsyncSession]:
        async with AsyncSession(engine) as session:
            yield session

    async def find(note_id: int, session: AsyncSession) -> Any:
        note = await session.get(Note, note_id)
        if not note:
            raise HTTPException(status_code=404, detail="no such note")
        return note

    app = FastAPI()

    @app.post("/notes", response_model=NoteRead, status_code=201)
    async def create(note: NoteCreate, session: AsyncSession = Depends(get_session)) -> Any:
        row = Note.model_validate(note)
        session.add(row)
        await session.commit()
        await session.refresh(row)
        return row

    @app.get("/notes", response_model=list[NoteRead])
    async def read_many(session: AsyncSession = Depends(get_session), limit: int = 10) -> Any:
        return (await session.exec(select(Note).limit(limit))).all()

    @app.get("/notes/{note_id}", response_model=NoteRead)
    async def read(note_id: int, session: AsyncSession = Depends(get_session)) -> Any:
        return await find(note_id, session)

    @app.patch("/notes/{note_id}", response_model=NoteRead)
    async def update(
        note_id: int, change: NoteUpdate, session: AsyncSession = Depends(get_session)
    ) -> Any:
        row = await find(note_id, session)
        row.sqlmodel_update(change.model_dump(exclude_unset=True))
        session.add(row)
        await session.commit()
        await session.refresh(row)
        return row

    @app.delete("/notes/{note_id}")
    async def delete(note_id: int, session: AsyncSession = Depends(get_session)) -> Any:
        await session.delete(await find(note_id, session))
        await session.commit()
        return {"ok": True}

    async def create_tables() -> None:
        async with engine.begin() as connection:
            await connection.run_sync(SQLModel.metadata.create_all)

    asyncio.run(create_tables())
    with TestClient(app) as client:
        created = client.post("/notes", json={"title": "first", "body": "b"})
        assert created.status_code == 201
        assert created.json()["made_at"].endswith("Z")
        assert client.post("/notes", json={"title": "x", "state": "nonsense"}).status_code == 422
        assert client.get("/notes").json() == [created.json()]
        changed = client.patch("/notes/1", json={"stars": 5}).json()
        assert changed == {**created.json(), "stars": 5}
        assert client.patch("/notes/1", json={"body": None}).json()["body"] is None
        assert client.get("/notes/1").json()["stars"] == 5
        assert client.delete("/notes/1").json() == {"ok": True}
        assert client.get("/notes/1").status_code == 404


def test_endpoints_work_on_a_plain_sync_engine(url: str) -> None:
    Note, _ = tables()
    engine = create_engine(url)
    SQLModel.metadata.create_all(engine)
    app = FastAPI()

    def get_session() -> Iterator[Session]:
        with Session(engine) as session:
            yield session

    @app.post("/notes", response_model=NoteRead)
    def create(note: NoteCreate, session: Session = Depends(get_session)) -> Any:
        row = Note.model_validate(note)
        session.add(row)
        session.commit()
        return row

    with TestClient(app) as client:
        assert client.post("/notes", json={"title": "x"}).json()["title"] == "x"
    engine.dispose()


def fill(session: Session, Note: Any, Folder: Any) -> None:
    folder = Folder()
    for number in range(30):
        state = "sent" if number % 3 else "draft"
        note = Note(title=f"n{number:02}", state=state, stars=number % 6)
        note.folder = folder
        session.add(note)
    session.commit()


def queries(Note: Any) -> list[tuple[Any, int]]:
    return [
        (select(Note), 30),
        (select(Note).where(Note.state == "draft"), 10),
        (select(Note).where(Note.state == "sent", Note.stars == 5), 5),
        (select(Note).where(or_(Note.stars == 0, Note.stars == 1)), 10),
        (select(Note).where(and_(Note.stars > 3, col(Note.title).startswith("n1"))), 4),
        (select(Note).where(col(Note.state).in_(["draft"])), 10),
        (select(Note).where(Note.made_at <= datetime.now()), 30),
        (select(Note).order_by(Note.made_at.desc(), Note.id).offset(20).limit(5), 5),
        (select(Note).where(Note.title == "n07"), 1),
    ]


def test_queries_work_in_sync_and_async_code(db: Database) -> None:
    Note, Folder = tables()
    db.create_all()
    with db.session() as session:
        fill(session, Note, Folder)
        for statement, count in queries(Note):
            assert len(session.exec(statement).all()) == count
        assert session.exec(select(func.count()).select_from(Note)).one() == 30

    async def main() -> None:
        async with db.session() as session:
            for statement, count in queries(Note):
                assert len((await session.exec(statement)).all()) == count
            assert (await session.exec(select(func.count()).select_from(Note))).one() == 30
            note = (await session.exec(select(Note).where(Note.title == "n07"))).one()
            assert (await session.get(Note, note.id)) is note
            loaded = select(Note).options(selectinload(Note.folder))
            session.expunge_all()
            assert {note.folder.id for note in (await session.exec(loaded)).all()} == {1}

    asyncio.run(main())
