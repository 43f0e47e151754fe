"""A Database reports its health, logs its statements and emits spans for them."""

import asyncio
import json
import logging
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from colonnade import Database, Field, SQLModel, select, text
from colonnade.errors import DatabaseError
from colonnade.health import health_router
from tests.database.test_limits import LONG
from tests.servers import url_of


def table() -> Any:
    class Row(SQLModel, table=True):
        id: int | None = Field(default=None, primary_key=True)
        name: str = "x"

    return Row


SLOW = {
    "postgresql": "SELECT pg_sleep(0.12)",
    "sqlite": "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2000000) "
    "SELECT sum(i) FROM n",
}


def test_health_reports_a_reachable_database(db: Database) -> None:
    health = db.health()
    assert (health.reached, health.reason, health.revisions) == (True, "", None)
    assert health.milliseconds > 0

    async def main() -> None:
        assert (await db.health_async()).reached
        await db.dispose_async()

    asyncio.run(main())


def test_health_says_why_a_database_is_unreachable() -> None:
    db = Database("postgresql://me:hunter2@127.0.0.1:1/db")
    for health in (db.health(0.2), asyncio.run(db.health_async(0.2))):
        assert not health.reached
        assert "nothing listens on that port" in health.reason
        assert "hunter2" not in health.reason


def test_the_health_routes_report_a_reachable_database(db: Database) -> None:
    app = FastAPI()
    app.include_router(health_router(db, migrations=False))
    with TestClient(app) as client:
        assert client.get("/health/live").json() == {"alive": True}
        answer = client.get("/health")
        assert answer.status_code == 200
        assert answer.headers["Cache-Control"] == "no-store"
        assert answer.json() == {"alive": True, "ready": True, "database": "reached"}


@pytest.mark.slow
def test_the_health_route_hides_details_of_an_unreachable_database() -> None:
    db = Database("postgresql://me:hunter2@127.0.0.1:1/db")
    app = FastAPI()
    app.include_router(health_router(db, path="/status"))
    with TestClient(app) as client:
        answer = client.get("/status")
    assert answer.status_code == 503
    assert answer.json() == {"alive": True, "ready": False, "database": "unreachable"}


def test_a_database_without_the_newest_migration_is_not_ready(
    db: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    versions = tmp_path / "migrations" / "versions"
    versions.mkdir(parents=True)
    (tmp_path / "pyproject.toml").write_text("[tool.colonnade]\n")
    (versions / "0001_first.py").write_text(
        '"""First."""\nrevision = "0001"\ndown_revision = None\n'
        "def upgrade() -> None: ...\ndef downgrade() -> None: ...\n"
    )
    monkeypatch.chdir(tmp_path)
    app = FastAPI()
    app.include_router(health_router(db))
    with TestClient(app) as client:
        answer = client.get("/health")
        assert (answer.status_code, answer.json()["migrations"]) == (503, "not at head")
        with db.engine.begin() as connection:
            connection.execute(text("CREATE TABLE alembic_version (version_num VARCHAR(32))"))
            connection.execute(text("INSERT INTO alembic_version VALUES ('0001')"))
        answer = client.get("/health")
        assert (answer.status_code, answer.json()["migrations"]) == (200, "at head")


def test_each_statement_is_logged_without_its_values(
    db: Database, caplog: pytest.LogCaptureFixture
) -> None:
    Row = table()
    db.create_all()
    logging_db = Database(db.url, log_statements=True)
    with caplog.at_level(logging.INFO, "colonnade.statements"), logging_db.session() as session:
        session.add(Row(name="hunter2"))
        session.commit()
    record: Any = caplog.records[-1]
    assert record.levelname == "INFO"
    assert record.statement.startswith("INSERT INTO ")
    assert record.milliseconds > 0
    assert record.database == str(db.url)
    assert "hunter2" not in caplog.text
    logging_db.dispose()


@pytest.mark.parametrize("is_async", [False, True])
def test_a_slow_statement_is_logged_with_its_plan(
    db: Database, caplog: pytest.LogCaptureFixture, is_async: bool
) -> None:
    Row = table()
    db.create_all()
    logging_db = Database(db.url, slow_statement=0.05, explain_slow=True)

    def work(connection: Connection) -> None:
        connection.execute(select(Row))
        connection.execute(text(SLOW[db.url.backend]))

    async def main() -> None:
        await logging_db.run_async(work)
        await logging_db.run_async(work, begin=True)
        await logging_db.dispose_async()

    with caplog.at_level(logging.INFO, "colonnade.statements"):
        if is_async:
            asyncio.run(main())
        else:
            with logging_db.session() as session:
                work(session.connection())
                # EXPLAIN has not aborted the transaction.
                assert session.exec(select(Row)).all() == []
    assert len(caplog.records) == 1 + is_async
    records: list[Any] = list(caplog.records)
    for record in records:
        assert record.levelname == "WARNING"
        assert ("Result" if db.url.backend == "postgresql" else "SCAN") in record.plan
    logging_db.dispose()


def test_a_plan_does_not_show_values(db: Database, caplog: pytest.LogCaptureFixture) -> None:
    Row = table()
    db.create_all()
    logging_db = Database(db.url, slow_statement=0, explain_slow=True)
    with caplog.at_level(logging.INFO, "colonnade.statements"), logging_db.session() as session:
        session.exec(select(Row).where(Row.name == "hunter2's", Row.id > 424242)).all()
    record: Any = caplog.records[-1]
    assert record.plan
    assert "hunter2" not in caplog.text + record.plan
    assert "424242" not in caplog.text + record.plan
    logging_db.dispose()


def test_a_timeout_applies_to_logged_statements(db: Database) -> None:
    logging_db = Database(db.url, log_statements=True)

    def work(connection: Connection) -> None:
        connection.execute(text(LONG[db.url.backend]))

    async def main() -> None:
        with logging_db.statement_timeout(0.2), pytest.raises((DBAPIError, DatabaseError)):
            await logging_db.run_async(work)
        await logging_db.dispose_async()

    started = time.monotonic()
    asyncio.run(main())
    assert time.monotonic() - started < 2


TRACED = """
import asyncio, json, sys
from opentelemetry import metrics, trace
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from colonnade import Database, text

exporter, reader = InMemorySpanExporter(), InMemoryMetricReader()
db = Database(sys.argv[1])
if sys.argv[2] == "set":
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    trace.set_tracer_provider(provider)
    metrics.set_meter_provider(MeterProvider(metric_readers=[reader]))
with db.session() as session:
    session.connection().execute(text("SELECT 1"))

async def main():
    await db.run_async(lambda connection: connection.execute(text("SELECT 2")))
    await db.dispose_async()

asyncio.run(main())
spans = [dict(span.attributes) for span in exporter.get_finished_spans()]
measured = reader.get_metrics_data() if sys.argv[2] == "set" else None
names = [] if measured is None else [
    metric.name for resource in measured.resource_metrics
    for scope in resource.scope_metrics for metric in scope.metrics
]
print(json.dumps([[span.get("db.statement", span.get("db.query.text")) for span in spans], names]))
"""


@pytest.mark.slow
@pytest.mark.parametrize("provider", ["set", "none"])
def test_statements_are_traced_when_a_tracer_provider_is_set(db: Database, provider: str) -> None:
    if db.url.memory:
        pytest.skip("an in-memory database belongs to one process")
    done = subprocess.run(
        [sys.executable, "-c", TRACED, url_of(db), provider],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    statements, metrics = json.loads(done.stdout)
    assert ("db.client.connections.usage" in metrics) == (provider == "set")
    assert ("SELECT 1" in statements, "SELECT 2" in statements) == ((provider == "set",) * 2)
