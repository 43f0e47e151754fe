"""Naive datetimes are converted to UTC on flush."""

from datetime import UTC, datetime

import pytest

from colonnade import Database, Field, Resource, SQLModel
from colonnade.models._utc_on_flush import _warned
from tests.resources.sample_app import serving


def test_a_naive_time_in_utc_causes_one_warning(db: Database) -> None:
    def utcnow() -> datetime:
        return datetime.now(UTC).replace(tzinfo=None)

    _warned.clear()

    class Log(SQLModel, table=True):
        id: int | None = Field(default=None, primary_key=True)
        at: datetime = Field(default_factory=utcnow)

    db.create_all()
    with db.session() as session:
        session.add(Log())
        with pytest.warns(
            UserWarning, match=r"Log\.at was set to a naive datetime in UTC.*local time"
        ):
            session.commit()
    with serving(Resource(Log, db)) as client:
        assert client.post("/logs", json={}).status_code == 201  # no second warning
