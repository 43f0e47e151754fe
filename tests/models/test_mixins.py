"""``Timestamps``, ``Versioned`` and ``UUIDKey``."""

import asyncio
import time
import warnings
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import RFC_4122

import pytest
from sqlalchemy.orm.exc import StaleDataError

from colonnade import (
    Database,
    Field,
    SQLModel,
    Timestamps,
    UUIDKey,
    Versioned,
    col,
    insert,
    schemas,
    select,
    update,
)
from colonnade.models import statement_time, uuid7


def row_class() -> Any:
    class Row(Timestamps, Versioned, SQLModel, table=True):
        id: int | None = Field(default=None, primary_key=True)
        name: str = "x"

    return Row


def now() -> datetime:
    return datetime.now(UTC)


def test_the_orm_sets_timestamps(db: Database) -> None:
    Row = row_class()
    db.create_all()
    before = now()
    with db.session() as session:
        row = Row()
        assert (row.created_at, row.updated_at) == (None, None)
        session.add(row)
        session.commit()
        assert before <= row.created_at == row.updated_at <= now()
        assert row.created_at.tzinfo is UTC
        assert (created := row.version) > 0
        row.name = "y"
        session.commit()
        assert row.version == created + 1
        assert row.created_at < row.updated_at <= now()
        first = row.created_at
        session.refresh(row)
        assert row.created_at == first


def test_core_sets_timestamps_for_one_row_and_many(db: Database) -> None:
    Row = row_class()
    db.create_all()
    with db.session() as session:
        session.exec(insert(Row).values(name="one"))
        session.exec(insert(Row), params=[{"name": "two"}, {"name": "three"}])
        session.exec(insert(Row).values([{"name": "four"}, {"name": "five"}]))
        session.commit()
        rows = session.exec(select(Row).order_by(col(Row.id))).all()
        assert len(rows) == 5
        assert all(row.created_at == row.updated_at for row in rows)
        versions = [row.version for row in rows]
        assert rows[3].created_at == rows[4].created_at
        session.exec(update(Row).where(col(Row.name) != "one").values(name="z"))
        session.connection().execute(update(Row).where(col(Row.name) == "one").values(name="y"))
        session.commit()
        session.expire_all()
        changed = session.exec(select(Row).order_by(col(Row.id)))
        assert [row.version - 1 for row in changed] == versions
        assert all(row.updated_at > row.created_at for row in session.exec(select(Row)))


def test_async_sessions_set_timestamps(db: Database) -> None:
    Row = row_class()

    async def main() -> None:
        await db.create_all_async()
        async with db.session() as session:
            row = Row()
            session.add(row)
            await session.commit()
            assert row.created_at == row.updated_at
            created = row.version
            row.name = "y"
            await session.commit()
            assert row.updated_at > row.created_at
            assert row.version == created + 1

    asyncio.run(main())


def test_versions_do_not_restart_when_a_key_is_used_again(db: Database) -> None:
    Row = row_class()
    db.create_all()
    with db.session() as session:
        session.add(old := Row(id=1))
        session.commit()
        before = old.version
        session.delete(old)
        session.commit()
        time.sleep(0.002)
        session.add(new := Row(id=1))
        session.commit()
        assert new.version > before


def test_an_explicit_time_is_kept(db: Database) -> None:
    Row = row_class()
    db.create_all()
    old = datetime(2001, 1, 1, tzinfo=UTC)
    with db.session() as session:
        row = Row(created_at=old, updated_at=old + timedelta(days=1))
        session.add(row)
        session.commit()
        session.refresh(row)
        assert (row.created_at, row.updated_at) == (old, old + timedelta(days=1))


def test_the_second_of_two_updates_is_refused(db: Database) -> None:
    Row = row_class()
    db.create_all()
    with db.session() as session:
        session.add(Row())
        session.commit()
    with db.session() as first_session, db.session() as two:
        first, second = first_session.get_one(Row, 1), two.get_one(Row, 1)
        first.name = "first"
        first_session.commit()
        second.name = "second"
        with pytest.raises(StaleDataError):
            two.commit()
    with db.session() as session:
        assert session.get_one(Row, 1).name == "first"


def test_a_row_that_is_not_stored_dumps_without_a_warning() -> None:
    Row = row_class()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert Row().model_dump(mode="json") == {"name": "x", "id": None}
        assert Row().created_at is Row().version is None
    properties = Row.model_json_schema(mode="serialization")["properties"]
    assert properties["created_at"] == {
        "format": "date-time", "title": "Created At", "type": "string", "default": None,
    }  # fmt: skip


def test_managed_columns_come_last() -> None:
    Row = row_class()
    names = [column.name for column in Row.__table__.columns]
    assert names[:2] == ["id", "name"]
    assert set(names[2:]) == {"created_at", "updated_at", "version"}


def test_a_merged_row_keeps_the_stored_timestamps(db: Database) -> None:
    Row = row_class()
    db.create_all()
    with db.session() as session:
        session.add(Row(id=1))
        session.commit()
        stored = session.get_one(Row, 1)
        first, version = stored.created_at, stored.version
    with db.session() as session:
        session.merge(Row(id=1, name="merged"))
        session.merge(Row.model_validate({"id": 2, "name": "new"}))
        session.commit()
        row = session.get_one(Row, 1)
        assert (row.name, row.created_at, row.version) == ("merged", first, version + 1)
        assert session.get_one(Row, 2).created_at is not None


def test_a_uuid_key_is_generated_by_the_program_and_increases() -> None:
    class Event(UUIDKey, table=True):
        name: str

    keys = [Event(name="x").id for _ in range(2000)]
    assert keys == sorted(keys)
    assert len(set(keys)) == 2000
    assert {(key.version, key.variant) for key in keys} == {(7, RFC_4122)}
    # The first 48 bits are the milliseconds since 1970.
    assert abs((keys[-1].int >> 80) / 1000 - time.time()) < 60
    assert not schemas(Event).create.model_fields["id"].is_required()  # a client may provide it


def test_a_uuid_key_increases_when_the_clock_goes_back(monkeypatch: pytest.MonkeyPatch) -> None:
    first = uuid7()
    monkeypatch.setattr(time, "time_ns", lambda: 0)
    assert uuid7() > first


def test_a_default_called_without_a_context_returns_the_current_time() -> None:
    assert abs((datetime.now(UTC) - statement_time(None)).total_seconds()) < 5
